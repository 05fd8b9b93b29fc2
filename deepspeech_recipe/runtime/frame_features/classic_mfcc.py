"""The features that DeepSpeech v0.1 was trained on, in numpy: MFCCs as `python_speech_features` 0.6 defines them.

Windows of 25 ms every 10 ms, not weighted, the last one filled up with zeros; every second one of them is used.
"""

import numpy as np

from deepspeech_recipe.audio import client_mfcc
from deepspeech_recipe.ir.audio_settings import ClientSettings

WINDOW, STEP = 0.025, 0.01  # seconds
_CHANNELS = 26


def mfcc(samples: np.ndarray, sample_rate: int, count: int = _CHANNELS) -> np.ndarray:
    """Samples `[N]`, N > 0, as 16-bit integers have them → MFCCs `[frames, count]`, float64; count is 26 at most."""
    size, step = round(WINDOW * sample_rate), round(STEP * sample_rate)
    settings = ClientSettings(
        window_size=size, stride=step, sample_rate=sample_rate, upper_frequency_limit=sample_rate / 2,
        lower_frequency_limit=0.0, filterbank_channel_count=_CHANNELS, dct_coefficient_count=count,
    )  # fmt: skip
    samples = client_mfcc.emphasised(samples, settings)
    frames = 1 + max(0, -(-(len(samples) - size) // step))
    samples = np.pad(samples, (0, max(0, (frames - 1) * step + size - len(samples))))
    return client_mfcc.mfcc_of_frames(np.lib.stride_tricks.sliding_window_view(samples, size)[::step], settings)


def input_vectors(samples: np.ndarray, sample_rate: int, count: int, context: int) -> np.ndarray:
    """Samples as for `mfcc` → v0.1's input `[frames, (2·context + 1) · count]`, float32: every second frame with
    `context` frames on each side, zeros outside, the whole scaled to mean 0 and deviation 1 over the utterance."""
    features = np.pad(mfcc(samples, sample_rate, count)[::2], [(context, context), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(features, 2 * context + 1, axis=0).swapaxes(1, 2)
    vectors = windows.reshape(len(windows), -1)
    deviation = vectors.std()
    return ((vectors - vectors.mean()) / (deviation if deviation > 0 else 1)).astype(np.float32)
