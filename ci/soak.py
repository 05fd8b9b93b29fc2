"""Live streams of many threads for minutes or hours: memory after the first minute must stay within a tenth.

Each thread hears recordings of the bundled model one after another, whole or a part, in blocks of any size, and asks
for partial texts; as fast as it goes. Exit code 1 if the memory grew by more.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from deepspeech_recipe import __version__, convert
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings.audio_files import read_audio

MODEL = Path(__file__).parents[1] / "deepspeech_recipe" / "data" / "model"
MOST = 1.10
_WARM_UP = 60


def memory() -> float:
    """MB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Load:
    """The threads. said: recordings so far, of all of them."""

    def __init__(self, recognizer: Recognizer, streams: int):
        self._recognizer, self._recordings = recognizer, sorted(MODEL.glob("recordings/*.wav"))
        self._stop, self._errors, self.said = threading.Event(), [], 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(streams)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _run(self, seed: int) -> None:
        rng = random.Random(seed)
        audio = [read_audio(path, self._recognizer.sample_rate) for path in self._recordings]
        try:
            while not self._stop.is_set():
                samples = rng.choice(audio)
                self._hear(samples[: rng.randrange(len(samples) // 2, len(samples))], rng)
        except Exception as error:
            self._errors.append(error)

    def _hear(self, samples, rng: random.Random) -> None:
        with self._recognizer.stream() as stream:
            at = 0
            while at < len(samples) and not self._stop.is_set():
                size = rng.randrange(100, 8000)
                stream.feed(samples[at : at + size])
                stream.partial()
                at += size
            stream.finish()
        with self._lock:
            self.said += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--max-batch", type=int, help="let streams share calls")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = {"batch": "dynamic", "time_steps": "dynamic", "converter": "openvino", "verify": False}
        ir = convert(MODEL / "output_graph.pb", folder, **options).files[0]
        recognizer = Recognizer(ir, max_batch=arguments.max_batch)
    name = f"{arguments.streams} streams, max_batch {arguments.max_batch}, openvino {ov.get_version()}, {__version__}"
    print(name, flush=True)
    begin, warm, highest = time.monotonic(), None, 0.0
    with Load(recognizer, arguments.streams) as load:
        while (passed := time.monotonic() - begin) < 60 * arguments.minutes:
            time.sleep(min(30, 60 * arguments.minutes - passed))
            load.check()
            now, passed = memory(), time.monotonic() - begin
            if warm is None and passed >= _WARM_UP:
                warm = now
            highest = max(highest, now if warm is not None else 0.0)
            print(f"{passed / 60:6.1f} min {now:7.1f} MB {load.said:8d} recordings", flush=True)
    if warm is None:
        print("too short to tell: the first minute does not count", flush=True)
        return 2
    grown = highest / warm
    print(f"{'ok' if grown <= MOST else 'GROWN'}: {warm:.0f} MB after a minute, {highest:.0f} at most ({grown:.3f})")
    return int(grown > MOST)


if __name__ == "__main__":
    sys.exit(main())
