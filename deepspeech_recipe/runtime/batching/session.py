"""A stream that shares the calls of the network with others."""

import weakref
from collections.abc import Iterator
from queue import Empty

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import last_line
from deepspeech_recipe.runtime.batching.worker import Batcher, Row
from deepspeech_recipe.runtime.inference.mfcc_frames import MfccFrames
from deepspeech_recipe.runtime.inference.sessions import Session
from deepspeech_recipe.runtime.inference.windows import Windows

# Windows that may wait for the network: 10 s at 20 ms a frame.
AHEAD = 512


class BatchedSession(Session):
    """An utterance whose calls of the network are shared: `feed` does not wait for them, unless they are far behind."""

    def __init__(self, batcher: Batcher, mfccs: MfccFrames, size: int, n_context: int, n_features: int):
        """size: windows of a call."""
        self._batcher, self._source, self._size, self._sizes = batcher, mfccs, size, (n_context, n_features)
        self._drop: weakref.finalize | None = None
        self.reset()

    def reset(self) -> None:
        if self._drop is not None:
            self._drop()
        self._source.reset()
        self._row = Row(self._size, Windows(*self._sizes))
        # Frees the place in the batch, also if the stream is forgotten in the middle.
        drop = weakref.finalize(self, self._batcher.drop, self._row)
        drop.atexit = False
        self._drop = drop
        self._sent = self._received = 0  # MFCC frames, windows
        self._error: str | None = None

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        for mfccs in self._source.feed(samples):
            self._send(mfccs, end=False)
            yield from self._found(self._complete() - AHEAD)
        yield from self._found(0)

    def settled(self) -> Iterator[np.ndarray]:
        return self._found(self._complete())

    def finish(self) -> Iterator[np.ndarray]:
        self._send(self._source.finish(), end=True)
        yield from self._found(self._sent)

    def _send(self, mfccs: np.ndarray, end: bool) -> None:
        self._sent += len(mfccs)
        self._batcher.send(self._row, mfccs, end)

    def _complete(self) -> int:
        """Windows that are complete by what was sent, whole calls of them."""
        return max(0, self._sent - self._sizes[0])

    def _found(self, least: int) -> Iterator[np.ndarray]:
        """What there is; waits until it is that many windows in all."""
        while self._error is None:
            try:
                part = self._row.found.get(block=self._received < least)
            except Empty:
                return
            if isinstance(part, Exception):
                self._error = last_line(part)
            else:
                self._received += len(part)
                yield part
        raise RecipeError(f"The network failed in this stream ({self._error}). reset() begins the next utterance.")
