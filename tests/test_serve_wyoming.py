"""`serve` in the protocol of Home Assistant's voice, by that project's own client and by hand."""

import asyncio
import json
import random
from contextlib import asynccontextmanager

import pytest
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info

from deepspeech_recipe import serve
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.serve import wyoming
from tests.support.bundled import FOLDER, bundled_batches, pcm, samples_of

pytestmark = pytest.mark.anywhere

RECORDING = sorted((FOLDER / "recordings").glob("*.wav"))[0]
AUDIO = pcm(samples_of(RECORDING))


@pytest.fixture(scope="module")
def text():
    return Recognizer(bundled_batches()).transcribe(samples_of(RECORDING)).text


@asynccontextmanager
async def listening(most: int = 10, **options):
    """(engine, port)"""
    engine = serve.app(bundled_batches(), **{"max_streams": 2, "idle": 5, **options}).state.engine
    await engine.start()
    server = await wyoming.start(engine, "127.0.0.1", 0, most)
    try:
        yield engine, server.sockets[0].getsockname()[1]
    finally:
        server.close()


def talk(script, **options):
    """Runs script(engine, port) beside a server."""

    async def run():
        async with listening(**options) as (engine, port):
            return await asyncio.wait_for(script(engine, port), 30)

    return asyncio.run(run())


async def said(client, audio: bytes = AUDIO, rate: int = 16000, channels: int = 1) -> list:
    """The events that an utterance is answered with."""
    form = {"rate": rate, "width": 2, "channels": channels}
    await client.write_event(Transcribe(language="en").event())
    await client.write_event(AudioStart(**form).event())
    for at in range(0, len(audio), 2048):
        await client.write_event(AudioChunk(**form, audio=audio[at : at + 2048]).event())
    await client.write_event(AudioStop().event())
    found = []
    while not found or not (TranscriptStop.is_type(found[-1].type) or found[-1].data.get("text") == ""):
        found.append(await client.read_event())
    return found


def test_what_it_is():
    async def script(engine, port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Describe().event())
            return Info.from_event(await client.read_event())

    (program,) = talk(script).asr
    assert (program.supports_transcript_streaming, program.models[0].name) == (True, "bundled")
    assert program.models[0].languages == ["en"]


def test_an_utterance_and_the_next_one(text):
    async def script(engine, port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            first = await said(client)
            nothing = await said(client, b"")
            stereo = bytes(byte for at in range(0, len(AUDIO), 2) for byte in AUDIO[at : at + 2] * 2)
            return first, nothing, await said(client, stereo, channels=2), engine.streams.taken

    first, nothing, stereo, taken = talk(script)
    assert TranscriptStart.from_event(first[0]).language == "en"
    chunks = [TranscriptChunk.from_event(each).text for each in first if TranscriptChunk.is_type(each.type)]
    assert (len(chunks) > 3, "".join(chunks)) == (True, text)
    assert Transcript.from_event(first[-2]).text == text
    assert TranscriptStop.is_type(first[-1].type)
    assert [Transcript.from_event(each).text for each in nothing] == [""]
    assert Transcript.from_event(stereo[-2]).text == text
    assert taken == 0


def test_another_rate(text):
    async def script(engine, port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            return await said(client, pcm(samples_of(RECORDING), 22050), 22050)

    assert Transcript.from_event(talk(script)[-2]).text == text


def test_a_long_one_is_one_text(text):
    """It is recognised in parts, of which the client knows nothing."""

    async def script(engine, port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            return await said(client, AUDIO * 2)

    found = talk(script, max_utterance=1.5)
    whole = Transcript.from_event(found[-2]).text
    assert "".join(each.data["text"] for each in found if TranscriptChunk.is_type(each.type)) == whole
    assert whole.count(" ") >= 2


HOSTILE = [
    (b"nothing\n", "This is not an event"),
    (b"[]\n", "This is not an event"),
    (b'{"type": 1}\n', "This is not an event"),
    (b'{"type": "audio-chunk", "payload_length": 99999999999}\n', "too large"),
    (b'{"type": "audio-chunk", "payload_length": -1}\n', "too large"),
    (b'{"type": "audio-chunk", "data_length": 1000000}\n', "too large"),
    (b'{"type": "describe", "data": 5}\n', "This is not an event"),
    (b"x" * 200_000 + b"\n", "too large"),
    (b'{"type": "audio-start", "data": {"rate": 1}}\n', "lacks a field"),
    (b'{"type": "audio-start", "data": {"rate": 1, "width": 2, "channels": 1}}\n', "a whole number from 1000"),
    (b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 9, "channels": 1}}\n', "1 to 4 bytes"),
]


@pytest.mark.parametrize(("line", "reason"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_not_the_protocol_is_an_error_to_its_sender(line, reason, text):
    async def script(engine, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(line)
        found = await wyoming.read_event(reader)
        assert await reader.read() == b""
        writer.close()
        return found, engine.streams.taken

    found, taken = talk(script)
    assert reason in Error.from_event(found).text
    assert taken == 0


def test_random_bytes_leave_the_server_as_it_was(text):
    async def script(engine, port):
        rng = random.Random(0)
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rng.randbytes(300) + b"\n")
            writer.write_eof()
            await reader.read()
            writer.close()
        async with AsyncTcpClient("127.0.0.1", port) as client:
            return await said(client)

    assert Transcript.from_event(talk(script)[-2]).text == text


def test_one_too_many_is_refused():
    async def script(engine, port):
        with engine.streams.take(), engine.streams.take():
            async with AsyncTcpClient("127.0.0.1", port) as client:
                await client.write_event(AudioStart(16000, 2, 1).event())
                return Error.from_event(await client.read_event()).text

    assert talk(script) == "All places for streams are in use, 2 of 2. Try again in a moment."


def test_connections_are_bounded():
    async def script(engine, port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Describe().event())
            await client.read_event()
            reader, _ = await asyncio.open_connection("127.0.0.1", port)
            return await reader.read()

    assert talk(script, most=1) == b""


def test_who_stops_in_the_middle_frees_the_place():
    async def script(engine, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = {"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}
        writer.write(json.dumps(head).encode() + b"\n")
        taken = []
        for _ in range(300):
            taken.append(engine.streams.taken)
            await asyncio.sleep(0.01)
            if taken[-1] == 0 and 1 in taken:
                break
        writer.close()
        return taken[-1]

    assert talk(script, idle=0.2) == 0


def test_the_end_of_the_server_gives_the_text(text):
    async def script(engine, port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(AudioChunk(16000, 2, 1, AUDIO).event())
            heard = ""
            while heard != text:
                event = await client.read_event()
                heard += event.data.get("text", "")
            engine.leaving.set()
            return await client.read_event(), await client.read_event(), await client.read_event()

    transcript, stop, end = talk(script)
    assert Transcript.from_event(transcript).text == text
    assert TranscriptStop.is_type(stop.type)
    assert end is None
