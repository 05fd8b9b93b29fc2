"""MFCC frames of audio that comes in blocks, by a feature model that is made for whole utterances."""

from collections.abc import Iterator

import numpy as np

from deepspeech_recipe.audio.settings import AudioSettings
from deepspeech_recipe.runtime.pending import Pending

# Frames of one call at most: bounds the memory that long audio needs. 10 s at 20 ms a frame.
LARGEST_CALL = 512


class MfccFrames:
    """wait: frames to collect before a call."""

    def __init__(self, compiled, settings: AudioSettings, n_context: int, wait: int):
        """compiled: `samples` → windows with n_context frames on each side."""
        self._request = compiled.create_infer_request()
        self._settings, self._context, self._wait = settings, n_context, wait
        self._pending = Pending(settings)

    def reset(self) -> int:
        """Begins an utterance. Returns how many features a frame has."""
        self._pending.clear()
        return self._settings.dct_coefficient_count

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Samples `[N]` → MFCCs `[n, features]` of whole windows."""
        self._pending.add(samples)
        yield from self._taken(self._wait)

    def finish(self) -> Iterator[np.ndarray]:
        """What is left, zero-padded to one more window, whatever it is, as DeepSpeech's client does."""
        yield from self._taken(1)
        rest = self._pending.rest()
        yield self._mfccs(np.pad(rest, (0, self._settings.window_size - len(rest))), 1)

    def _taken(self, least: int) -> Iterator[np.ndarray]:
        while (frames := min(self._pending.frames, LARGEST_CALL)) >= least:
            yield self._mfccs(self._pending.take(frames), frames)

    def _mfccs(self, samples: np.ndarray, frames: int) -> np.ndarray:
        self._request.infer([samples[None]])
        # The middle of a window is the frame itself. The model adds a flushed frame, which is left out.
        return self._request.get_output_tensor(0).data[0, :frames, self._context].copy()
