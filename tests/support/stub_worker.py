"""A worker for the tests of the benchmark: `stub_worker.py THREADS LOG NAME`. Its numbers are made up.

LOG gets a line when a command begins and when it ends; options say what it answers and when it dies.
"""

import os
import sys
import time
from pathlib import Path

from loop import Commands, serve

THREADS, LOG, NAME = sys.argv[1:4]


class Stub(Commands):
    def about(self) -> dict:
        return {"python": "3.x", "threads": THREADS}

    def load(self, model: str, milliseconds: float = 1.0, dies: str = "", refuses: str = "", sleeps: float = 0):
        self.milliseconds, self.dies, self.refuses, self.sleeps = milliseconds, dies, refuses, sleeps
        self.turn = 0

    def _turn(self, command: str, count: int = 1, scale: float = 1) -> dict:
        if self.refuses == command:
            raise ValueError(f"{NAME} has no {command}")
        with open(LOG, "a") as log:
            print("begin", NAME, command, file=log, flush=True)
            print("what a library prints")
            if self.dies == command and self.turn > 1:
                print("the last words", file=sys.stderr)
                os._exit(3)
            time.sleep(self.sleeps)
            print("end", NAME, command, file=log)
        self.turn += 1
        return {"ms": [scale * self.milliseconds * (number + 1) for number in range(count)]}

    def compile(self, cache: str = "") -> dict:
        return self._turn("compile", scale=1 if cache else 2)

    def chunk(self, frames: int, repeat: int, rows: int = 1) -> dict:
        return self._turn("chunk", repeat, rows)

    def utterance(self, audio: str) -> dict:
        return {**self._turn("utterance"), "text": Path(audio).stem}

    def variables(self, names: list) -> list:
        return [os.environ.get(name) for name in names]

    def live(self, audio: str, rows: int) -> dict:
        return self._turn("live", rows)

    def features(self, audio: str) -> dict:
        return self._turn("features", scale=0.25)

    def probabilities(self, frames: int, chunks: int) -> list:
        return [[[[self.milliseconds / 100, 1.0]]] * frames] * chunks

    def memory(self) -> dict:
        return {"peak": 10**6 * (1 + self.turn), "now": 10**6}


if __name__ == "__main__":
    serve(Stub())
