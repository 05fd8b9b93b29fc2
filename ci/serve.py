"""The server with the real clients, and under load: see ci/serve. Exit code 1 if something is not as it should be."""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from deepspeech_recipe import convert
from deepspeech_recipe.runtime import Recognizer, Result
from deepspeech_recipe.runtime.recordings.audio_files import read_audio

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "deepspeech_recipe" / "data" / "model"
RECORDINGS = sorted(MODEL.glob("recordings/*.wav"))
TOKEN = "swordfish-for-this-run-only"
MOST = 1.10  # of the memory after the first minute
_BLOCKS = (1, 3, 641, 5000, 20_000, 100_001)  # bytes


@contextmanager
def served(ir: Path, *options: str) -> Iterator[tuple[int, str]]:
    """(process id, address)"""
    command = [sys.executable, "-m", "deepspeech_recipe", "serve", "--model", str(ir), "--port", "0", *options]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, text=True)
        try:
            yield process.pid, _address(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
    if code:
        raise AssertionError(f"the server ended with exit code {code}")


def _address(process: subprocess.Popen, log) -> str:
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        log.seek(0)
        if found := re.search(r"^(http\S+)/$.*ready on", log.read(), re.M | re.S):
            return found[1]
        time.sleep(0.1)
    raise AssertionError("the server does not begin")


def with_openai(ir: Path, results: dict[Path, Result]) -> None:
    """The package `openai`: all forms, streaming, errors, the token."""
    import openai

    with tempfile.NamedTemporaryFile("w", suffix=".token") as token:
        token.write(TOKEN)
        token.flush()
        with served(ir, "--token-file", token.name, "--name", "whisper-1") as (_, address):
            client = openai.OpenAI(base_url=f"{address}/v1", api_key=TOKEN, max_retries=0)
            assert [each.id for each in client.models.list()] == ["whisper-1"]
            assert client.models.retrieve("whisper-1").object == "model"
            for path, result in results.items():
                _check_answers(client, path, result)
            for options, error in (
                ({"response_format": "xml"}, openai.BadRequestError),
                ({"model": "gpt-4o-transcribe"}, openai.NotFoundError),
                ({"language": "de"}, openai.BadRequestError),
            ):
                _refused(client, RECORDINGS[0], error, **options)
            _refused(client, ROOT / "README.md", openai.BadRequestError)
            stranger = openai.OpenAI(base_url=f"{address}/v1", api_key="other", max_retries=0)
            _refused(stranger, RECORDINGS[0], openai.AuthenticationError)
    print(f"ok: openai {openai.__version__}, {len(results)} recordings in every form")


def _check_answers(client, path: Path, result: Result) -> None:
    def ask(**options):
        return client.audio.transcriptions.create(file=path, **{"model": "whisper-1", **options})

    assert ask().text == result.text
    assert ask(response_format="text").strip() == result.text
    assert " --> " in ask(response_format="srt") or not result.text
    assert ask(response_format="vtt").startswith("WEBVTT")
    verbose = ask(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert (verbose.text, float(verbose.duration)) == (result.text, result.seconds)
    assert [(each.word, each.start, each.end) for each in verbose.words] == [
        (each.text, each.start, each.end) for each in result.words
    ]
    assert " ".join(each.text for each in verbose.segments) == result.text
    events = list(ask(stream=True))
    assert "".join(each.delta for each in events[:-1]) == events[-1].text == result.text


def _refused(client, path: Path, error: type[Exception], **options) -> None:
    try:
        client.audio.transcriptions.create(file=path, **{"model": "whisper-1", **options})
    except error as refused:
        message = refused.body["message"]
    else:
        message = ""
    assert message, f"{path.name}, {options}: not refused"


def with_ray(ir: Path, results: dict[Path, Result]) -> None:
    """The example: two replicas, six live streams, each on one of them."""
    os.environ |= {"MODEL": str(ir), "REPLICAS": "2", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    import ray

    ray.init(num_cpus=4, include_dashboard=False, logging_level="warning")
    from ray import serve

    from examples.ray_serve import speech

    serve.start(http_options={"host": "127.0.0.1", "port": 8133})
    try:
        serve.run(speech)
        for _ in range(10):  # of either replica
            _wait_for("http://127.0.0.1:8133/health")
        hearers = [_hear("http://127.0.0.1:8133", results, random.Random(seed), time.monotonic()) for seed in range(6)]
        heard = sum(asyncio.run(_all(hearers)))
    finally:
        serve.shutdown()
        ray.shutdown()
    print(f"ok: Ray Serve {ray.__version__}, {heard} texts from two replicas")


def _wait_for(address: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{address}: no answer")


def under_load(ir: Path, results: dict[Path, Result], streams: int, minutes: float) -> None:
    """Texts as of whole recordings, and memory that stays."""
    memory: list[tuple[float, float]] = []
    with served(ir, "--max-streams", str(2 * streams), "--silence", "0") as (process, address):
        end = time.monotonic() + 60 * minutes
        hearers = [_hear(address, results, random.Random(seed), end) for seed in range(streams)]

        async def watch() -> int:
            begin = time.monotonic()
            while time.monotonic() < end:
                await asyncio.sleep(min(10, 60 * minutes))
                memory.append((time.monotonic() - begin, _megabytes(process)))
                print(f"{memory[-1][0] / 60:6.1f} min {memory[-1][1]:7.1f} MB", flush=True)
            return 0

        heard = sum(asyncio.run(_all([*hearers, watch()])))
    warm = [used for since, used in memory if since >= 60]
    print(f"ok: {streams} streams, {minutes:g} minutes, {heard} texts, all of them those of whole recordings")
    if not warm:
        print("too short to tell of memory: the first minute does not count")
    elif max(warm) > MOST * warm[0]:
        raise AssertionError(f"memory grew from {warm[0]:.0f} to {max(warm):.0f} MB")


async def _all(hearers) -> list[int]:
    return await asyncio.gather(*hearers)


async def _hear(address: str, results: dict[Path, Result], rng: random.Random, end: float) -> int:
    """One client after the other, until the end, and once at least → texts that were right."""
    import websockets

    audio = {path: _pcm(path) for path in results}
    count = 0
    while not count or time.monotonic() < end:
        path = rng.choice(list(results))
        # An answer to a ping waits behind samples that are not read yet: more is sent than can be done.
        where = f"{address.replace('http', 'ws', 1)}/v1/stream"
        async with websockets.connect(where, ping_interval=None, open_timeout=120) as socket:
            first = json.loads(await socket.recv())
            if "are in use" in first.get("message", ""):  # by a replica that has measured that it keeps up with few
                await asyncio.sleep(0.5)
                continue
            assert first["type"] == "ready", first
            if count and rng.random() < 0.3:
                await socket.send(audio[path][: rng.randrange(40_000)])  # and is gone
                continue
            for _ in range(rng.randrange(1, 4)):
                at = 0
                while at < len(audio[path]):
                    size = rng.choice(_BLOCKS)
                    await socket.send(audio[path][at : at + size])
                    at += size
                await socket.send('{"end": true}')
                while (message := json.loads(await socket.recv()))["type"] == "partial":
                    pass
                assert message.get("text") == results[path].text, message
                count += 1
    return count


def _pcm(path: Path) -> bytes:
    return np.round(read_audio(path, 16000) * 32768).astype("<i2").tobytes()


def _megabytes(process: int) -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("openai", "ray", "load"))
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = {"batch": "dynamic", "time_steps": "dynamic", "converter": "openvino", "verify": False}
        ir = convert(MODEL / "output_graph.pb", folder, **options).files[0]
        recognizer = Recognizer(ir)
        results = {path: recognizer.transcribe(read_audio(path, 16000)) for path in RECORDINGS}
        for name, run in {
            "openai": lambda: with_openai(ir, results),
            "ray": lambda: with_ray(ir, results),
            "load": lambda: under_load(ir, results, arguments.streams, arguments.minutes),
        }.items():
            if arguments.only in (None, name):
                run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
