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

    @property
    def stride(self) -> int:
        """Samples from a frame to the next."""
        return self._settings.stride

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
            drop = self._pending.lead
            yield self._mfccs(self._pending.take(frames), drop)[:frames]
            self._next = self._wait

    def finish(self) -> np.ndarray:
        """`[n, features]` of what is left, and one frame more: the client zero-pads the rest, whatever it is."""
        drop = self._pending.lead
        return self._mfccs(self._pending.rest(), drop)

    def _mfccs(self, samples: np.ndarray, drop: int) -> np.ndarray:
        """drop: frames in front that were given out before. The last one is what the model adds for the end of an
        utterance."""
        return self._requests.run([samples[None]], self._middles)[drop:]

    def _middles(self, request) -> np.ndarray:
        """The middle of a window is the frame itself."""
        return request.get_output_tensor(0).data[0, :, self._context].copy()


class SampleBuffer:
    """Keeps the samples that belong to windows which are not complete yet.

    lead: how many frames, taken before, the samples begin with that `take` and `rest` return: 1 if the first sample of
    a window needs the one before it.
    """

    def __init__(self, settings: SpectrogramSettings):
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        self._blocks: list[np.ndarray] = []
        self._count = 0
        self._skip = 0  # samples to come that lie between two windows
        self.lead = 0

    @property
    def frames(self) -> int:
        """Whole windows there are."""
        return self._settings.frame_count(self._count) - self.lead

    def add(self, samples: np.ndarray) -> None:
        """Keeps a copy: the caller may write to its block again."""
        skipped = min(self._skip, len(samples))
        self._skip -= skipped
        if len(samples) > skipped:
            self._blocks.append(np.array(samples[skipped:]))
            self._count += len(samples) - skipped

    def take(self, frames: int) -> np.ndarray:
        """The samples of the first windows, which must be there; the next one begins a stride after the last."""
        samples, lead, stride = self._joined(), self.lead, self._settings.stride
        self.lead = int(isinstance(self._settings, ClientSettings))
        used = (lead + frames - self.lead) * stride
        self._skip = max(0, used - len(samples))
        self._blocks = [samples[used:]]
        self._count = len(self._blocks[0])
        return samples[: (lead + frames - 1) * stride + self._settings.window_size]

    def rest(self) -> np.ndarray:
        """All that is left."""
        samples = self._joined()
        self.clear()
        return samples

    def _joined(self) -> np.ndarray:
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate([np.zeros(0, np.float32), *self._blocks])]
        return self._blocks[0]
