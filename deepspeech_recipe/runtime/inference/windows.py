"""Context windows of frames that come piece by piece."""

import numpy as np


class Windows:
    """Makes context windows of MFCC frames that come piece by piece.

    Zeros lie before the utterance and behind its end.
    """

    def __init__(self, n_context: int, n_features: int):
        self._context = n_context
        self._mfccs = np.zeros((n_context, n_features), np.float32)

    @property
    def count(self) -> int:
        """Windows that are complete."""
        return max(0, len(self._mfccs) - 2 * self._context)

    def add(self, mfccs: np.ndarray, end: bool = False) -> None:
        """MFCC frames `[n, features]`; end: they were the last ones."""
        beyond = np.zeros((self._context if end else 0, self._mfccs.shape[1]), np.float32)
        self._mfccs = np.concatenate([self._mfccs, mfccs, beyond])

    def first(self, count: int) -> np.ndarray:
        """The first windows, at most as many as are complete: a view `[n, 2·n_context + 1, features]`."""
        return context_windows(self._mfccs, self._context)[: min(count, self.count)]

    def drop(self, count: int) -> None:
        """Forgets the first windows."""
        self._mfccs = self._mfccs[count:]


def context_windows(mfccs: np.ndarray, n_context: int) -> np.ndarray:
    """All context windows of frames: `[n + 2·n_context, features]` → a view `[n, 2·n_context + 1, features]`."""
    size = 2 * n_context + 1
    if len(mfccs) < size:
        return np.zeros((0, size, mfccs.shape[1]), np.float32)
    return np.lib.stride_tricks.sliding_window_view(mfccs, size, axis=0).swapaxes(1, 2)
