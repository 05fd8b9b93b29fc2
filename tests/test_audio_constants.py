"""The matrices of the feature part against what they stand for, each written down another way: numpy's FFT, sums over
cosines, and TensorFlow's loop over the bins."""

import dataclasses
import math

import numpy as np
import pytest

from deepspeech_recipe.audio import constants, reference
from tests.support.audio_signals import SETTINGS
from tests.support.limits import assert_close

# The last bin is the upper limit, and rounding puts it beyond the last edge of the filters.
EDGE = dataclasses.replace(SETTINGS["8 kHz"], lower_frequency_limit=100.0, filterbank_channel_count=39)


@pytest.fixture(params=[*SETTINGS.values(), EDGE], ids=[*SETTINGS, "8 kHz from 100 Hz"])
def settings(request):
    return request.param


def hann(size: int) -> list[float]:
    return [math.sin(math.pi * n / size) ** 2 for n in range(size)]


def test_the_transform_is_that_of_the_windowed_frame(settings):
    frame = np.random.default_rng(1).standard_normal(settings.window_size)
    spectrum = np.fft.rfft(frame * hann(settings.window_size), settings.fft_length)
    bins = range(1, settings.bin_count - 2)
    found = frame @ constants.windowed_dft(settings, bins)
    assert_close(found, np.concatenate([spectrum.real[bins], spectrum.imag[bins]]), 5e-13)


def test_the_mean_is_weighted_by_the_window_and_its_spectrum_taken_away(settings):
    window, bins = np.array(hann(settings.window_size)), range(settings.bin_count)
    frame = np.random.default_rng(2).standard_normal(settings.window_size)
    (mean,) = frame @ constants.mean_weights(settings)
    assert mean == pytest.approx(np.average(frame, weights=window), rel=1e-12)
    spectrum = np.fft.rfft(window, settings.fft_length)
    expected = np.concatenate([spectrum.real, spectrum.imag])
    found = constants.mean_spectrum(constants.windowed_dft(settings, bins))
    assert_close(found, expected[None], 2e-10)
    # Exactly zero is what is zero but for rounding: its product with a large mean would be heard.
    assert not found[0][np.abs(expected) < 1e-11].any()
    assert (found[0][np.abs(expected) > 1e-9] != 0).all()


def test_the_filters_are_those_of_tensorflows_loop(settings):
    """MfccMelFilterbank::Initialize and Compute (tensorflow/core/kernels/mfcc_mel_filterbank.cc), bin by bin."""

    def mel(frequency: float) -> float:
        return 1127.0 * math.log1p(frequency / 700.0)

    channels, bins = settings.filterbank_channel_count, settings.bin_count
    low = mel(settings.lower_frequency_limit)
    spacing = (mel(settings.upper_frequency_limit) - low) / (channels + 1)
    centers = [low + spacing * (number + 1) for number in range(channels + 1)]
    width = 0.5 * settings.sample_rate / (bins - 1)
    first, last = int(1.5 + settings.lower_frequency_limit / width), int(settings.upper_frequency_limit / width)
    expected, channel = np.zeros((bins, channels)), 0
    for number in range(first, last + 1):
        here = mel(number * width)
        while channel < channels and centers[channel] < here:
            channel += 1
        below, above = centers[channel - 1] if channel else low, centers[channel]
        weight = (above - here) / (above - below)
        if channel:
            expected[number, channel - 1] = weight
        if channel < channels:
            expected[number, channel] = 1 - weight
    assert_close(constants.mel_matrix(settings, bins), expected, 1e-13)


def test_the_cosines(settings):
    channels = settings.filterbank_channel_count
    expected = [
        [math.sqrt(2 / channels) * math.cos(math.pi * row * (2 * column + 1) / (2 * channels)) for row in range(count)]
        for count in [settings.dct_coefficient_count]
        for column in range(channels)
    ]
    assert_close(constants.dct_matrix(settings), np.array(expected), 2e-14)


def test_silence_has_the_logarithm_of_tensorflows_floor(settings):
    """kFilterbankFloor of tensorflow/core/kernels/mfcc.cc, in every channel: the cosines of the other rows cancel."""
    silence = reference.mfcc_of_spectrogram(np.zeros((1, settings.bin_count)), settings)
    channels = settings.filterbank_channel_count
    expected = [math.sqrt(2 / channels) * channels * math.log(1e-12), *[0] * (settings.dct_coefficient_count - 1)]
    assert_close(silence, np.array([expected]), 2e-5)
