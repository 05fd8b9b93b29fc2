"""Runs Mozilla's or Coqui's own client: `run_client.py THREADS deepspeech|stt`. Whole utterances, beam width 1."""

import sys
import time
from typing import Any

from loop import Commands, limit_threads, serve

THREADS = limit_threads()
NAME = sys.argv[2]
client = __import__(NAME)

from signals import int16_samples  # noqa: E402


class Worker(Commands):
    packages = (NAME, "numpy")

    def load(self, model: str, **others) -> None:
        self.path = model
        self.model: Any = None

    def compile(self, cache: str = "") -> dict:
        if cache:
            raise ValueError("the client has no model cache")
        start = time.perf_counter()
        self._open()
        return {"ms": [1000 * (time.perf_counter() - start)]}

    def chunk(self, **arguments) -> dict:
        raise ValueError("the client takes audio, not windows")

    probabilities = features = live = chunk

    def utterance(self, audio: str) -> dict:
        if self.model is None:
            self._open()
        samples = int16_samples(audio)
        start = time.perf_counter()
        text = self.model.stt(samples)
        return {"ms": [1000 * (time.perf_counter() - start)], "text": text}

    def _open(self) -> None:
        self.model = client.Model(self.path)
        self.model.setBeamWidth(1)


if __name__ == "__main__":
    serve(Worker())
