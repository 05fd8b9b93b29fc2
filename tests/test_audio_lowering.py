"""The lowered operations, run by OpenVINO, against the numpy reference."""

import dataclasses

import numpy as np
import openvino as ov
import pytest

from deepspeech_recipe.audio import lowering, reference
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.ir.ov_api import opset
from deepspeech_recipe.ir.ov_emitter import OpenVINOEmitter
from tests.support import client_audio
from tests.support.audio_signals import SETTINGS, pcm16, signals
from tests.support.limits import assert_close

BASE = SETTINGS["16 kHz"]
PRECISE = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def model_of(lower, shape):
    """ov.Model of one input `x` and what lower(emit, x) returns."""
    x = opset.parameter(ov.PartialShape(list(shape)), np.float32, name="x")
    return ov.Model([opset.result(lower(OpenVINOEmitter("audio"), x.output(0)))], [x])


def run(model, values):
    return ov.Core().compile_model(model, "CPU", PRECISE)([values])[0]


def mfcc_model(settings, shape=(-1, -1)):
    return model_of(lambda emit, x: lowering.mfcc(emit, x, settings), shape)


@pytest.mark.parametrize("name", SETTINGS)
def test_mfccs_are_those_of_the_reference(name):
    settings = SETTINGS[name]
    compiled = ov.Core().compile_model(mfcc_model(settings), "CPU", PRECISE)
    for signal, samples in signals(settings.sample_rate).items():
        expected = client_audio.mfcc(samples, settings)
        assert_close(compiled([samples[None]])[0][0], expected, 1e-4, signal)


@pytest.mark.parametrize("name", ["16 kHz", "8 kHz", "window 400", "window 512 from 0 Hz"])
def test_constant_offsets(name):
    # The bins of a constant hold nothing but rounding errors: any leak shows as an error of 0.1 to 100.
    settings = SETTINGS[name]
    offsets = np.concatenate([np.linspace(-1, 1, 41), np.random.default_rng(0).uniform(-1, 1, 40)])
    for values in (offsets.astype(np.float32), pcm16(offsets)):
        samples = np.repeat(values[:, None], settings.window_size, 1)
        expected = client_audio.mfcc(samples, settings)
        assert_close(run(mfcc_model(settings), samples), expected, 1e-4)


@pytest.mark.parametrize("name", ["16 kHz", "window 400", "gaps between windows"])
@pytest.mark.parametrize("static", [False, True])
def test_as_many_frames_as_fit_into_the_samples(name, static):
    settings = SETTINGS[name]
    window, stride = settings.window_size, settings.stride
    samples = signals(16000)["speech"]
    # OpenVINO (2024.6 to 2026.4) crashes when it compiles any model with a static empty Gather.
    short = () if static else (0, 1, window - 1)
    for count in (*short, window, window + stride - 1, window + stride, 5000):
        x = np.stack([samples[:count], samples[500 : 500 + count]])
        found = run(mfcc_model(settings, x.shape if static else (-1, -1)), x)
        expected = client_audio.mfcc(x, settings)
        assert found.shape == expected.shape
        if count in short:
            assert not found.size
        else:
            assert_close(found, expected, 1e-4)


@pytest.mark.parametrize("name", ["16 kHz", "window 400, magnitude, from 0 Hz"])
def test_spectrogram_and_mfcc_can_be_lowered_alone(name):
    settings = SETTINGS[name]
    samples = signals(settings.sample_rate)["speech"][None]
    expected = reference.spectrogram(samples, settings)
    model = model_of(lambda emit, x: lowering.spectrogram(emit, x, settings), (-1, -1))
    assert_close(run(model, samples), expected, 3e-6 * expected.max())
    model = model_of(
        lambda emit, x: lowering.mfcc_of_spectrogram(emit, x, settings, settings.bin_count),
        (-1, -1, settings.bin_count),
    )
    found = run(model, expected)
    assert_close(found, reference.mfcc_of_spectrogram(expected, settings), 1e-4)


def test_only_the_bins_of_the_mel_bank_are_computed():
    settings = SETTINGS["v0.5, upper limit left out"]
    shapes = [list(op.output(0).shape) for op in mfcc_model(settings).get_ops() if op.get_type_name() == "Constant"]
    bins = settings.bin_range(settings.bin_count)
    assert (bins.start, bins.stop) == (2, 129)
    assert [2 * len(bins), 512] in shapes
    assert [40, len(bins)] in shapes


def test_compression_spares_the_audio_constants(tmp_path):
    # 0.07 on MFCCs otherwise, and log(0) where the floor of 1e-12 becomes zero.
    ov.save_model(mfcc_model(BASE), tmp_path / "a.xml", compress_to_fp16=True)
    ov.save_model(ov.Core().read_model(tmp_path / "a.xml"), tmp_path / "b.xml", compress_to_fp16=True)
    for name in ("a.xml", "b.xml"):
        model = ov.Core().read_model(tmp_path / name)
        types = {op.get_element_type().get_type_name() for op in model.get_ops() if op.get_type_name() == "Constant"}
        assert types == {"f32", "i64"}
        for signal in ("speech", "silence"):
            samples = signals(16000)[signal]
            expected = client_audio.mfcc(samples, BASE)
            assert_close(run(model, samples[None])[0], expected, 1e-4)


@pytest.mark.parametrize("lower", [lowering.mfcc, lowering.spectrogram])
def test_refusals_name_the_node(lower):
    settings = dataclasses.replace(BASE, window_size=1)
    with pytest.raises(Refusal, match=r"window_size is 1.*'scope/AudioSpectrogram'"):
        model_of(lambda emit, x: lower(emit, x, settings, node="scope/AudioSpectrogram"), (-1, -1))


def test_upper_limit_is_refused():
    settings = dataclasses.replace(BASE, upper_frequency_limit=9000.0)
    with pytest.raises(Refusal, match=r"9000 Hz.*TensorFlow returns only zeros.*Check the sample rate"):
        mfcc_model(settings)


LOWERINGS = {
    "mfcc": (lowering.mfcc, (-1, -1), ()),
    "spectrogram": (lowering.spectrogram, (-1, -1), ()),
    "mfcc_of_spectrogram": (lowering.mfcc_of_spectrogram, (-1, -1, BASE.bin_count), (BASE.bin_count,)),
}


@pytest.mark.parametrize("name", LOWERINGS)
def test_what_cannot_be_lowered_is_refused_by_each_and_without_a_node_none_is_named(name):
    lower, shape, more = LOWERINGS[name]
    change = {"window_size": 1} if name == "spectrogram" else {"upper_frequency_limit": 9000.0}
    settings = dataclasses.replace(BASE, **change)
    with pytest.raises(Refusal) as caught:
        model_of(lambda emit, x: lower(emit, x, settings, *more), shape)
    assert caught.value.node == ""
    assert "Node at fault" not in str(caught.value)
