"""MFCCs as `python_speech_features` 0.6 defines them, which the clients of DeepSpeech v0.4 and older computed: the
matrices, in float64, and all of it in numpy."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.ir.audio_settings import ClientSettings

# What the logarithm is taken of in the place of 0.
FLOOR = float(np.finfo(np.float64).eps)
# Samples count so there, and from -1 to 1 here.
FULL_SCALE = 32768


def mfcc_of_frames(frames: np.ndarray, settings: ClientSettings) -> np.ndarray:
    """Emphasised samples [frames, window_size], as 16-bit integers have them → float64 [frames, coefficients]."""
    power = np.abs(np.fft.rfft(frames * window(settings), settings.fft_length)) ** 2 / settings.fft_length
    sums = power @ channels_and_power(settings)
    return np.log(np.where(sums == 0, FLOOR, sums)) @ liftered_dct(settings)


def emphasised(samples: np.ndarray, settings: ClientSettings) -> np.ndarray:
    """Samples [N] → float64 [N]: each less pre_emphasis times the one before it."""
    samples = np.asarray(samples, np.float64)
    return np.append(samples[:1], samples[1:] - settings.pre_emphasis * samples[:-1])


def window(settings: ClientSettings) -> np.ndarray:
    """float64 [window_size]"""
    return np.hamming(settings.window_size) if settings.window == "hamming" else np.ones(settings.window_size)


def channels_and_power(settings: ClientSettings) -> np.ndarray:
    """float64 [bins, channels + 1]: the triangles, and the sum of all bins in the last column."""
    low, high = (
        2595 * np.log10(1 + limit / 700) for limit in (settings.lower_frequency_limit, settings.upper_frequency_limit)
    )
    edges = 700 * (10 ** (np.linspace(low, high, settings.filterbank_channel_count + 2) / 2595) - 1)
    corners = np.floor((settings.fft_length + 1) * edges / settings.sample_rate).astype(int)
    matrix = np.zeros((settings.bin_count, settings.filterbank_channel_count + 1))
    matrix[:, -1] = 1
    for channel, (left, middle, right) in enumerate(zip(corners, corners[1:], corners[2:])):
        matrix[left:middle, channel] = (np.arange(left, middle) - left) / max(1, middle - left)
        matrix[middle:right, channel] = (right - np.arange(middle, right)) / max(1, right - middle)
    return matrix


def liftered_dct(settings: ClientSettings) -> np.ndarray:
    """float64 [channels + 1, coefficients]; coefficient 0 is the last row."""
    channels, number = settings.filterbank_channel_count, np.arange(settings.dct_coefficient_count)
    matrix = np.sqrt(2 / channels) * np.cos(np.pi / channels * (np.arange(channels) + 0.5)[:, None] * number)
    matrix *= 1 + settings.lifter / 2 * np.sin(np.pi * number / settings.lifter)
    matrix = np.vstack([matrix, np.zeros(len(number))])
    matrix[:, 0] = 0
    matrix[-1, 0] = 1
    return matrix
