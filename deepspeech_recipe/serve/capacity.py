"""How much can be recognised at the same time without being late, and who has a place."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.load import load

_SECONDS = 2.0  # of noise in each stream of the measurement
_SHARE = 0.7  # of what was measured: the rest is for the network, for uploads, and for other programs


class Full(RecipeError):
    """There is no place left."""


class Places:
    """Counts who is at work. Every live stream and every recording takes one place: chunks of all of them are computed
    first come, first served, so with places for what keeps real time, nobody waits longer than for a chunk of each."""

    def __init__(self, count: int, of_what: str):
        self.count, self.taken, self._of_what = count, 0, of_what

    @contextmanager
    def take(self) -> Iterator[None]:
        """Raises Full."""
        if self.taken >= self.count:
            raise Full(f"All {self.count} {self._of_what} of this server are in use. Try again in a moment.")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


def measured_streams(recognizer: Recognizer, rows: int) -> int:
    """How many live streams keep real time here, by letting as many as share a call hear noise as fast as it goes; at
    least 1."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(_SECONDS * recognizer.sample_rate)).clip(-1, 1)
    return max(1, int(_SHARE * load(recognizer, samples, rows, pace=None).speed))
