"""The features that DeepSpeech v0.1 was trained on, in numpy: MFCCs as `python_speech_features` 0.6 defines them.

Windows of 25 ms every 10 ms, not weighted, the last one filled up with zeros; pre-emphasis 0.97; power spectrum of the
next power of two; 26 triangles on the mel scale from 0 Hz to half the sample rate; logarithm; orthonormal DCT-II;
lifter 22; the logarithm of the window's energy in the place of the first coefficient.
"""

import numpy as np

WINDOW, STEP = 0.025, 0.01  # seconds
_CHANNELS, _LIFTER, _EMPHASIS = 26, 22, 0.97
_TINY = np.finfo(np.float64).eps


def mfcc(samples: np.ndarray, sample_rate: int, count: int = 26) -> np.ndarray:
    """Samples `[N]`, N > 0, as 16-bit integers have them → MFCCs `[frames, count]`, float64; count is 26 at most."""
    samples = np.asarray(samples, np.float64)
    samples = np.append(samples[:1], samples[1:] - _EMPHASIS * samples[:-1])
    size, step = round(WINDOW * sample_rate), round(STEP * sample_rate)
    frames = 1 + max(0, -(-(len(samples) - size) // step))
    samples = np.pad(samples, (0, max(0, (frames - 1) * step + size - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[::step]
    points = 1 << (size - 1).bit_length()
    power = np.abs(np.fft.rfft(windows, points)) ** 2 / points
    mel = power @ _triangles(points, sample_rate).T
    coefficients = np.log(np.where(mel == 0, _TINY, mel)) @ _dct(count).T
    coefficients *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(count) / _LIFTER)
    energy = power.sum(1)
    coefficients[:, 0] = np.log(np.where(energy == 0, _TINY, energy))
    return coefficients


def input_vectors(samples: np.ndarray, sample_rate: int, count: int, context: int) -> np.ndarray:
    """Samples as for `mfcc` → v0.1's input `[frames, (2·context + 1) · count]`, float32: every second frame with
    `context` frames on each side, zeros outside, the whole scaled to mean 0 and deviation 1 over the utterance."""
    features = np.pad(mfcc(samples, sample_rate, count)[::2], [(context, context), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(features, 2 * context + 1, axis=0).swapaxes(1, 2)
    vectors = windows.reshape(len(windows), -1)
    deviation = vectors.std()
    return ((vectors - vectors.mean()) / (deviation if deviation > 0 else 1)).astype(np.float32)


def _triangles(points: int, sample_rate: int) -> np.ndarray:
    """`[channels, points/2 + 1]`"""
    highest = 2595 * np.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, _CHANNELS + 2) / 2595) - 1)
    bins = np.floor((points + 1) * edges / sample_rate).astype(int)
    bank = np.zeros((_CHANNELS, points // 2 + 1))
    for channel, (low, middle, high) in enumerate(zip(bins, bins[1:], bins[2:], strict=False)):
        bank[channel, low:middle] = (np.arange(low, middle) - low) / max(1, middle - low)
        bank[channel, middle:high] = (high - np.arange(middle, high)) / max(1, high - middle)
    return bank


def _dct(count: int) -> np.ndarray:
    """`[count, channels]`"""
    angles = np.pi / _CHANNELS * np.arange(count)[:, None] * (np.arange(_CHANNELS) + 0.5)
    matrix = np.cos(angles) * np.sqrt(2 / _CHANNELS)
    matrix[0] /= np.sqrt(2)
    return matrix
