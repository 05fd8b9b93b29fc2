"""`WS /v1/stream`: samples in, texts out, as JSON."""

import asyncio
import json
import time
from contextlib import suppress

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer, Result
from deepspeech_recipe.runtime.result import Progress
from deepspeech_recipe.serve.answers import cue_list, word_list
from deepspeech_recipe.serve.engine import Engine
from deepspeech_recipe.serve.errors import ApiError, Busy, Gone, note
from deepspeech_recipe.serve.incoming import Incoming, Silent
from deepspeech_recipe.serve.utterances import Utterances, chosen

_NORMAL, _LEAVING, _UNFIT, _FAILED, _FULL = 1000, 1001, 1003, 1011, 1013
_LONGEST_REASON = 123  # bytes, of the WebSocket protocol


async def stream(websocket: WebSocket) -> None:
    """One connection."""
    engine: Engine = websocket.app.state.engine
    await websocket.accept()
    try:
        recognizer = engine.recognizer
        with engine.streams.take():
            await _Conversation(websocket, engine, recognizer).run()
        await _leave(websocket, engine, _LEAVING, "The server is about to end.")
    except Silent as silent:
        await _leave(websocket, engine, _NORMAL, str(silent))
    except Busy as busy:
        await _leave(websocket, engine, _FULL, str(busy))
    except ApiError as error:
        await _leave(websocket, engine, _UNFIT, str(error))
    except RecipeError as error:
        await _leave(websocket, engine, _FAILED, engine.in_public(error))
    except (WebSocketDisconnect, Gone):
        pass
    except Exception:
        await _leave(websocket, engine, _FAILED, "The server failed at this; its log says how.")
        raise


async def _leave(websocket: WebSocket, engine: Engine, code: int, reason: str) -> None:
    """Says why, if somebody still listens."""
    note(websocket, f"{code}: {reason}")
    with suppress(WebSocketDisconnect, Gone, RuntimeError):  # it was gone already
        await send(websocket, engine, {"type": "error", "message": reason})
        await websocket.close(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))


async def send(websocket: WebSocket, engine: Engine, message: dict) -> None:
    """Raises Gone if nobody reads it in time: nothing is kept for those who do not."""
    try:
        await asyncio.wait_for(websocket.send_text(json.dumps(message, ensure_ascii=False)), engine.options.idle)
    except asyncio.TimeoutError:
        note(websocket, "does not read what it is sent")
        raise Gone from None


def _ends(message: Message) -> bool:
    return message["type"] == "websocket.disconnect"


class _Conversation:
    def __init__(self, websocket: WebSocket, engine: Engine, recognizer: Recognizer):
        self._websocket, self._engine, self._recognizer = websocket, engine, recognizer
        self._incoming = Incoming(websocket.receive, _ends, engine.leaving, engine.options.idle)
        self._utterances = Utterances(recognizer, engine.settings(), self._incoming.gone)
        self._working: asyncio.Future | None = None

    async def run(self) -> None:
        """Until the server is about to end. Raises what else ends it."""
        try:
            await send(self._websocket, self._engine, {"type": "ready", **self._engine.describe()})
            while (message := await self._message()) is not None:
                await self._take(message)
        finally:
            self._incoming.close()
            self._close(self._utterances)

    async def _message(self) -> Message | None:
        try:
            message = await self._incoming.message()
        except Silent:
            await self._finish()
            raise
        if message is None:
            await self._finish()
        return message

    async def _take(self, message: Message) -> None:
        if _ends(message):
            raise WebSocketDisconnect(message.get("code", 1005))
        if message.get("bytes") is not None:
            begin = time.monotonic()
            self._utterances.add(message["bytes"])
            if self._utterances.due:
                await self._say(self._utterances.work)
                self._engine.metrics.partial_seconds.observe(time.monotonic() - begin)
        else:
            await self._obey(message.get("text") or "")

    async def _obey(self, text: str) -> None:
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise ApiError(400, "A message of text must be a JSON object.")
        if asked.get("end") is True:
            await self._say(self._utterances.end)
        elif not self._utterances.idle:
            raise ApiError(400, "Settings come before the first sample of an utterance.")
        else:
            await self._set(asked)

    async def _set(self, asked: dict) -> None:
        try:
            settings = chosen(self._engine.settings(), asked)
            new = await self._engine.run(lambda: Utterances(self._recognizer, settings, self._incoming.gone))
        except RecipeError as error:
            raise ApiError(400, self._engine.in_public(error)) from None
        self._close(self._utterances)
        self._utterances = new

    async def _finish(self) -> None:
        if not self._utterances.idle:
            await self._say(self._utterances.end)

    async def _say(self, work) -> None:
        self._working = asyncio.ensure_future(self._engine.run(lambda: list(work())))
        for event in await asyncio.shield(self._working):
            if isinstance(event, Result):
                self._engine.metrics.audio.labels("stream").inc(event.seconds)
            await send(self._websocket, self._engine, as_json(event))

    def _close(self, utterances: Utterances) -> None:
        """Now, or when the thread that works on them is done: they are not for two at once."""
        if self._working is None or self._working.done():
            utterances.close()
        else:
            self._working.add_done_callback(lambda _: utterances.close())


def as_json(event: Progress | Result) -> dict:
    """A message about an utterance."""
    if isinstance(event, Progress):
        return {"type": "partial", "text": event.text, "settled": event.settled, "seconds": event.seconds}
    return {
        "type": "final",
        "text": event.text,
        "words": word_list(event),
        "segments": cue_list(event.words),
        "seconds": event.seconds,
        "confidence": event.confidence,
    }
