"""The protocol of Home Assistant's and Rhasspy's voices, over TCP."""

import asyncio
import json
import logging
from contextlib import ExitStack, suppress

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info

from deepspeech_recipe import __version__
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import one_line
from deepspeech_recipe.runtime import Result
from deepspeech_recipe.serve.engine import Engine
from deepspeech_recipe.serve.errors import Gone
from deepspeech_recipe.serve.incoming import Incoming, Silent
from deepspeech_recipe.serve.utterances import Utterances, chosen

logger = logging.getLogger(__name__)
_LONGEST_LINE, _LONGEST_DATA, _LONGEST_PAYLOAD = 2**16, 2**16, 2**20  # bytes
_PROGRAM = "deepspeech-recipe"
_NOBODY = Attribution(name="", url="")


async def start(engine: Engine, host: str, port: int, most: int) -> asyncio.Server:
    """Listens. most: connections at the same time. Raises OSError."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(open_ones) >= most:
            writer.close()
            return
        open_ones.add(writer)
        try:
            await _Client(engine, reader, writer).run()
        finally:
            open_ones.discard(writer)
            writer.close()

    return await asyncio.start_server(connected, host, port, limit=_LONGEST_LINE)


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next event, None at the end. Raises RecipeError for one that is too large or is not one."""
    try:
        line = await reader.readline()
        if not line:
            return None
        head = json.loads(line)
        data = head.get("data") or {}
        data |= json.loads(await _part(reader, head.get("data_length"), _LONGEST_DATA) or "{}")
        payload = await _part(reader, head.get("payload_length"), _LONGEST_PAYLOAD)
        if not isinstance(head["type"], str):
            raise TypeError
        return Event(head["type"], data, payload or None)
    except asyncio.IncompleteReadError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RecipeError("This is not an event of the Wyoming protocol, or one that is too large.") from None


async def _part(reader: asyncio.StreamReader, length: object, most: int) -> bytes:
    if length is None:
        return b""
    if not isinstance(length, int) or not 0 <= length <= most:
        raise ValueError
    return await reader.readexactly(length)


def _ends(event: Event | None) -> bool:
    return event is None


class _Client:
    def __init__(self, engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._engine, self._writer = engine, writer
        self._incoming = Incoming(lambda: read_event(reader), _ends, engine.leaving, engine.options.idle)
        self._utterances: Utterances | None = None
        self._converter = AudioChunkConverter(width=2, channels=1)
        self._stack = ExitStack()  # its place, while it speaks
        self._texts: list[str] = []
        self._sent = ""

    async def run(self) -> None:
        """Until the client or the server goes."""
        try:
            while (event := await self._incoming.message()) is not None:
                await self._obey(event)
            if self._utterances is not None:
                await self._end()
        except Silent as silent:
            self._note(str(silent))
        except (Gone, ConnectionError):
            self._note("the client is gone")
        except RecipeError as error:
            self._note(str(error))
            with suppress(Gone, ConnectionError):
                await self._send(Error(self._engine.in_public(error)))
        except Exception:
            logger.exception("a Wyoming client")
        finally:
            self._incoming.close()
            self._drop()

    async def _obey(self, event: Event) -> None:
        try:
            if Describe.is_type(event.type):
                await self._send(self._info())
            elif AudioStart.is_type(event.type):
                self._begin(AudioStart.from_event(event).rate)
            elif AudioChunk.is_type(event.type):
                await self._hear(AudioChunk.from_event(event))
            elif AudioStop.is_type(event.type) and self._utterances is not None:
                await self._end()
            elif Transcribe.is_type(event.type):
                self._drop()
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            raise RecipeError(f"The event {event.type!r} lacks a field, or has one that does not fit.") from None

    def _begin(self, rate: int) -> None:
        self._drop()
        recognizer = self._engine.recognizer
        self._stack.enter_context(self._engine.streams.take())
        # Who speaks Wyoming says itself where an utterance ends.
        settings = chosen(self._engine.settings(silence=0.0), {"rate": rate})
        self._utterances = Utterances(recognizer, settings, self._incoming.gone)

    async def _hear(self, chunk: AudioChunk) -> None:
        if self._utterances is None:
            self._begin(chunk.rate)
        assert self._utterances is not None
        if chunk.width not in (1, 2, 3, 4) or chunk.channels not in (1, 2):
            raise RecipeError("Samples of 1 to 4 bytes in 1 or 2 channels are needed.")
        self._utterances.add(self._converter.convert(chunk).audio)
        if self._utterances.due:
            await self._work(self._utterances.work)

    async def _work(self, work) -> None:
        for event in await self._engine.run(lambda: list(work())):
            if isinstance(event, Result):
                self._engine.metrics.audio.labels("wyoming").inc(event.seconds)
                self._texts += filter(None, [event.text])
                await self._tell(" ".join(self._texts))
            elif event.settled:
                await self._tell(" ".join([*self._texts, event.text[: event.settled]]))

    async def _tell(self, text: str) -> None:
        """Sends what was added to the text that will not change."""
        if len(text) > len(self._sent):
            if not self._sent:
                await self._send(TranscriptStart(language=self._language))
            await self._send(TranscriptChunk(text[len(self._sent) :]))
            self._sent = text

    async def _end(self) -> None:
        assert self._utterances is not None
        await self._work(self._utterances.end)
        await self._send(Transcript(text=" ".join(self._texts), language=self._language))
        if self._sent:
            await self._send(TranscriptStop())
        self._drop()

    def _drop(self) -> None:
        if self._utterances is not None:
            self._utterances.close()
        self._utterances, self._texts, self._sent = None, [], ""
        self._stack.close()

    @property
    def _language(self) -> str | None:
        return self._engine.describe()["language"]

    def _info(self) -> Info:
        language = self._language
        model = AsrModel(
            name=self._engine.name, attribution=_NOBODY, installed=True, description=None, version=None,
            languages=[language] if language else [],
        )  # fmt: skip
        program = AsrProgram(
            name=_PROGRAM, attribution=_NOBODY, installed=True, description="DeepSpeech and Coqui STT with OpenVINO",
            version=__version__, models=[model], supports_transcript_streaming=True,
        )  # fmt: skip
        return Info(asr=[program])

    async def _send(self, event: Eventable) -> None:
        """Raises Gone if nobody reads it in time."""
        try:
            await asyncio.wait_for(async_write_event(event.event(), self._writer), self._engine.options.idle)
        except asyncio.TimeoutError:
            raise Gone from None

    def _note(self, message: str) -> None:
        address = self._writer.get_extra_info("peername")
        logger.warning("%s, Wyoming: %s", address[0] if address else "a client", one_line(message))
