"""The matrices of AudioSpectrogram and Mfcc, computed in float64.

Source: TensorFlow's kernels spectrogram.cc, mfcc_mel_filterbank.cc and mfcc_dct.cc, restated.
"""

import numpy as np

from deepspeech_recipe.audio import client_mfcc
from deepspeech_recipe.ir.audio_settings import ClientSettings, MfccSettings, SpectrogramSettings

# Mfcc's lower bound on a filterbank channel before the logarithm.
FLOOR = 1e-12


def hann(size: int) -> np.ndarray:
    """Periodic Hann window, float64 [size]."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def window(settings: SpectrogramSettings) -> np.ndarray:
    """What a frame is multiplied by, float64 [window_size]."""
    return client_mfcc.window(settings) if isinstance(settings, ClientSettings) else hann(settings.window_size)


def windowed_dft(settings: SpectrogramSettings, bins: range) -> np.ndarray:
    """Window times DFT, float64 [window_size, 2·len(bins)]: real parts of all bins, then imaginary parts."""
    time = np.arange(settings.window_size)[:, None]
    # The modulo keeps the angle small and so the cosine exact.
    angle = 2 * np.pi * (time * np.asarray(bins) % settings.fft_length) / settings.fft_length
    return window(settings)[:, None] * np.concatenate([np.cos(angle), -np.sin(angle)], 1)


def mean_weights(settings: SpectrogramSettings) -> np.ndarray:
    """Weights of a frame's mean, which are the window's, float64 [window_size, 1]."""
    weights = window(settings)[:, None]
    return weights / weights.sum()


def mean_spectrum(dft: np.ndarray) -> np.ndarray:
    """Spectrum of a constant 1 by `windowed_dft`, float64 [1, 2·bins]; what is zero in theory is zero."""
    spectrum = dft.sum(0, keepdims=True)
    return np.where(abs(spectrum) < 1e-10, 0.0, spectrum)


def mel_matrix(settings: MfccSettings, bin_count: int) -> np.ndarray:
    """Triangular mel filters, float64 [bin_count, filterbank_channel_count]; rows of unread bins are zero."""
    channels = settings.filterbank_channel_count
    low, high = (_mel(np.float64(limit)) for limit in (settings.lower_frequency_limit, settings.upper_frequency_limit))
    edges = low + (high - low) / (channels + 1) * np.arange(channels + 2)
    matrix = np.zeros((bin_count, channels))
    width = 0.5 * settings.sample_rate / (bin_count - 1)
    for index in settings.bin_range(bin_count):
        mel = _mel(index * width)
        # The first edge not below the bin ends the falling side of one filter; the next one rises.
        right = int(np.searchsorted(edges[1:], mel)) + 1
        if right > channels + 1:
            right = channels + 1
        falling = (edges[right] - mel) / (edges[right] - edges[right - 1])
        if right >= 2:
            matrix[index, right - 2] = falling
        if right <= channels:
            matrix[index, right - 1] = 1 - falling
    return matrix


def dct_matrix(settings: MfccSettings) -> np.ndarray:
    """DCT-II, float64 [filterbank_channel_count, dct_coefficient_count]; row 0 is scaled as the others."""
    channels = settings.filterbank_channel_count
    position = (np.arange(channels) + 0.5)[:, None] * np.arange(settings.dct_coefficient_count)
    return np.sqrt(2 / channels) * np.cos(np.pi / channels * position)


def _mel(frequency):
    return 1127.0 * np.log1p(frequency / 700.0)
