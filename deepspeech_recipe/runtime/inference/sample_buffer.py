"""Samples between arriving and being taken as windows."""

import numpy as np

from deepspeech_recipe.ir.audio_settings import SpectrogramSettings


class SampleBuffer:
    """Keeps the samples that belong to windows which are not complete yet."""

    def __init__(self, settings: SpectrogramSettings):
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        self._blocks: list[np.ndarray] = []
        self._count = 0
        self._skip = 0  # samples to come that lie between two windows

    @property
    def frames(self) -> int:
        """Whole windows there are."""
        return self._settings.frame_count(self._count)

    def add(self, samples: np.ndarray) -> None:
        """Keeps a copy: the caller may write to its block again."""
        skipped = min(self._skip, len(samples))
        self._skip -= skipped
        if len(samples) > skipped:
            self._blocks.append(np.array(samples[skipped:]))
            self._count += len(samples) - skipped

    def take(self, frames: int) -> np.ndarray:
        """The samples of the first windows, which must be there; the next one begins a stride after the last."""
        samples = self._joined()
        used = frames * self._settings.stride
        self._skip = max(0, used - len(samples))
        self._blocks = [samples[used:]]
        self._count = len(self._blocks[0])
        return samples[: (frames - 1) * self._settings.stride + self._settings.window_size]

    def rest(self) -> np.ndarray:
        """All that is left."""
        samples = self._joined()
        self.clear()
        return samples

    def _joined(self) -> np.ndarray:
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate([np.zeros(0, np.float32), *self._blocks])]
        return self._blocks[0]
