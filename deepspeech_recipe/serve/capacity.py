"""How much can be recognised at the same time without being late, and who has a place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.load import load
from deepspeech_recipe.serve.errors import Busy

_SECONDS = 2.0  # of noise in each stream of the measurement
_SHARE = 0.7  # of what was measured: the rest is for the network, for uploads, and for other programs


class Places:
    """Counts who is at work. Every live stream and every recording takes a place: chunks of all of them are computed
    first come, first served, so as long as there are places for what keeps real time only, a chunk waits for one of
    each other's at most, which takes less time than it lasts."""

    def __init__(self, count: int, of_what: str, on_refusal: Callable[[], None]):
        self.count, self.taken, self._of_what, self._on_refusal = count, 0, of_what, on_refusal

    def check(self) -> None:
        """Raises Busy if there is none."""
        if self.taken >= self.count:
            self._on_refusal()
            taken = f"{self.taken} of {self.count}"
            raise Busy(f"All places for {self._of_what} are in use, {taken}. Try again in a moment.")

    @contextmanager
    def take(self) -> Iterator[None]:
        """A place as long as the block lasts. Raises Busy."""
        self.check()
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
