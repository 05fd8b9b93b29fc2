"""Live streams as clients have them: `serve` with each IR, and connections to it from here, over the loopback; beside
it the same streams without a server."""

import asyncio
import json
import math
import time
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

from deepspeech_recipe.benchmarking.rounds import Entry
from deepspeech_recipe.benchmarking.scenarios import FRAMES, Team
from deepspeech_recipe.installation import needed
from deepspeech_recipe.processes.worker import Failed, Worker

STREAMS = (8, 32)
_LOADING = 120  # seconds
_LATE = 10.0  # seconds that a stream is waited for after its end


def serve(team: Team, streams: Sequence[int], audio: Path, short: Path, step: float) -> list[Entry]:
    """That many streams that hear the audio at real-time pace: how late the text of a chunk is where it has changed;
    and how late the runtime alone is, in processes of its own ("live").

    short: what warms up. step: seconds of a frame."""
    found, alone = [], team.again()
    for rows in streams:
        for contender in team.contenders:
            found.append(_entry(team, rows, contender, audio, short, FRAMES * step))
            asked = {"audio": str(audio), "rows": rows}
            live = alone.measurement("live", contender, "ms", rows)
            found.append(alone.entry(contender, live, "live", asked, {"audio": str(short)}))
    return found


def _entry(team: Team, rows: int, contender, audio: Path, short: Path, chunk: float) -> Entry:
    measurement = team.measurement("serve", contender, "ms", rows)
    worker = team.workers.get(contender.name)
    if worker is None:
        return Entry(list, [measurement])

    def hear(audio: Path) -> list[float]:
        address = _ready(worker)
        before = worker.ask("used")
        websockets = needed("The scenario serve needs websockets: pip install websockets.", "websockets")
        try:
            found, seconds = asyncio.run(_hear(websockets.connect, address, audio, rows, chunk))
        except (OSError, websockets.WebSocketException) as error:
            raise Failed(f"the server does not answer ({error})") from None
        after = worker.ask("used")
        measurement.facts["processor_ms_a_second"] = 1000 * (after["processor"] - before["processor"]) / seconds
        measurement.facts["memory"] = after.get("memory")
        if not found:
            raise Failed("the network says nothing, so no text is late")
        return found

    return Entry(lambda: [hear(audio)], [measurement], lambda: hear(short))


def _ready(worker: Worker) -> str:
    """Waits until the worker's server has loaded its model, and returns its address."""
    address, end = worker.ask("serve")["address"], time.monotonic() + _LOADING
    while time.monotonic() < end:
        try:
            with urlopen(f"{address}health", timeout=_LOADING):
                return address
        except OSError:  # not yet, or not ready
            pass
        if not worker.ask("serves")["alive"]:
            raise Failed("the model cannot be served")
        time.sleep(0.05)
    raise Failed(f"the server was not ready in {_LOADING} seconds")


async def _hear(connect: Callable, address: str, audio: Path, rows: int, chunk: float) -> tuple[list[float], float]:
    """(ms of every chunk whose text is new, seconds of audio of all streams together)."""
    with wave.open(str(audio)) as file:
        rate, samples = file.getframerate(), file.readframes(file.getnframes())
    size = 2 * round(chunk * rate)
    blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
    begin = time.monotonic() + 0.2
    streams = [_stream(connect, address, blocks, chunk, begin + chunk * number / rows) for number in range(rows)]
    found = await asyncio.gather(*streams)
    return [each for late in found for each in late], rows * sum(map(len, blocks)) / 2 / rate


async def _stream(connect: Callable, address: str, blocks: list[bytes], chunk: float, begin: float) -> list[float]:
    """One stream, whose blocks have their time each."""
    late: list[float] = []

    async def listen(socket) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "error":
                raise Failed(message["message"])
            if message["type"] == "final":
                return
            if message["type"] == "partial":
                spoken = begin + chunk * math.ceil(message["seconds"] / chunk - 1e-6)
                late.append(1000 * (time.monotonic() - spoken))

    async with connect(f"{address.replace('http', 'ws', 1)}v1/stream", compression=None) as socket:
        listening = asyncio.ensure_future(listen(socket))
        for number, block in enumerate(blocks, 1):
            await asyncio.sleep(begin + chunk * number - time.monotonic())
            await socket.send(block)
        await socket.send('{"end": true}')
        try:
            await asyncio.wait_for(listening, _LATE)
        except asyncio.TimeoutError:
            raise Failed(f"does not keep real time: a text was not there {_LATE:g} seconds after its end") from None
    return late
