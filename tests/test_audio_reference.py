"""The settings and the numpy reference against TensorFlow's own operations."""

import dataclasses

import numpy as np
import pytest

from deepspeech_recipe.audio import reference
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import GraphBuilder
from deepspeech_recipe.ir.audio_settings import AudioSettings, read_attributes
from tests.support import client_audio
from tests.support.audio_signals import SETTINGS, signals
from tests.support.limits import assert_close

BASE = SETTINGS["16 kHz"]


def tensorflow_features(tf, samples, settings: AudioSettings):
    """samples [N] → (spectrogram [frames, bins], MFCCs [frames, coefficients]), by TensorFlow."""
    s = dataclasses.asdict(settings)
    first = {name: s.pop(name) for name in ("window_size", "stride", "magnitude_squared")}
    spectrogram = tf.raw_ops.AudioSpectrogram(input=np.asarray(samples, np.float32)[:, None], **first)
    return spectrogram.numpy()[0], tf.raw_ops.Mfcc(spectrogram=spectrogram, **s).numpy()[0]


@pytest.mark.parametrize("name", SETTINGS)
def test_reference_equals_tensorflow(tf, name):
    settings = SETTINGS[name]
    for signal, samples in signals(settings.sample_rate).items():
        spectrogram, mfccs = tensorflow_features(tf, samples, settings)
        found = reference.spectrogram(samples, settings)
        scale = abs(spectrogram).max() or 1
        assert_close(found / scale, spectrogram / scale, 2e-7, signal)
        assert_close(client_audio.mfcc(samples, settings), mfccs, 1e-6, signal)


@pytest.mark.parametrize(("window", "stride"), [(512, 320), (400, 160), (64, 100)])
def test_as_many_frames_as_tensorflow_makes(tf, window, stride):
    settings = dataclasses.replace(BASE, window_size=window, stride=stride)
    for count in (0, 1, window - 1, window, window + stride - 1, window + stride, 5 * stride + window):
        shape = tensorflow_features(tf, np.zeros(count), settings)[1].shape
        assert shape[0] == settings.frame_count(count)
        assert client_audio.mfcc(np.zeros(count), settings).shape == shape


def test_upper_limit_between_nyquist_and_the_next_bin(tf):
    # 8030 Hz still falls on the last bin, so TensorFlow computes; 8031.25 Hz is one bin too far.
    samples = signals(16000)["speech"]
    near = dataclasses.replace(BASE, upper_frequency_limit=8030.0)
    expected = tensorflow_features(tf, samples, near)[1]
    assert_close(client_audio.mfcc(samples, near), expected, 1e-6)
    beyond = dataclasses.replace(BASE, upper_frequency_limit=8031.25)
    assert not tensorflow_features(tf, samples, beyond)[1].any()
    with pytest.raises(Refusal, match=r"8031.25 Hz.*half the sample rate \(8000 Hz\).*only zeros.*'Mfcc'"):
        beyond.check("Mfcc")


REFUSED = {
    "window_size is 1": {"window_size": 1},
    "stride is 0": {"stride": 0},
    "sample rate is 0 Hz": {"sample_rate": 0},
    "filterbank_channel_count is 0": {"filterbank_channel_count": 0},
    "dct_coefficient_count is 0": {"dct_coefficient_count": 0},
    "dct_coefficient_count is 41.*from 1 to.*40": {"dct_coefficient_count": 41},
    "must not be negative": {"lower_frequency_limit": -1.0},
    "must lie below": {"lower_frequency_limit": 8000.0},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_settings_that_no_audio_has_are_refused_with_the_node(reason):
    settings = dataclasses.replace(BASE, **REFUSED[reason])
    with pytest.raises(Refusal, match=f"{reason}.*Node at fault: 'the node'"):
        settings.check("the node")
    with pytest.raises(Refusal, match=reason):
        client_audio.mfcc(np.zeros(1000), settings)


@pytest.mark.parametrize("reason", REFUSED)
def test_tensorflow_refuses_the_same(tf, reason):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tensorflow_features(tf, np.zeros(1000), dataclasses.replace(BASE, **REFUSED[reason]))


def test_attributes_that_a_node_lacks_have_tensorflows_defaults():
    builder = GraphBuilder()
    builder.node("s", "AudioSpectrogram", ["x"], window_size=400, stride=160, magnitude_squared=True)
    builder.node("m", "Mfcc", ["s", "rate"], upper_frequency_limit=7000.0)
    spectrogram, mfcc = builder.graph.node
    assert read_attributes(spectrogram) == {"window_size": 400, "stride": 160, "magnitude_squared": True}
    # Defaults that the graph leaves out are TensorFlow's.
    settings = AudioSettings(sample_rate=16000, **read_attributes(spectrogram), **read_attributes(mfcc))
    assert settings.upper_frequency_limit == 7000
    assert (settings.lower_frequency_limit, settings.filterbank_channel_count) == (20, 40)
    assert settings.dct_coefficient_count == 13
