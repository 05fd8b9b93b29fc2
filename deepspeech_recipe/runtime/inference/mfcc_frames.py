"""MFCC frames of audio that comes in blocks, by a feature model that is made for whole utterances."""

from collections.abc import Iterator

import numpy as np

from deepspeech_recipe.ir.audio_settings import AudioSettings, ClientSettings, SpectrogramSettings
from deepspeech_recipe.runtime.inference.requests import Requests

# Frames of one call at most: 1.3 s. More need more memory, 60 MB for 512 at H = 2048, and are no faster.
LARGEST_CALL = 64


class MfccFrames:
    """Turns samples into MFCC frames, in portions that complete `wait` context windows or a multiple of that."""

    def __init__(self, requests: Requests, settings: AudioSettings, n_context: int, wait: int):
        """requests: of a model `samples` → windows with n_context frames on each side."""
        self._requests = requests
        self._settings, self._context, self._wait = settings, n_context, wait
        self._pending = SampleBuffer(settings)
        self.reset()

    def reset(self) -> None:
        """Begins an utterance."""
        self._pending.clear()
        # A window is complete when the frames behind it have come.
        self._next = self._wait + self._context

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Samples `[N]` → MFCCs `[n, features]`."""
        self._pending.add(samples)
        while (frames := min(self._pending.frames, max(LARGEST_CALL, self._next))) >= self._next:
            frames -= (frames - self._next) % self._wait
            yield self._mfccs(self._pending.take(frames))[:frames]
            self._next = self._wait

    def finish(self) -> np.ndarray:
        """`[n, features]` of what is left, and one frame more: the client zero-pads the rest, whatever it is."""
        return self._mfccs(self._pending.rest())

    def _mfccs(self, pending: tuple[np.ndarray, int]) -> np.ndarray:
        """Samples, and how many of their frames to drop. The last one is what the model adds for the end of an
        utterance."""
        samples, drop = pending
        return self._requests.run([samples[None]], self._middles)[drop:]

    def _middles(self, request) -> np.ndarray:
        """The middle of a window is the frame itself."""
        return request.get_output_tensor(0).data[0, :, self._context].copy()


class SampleBuffer:
    """Keeps the samples that belong to windows which are not complete yet."""

    def __init__(self, settings: SpectrogramSettings):
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        self._blocks: list[np.ndarray] = []
        self._count = 0
        self._skip = 0  # samples to come that lie between two windows
        self._lead = 0  # frames, given out before, that the first samples belong to

    @property
    def frames(self) -> int:
        """Whole windows there are."""
        return self._settings.frame_count(self._count) - self._lead

    def add(self, samples: np.ndarray) -> None:
        """Keeps a copy: the caller may write to its block again."""
        skipped = min(self._skip, len(samples))
        self._skip -= skipped
        if len(samples) > skipped:
            self._blocks.append(np.array(samples[skipped:]))
            self._count += len(samples) - skipped

    def take(self, frames: int) -> tuple[np.ndarray, int]:
        """The samples of the first windows, which must be there, and how many frames before them they begin with."""
        samples, lead, stride = self._joined(), self._lead, self._settings.stride
        self._lead = int(isinstance(self._settings, ClientSettings))  # whose frames need a sample before them
        used = (lead + frames - self._lead) * stride
        self._skip = max(0, used - len(samples))
        self._blocks = [samples[used:]]
        self._count = len(self._blocks[0])
        return samples[: (lead + frames - 1) * stride + self._settings.window_size], lead

    def rest(self) -> tuple[np.ndarray, int]:
        """All that is left, as `take`."""
        samples, lead = self._joined(), self._lead
        self.clear()
        return samples, lead

    def _joined(self) -> np.ndarray:
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate([np.zeros(0, np.float32), *self._blocks])]
        return self._blocks[0]
