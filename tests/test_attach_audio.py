"""Audio attached to an acoustic model: the same as the model on windows prepared in numpy, in one call."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.passes.attach_audio import attach_audio, feature_model
from tests.support import client_audio
from tests.support.acoustic_model import CLASSES, HIDDEN, acoustic_model
from tests.support.audio_signals import CLIENTS, EVERY, signals
from tests.support.limits import assert_close

BASE = EVERY["16 kHz"]
CONTEXT = 3
PRECISE = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
NAMES = ["16 kHz", "8 kHz", "window 400", "gaps between windows"]


def compiled(model):
    return ov.Core().compile_model(model, "CPU", PRECISE)


def attached(audio: AudioSettings, **options):
    return attach_audio(acoustic_model(audio.dct_coefficient_count, CONTEXT, **options), audio, CONTEXT)


_CACHE = {}


def pair(name: str):
    """(acoustic model, the same with audio attached), compiled, for EVERY[name]."""
    if name not in _CACHE:
        audio = EVERY[name]
        _CACHE[name] = compiled(acoustic_model(audio.dct_coefficient_count, CONTEXT)), compiled(attached(audio))
    return _CACHE[name]


def expected_logits(acoustic, samples, audio):
    """samples [N] → logits [frames, classes] of the acoustic model on windows made in numpy."""
    windows = client_audio.context_windows(client_audio.client_mfccs(samples, audio), CONTEXT)[None]
    zero = np.zeros((1, HIDDEN), np.float32)
    feeds = {"input_node": windows, "previous_state_c": zero, "previous_state_h": zero}
    return acoustic(feeds)["logits"][:, 0]


@pytest.mark.parametrize("name", [*NAMES, *CLIENTS])
def test_attached_audio_gives_the_probabilities_of_separate_features(name):
    audio = EVERY[name]
    acoustic, whole = pair(name)
    for signal, samples in signals(audio.sample_rate).items():
        found = whole([samples[None]])["logits"]
        expected = expected_logits(acoustic, samples, audio)
        assert_close(found[:, 0], expected, 2e-7, signal)
        assert found.shape == (client_frame_count(len(samples), audio), 1, CLASSES)


@pytest.mark.parametrize("name", NAMES)
def test_frames_as_the_client_counts_them(name):
    audio = EVERY[name]
    window, stride = audio.window_size, audio.stride
    samples = signals(audio.sample_rate)["speech"]
    whole = pair(name)[1]
    counts = {0: 1, 1: 1, window - 1: 1, window: 2, window + stride - 1: 2, window + stride: 3}
    for count, frames in counts.items():
        assert whole([samples[None, :count]])["logits"].shape[0] == frames == client_frame_count(count, audio)


@settings(max_examples=40, deadline=None)
@given(
    name=strategies.sampled_from([*NAMES, *CLIENTS]), count=strategies.integers(0, 9000), rows=strategies.integers(1, 3)
)
def test_any_number_of_samples(name, count, rows):
    audio = EVERY[name]
    speech = signals(audio.sample_rate)["speech"]
    samples = np.stack([speech[start : start + count] for start in range(0, 900 * rows, 900)])
    acoustic, whole = pair(name)
    found = whole([samples])["logits"]
    for row in range(rows):
        expected = expected_logits(acoustic, samples[row], audio)
        assert_close(found[:, row], expected, 2e-7)


@pytest.mark.parametrize("batch", [1, 2])
def test_batch_and_length_can_be_fixed(batch):
    model = attached(BASE, batch=batch)
    assert str(model.input("samples").get_partial_shape()) == str(ov.PartialShape([batch, -1]))
    samples = np.stack([signals(16000)["speech"][:5000]] * batch)
    model.reshape({"samples": [batch, 5000]})
    expected = expected_logits(pair("16 kHz")[0], samples[0], BASE)
    found = compiled(model)([samples])["logits"]
    for row in range(batch):
        assert_close(found[:, row], expected, 2e-7)


@pytest.mark.parametrize("name", ["16 kHz", *CLIENTS])
def test_rows_of_unequal_lengths(name):
    audio = EVERY[name]
    model = attached(audio, lengths=True)
    assert {name for port in model.inputs for name in port.get_names()} >= {"samples", "sample_lengths"}
    speech = signals(16000)["speech"]
    lengths = [5000, 0, 100, 4999, 512]
    samples = np.full((len(lengths), 5000), np.nan, np.float32)  # nothing of the padding may be read
    for row, length in enumerate(lengths):
        samples[row, :length] = speech[row * 100 : row * 100 + length]
    found = compiled(model)({"samples": samples, "sample_lengths": np.int64(lengths)})["logits"]
    for row, length in enumerate(lengths):
        frames = client_frame_count(length, audio)
        expected = expected_logits(pair(name)[0], samples[row, :length], audio)
        assert_close(found[:frames, row], expected, 2e-7)
        assert not found[frames:, row].any()


def test_inputs_outputs_and_metadata_say_what_was_attached():
    before = acoustic_model(26, CONTEXT)
    model = attach_audio(before, BASE, CONTEXT)
    assert [port.get_names() for port in model.inputs] == [{"samples", "samples:0"}]
    assert [port.get_names() for port in model.outputs] == [{"logits", "logits:0"}]
    assert read_metadata(model) == {"audio": "attached", "n_input": 26, "inference_precision": "f32"}
    # The given model is as it was.
    assert read_metadata(before)["audio"] == "none"
    samples = signals(16000)["speech"]
    expected = expected_logits(pair("16 kHz")[0], samples, BASE)
    np.testing.assert_array_equal(expected_logits(compiled(before), samples, BASE), expected)


def test_compression_leaves_the_audio_part_in_full_precision(tmp_path):
    ov.save_model(attached(BASE), tmp_path / "m.xml", compress_to_fp16=True)
    model = ov.Core().read_model(tmp_path / "m.xml")
    types = {
        op.get_element_type().get_type_name()
        for op in model.get_ops()
        if op.get_type_name() == "Constant" and op.get_friendly_name().startswith("audio/")
    }
    assert types == {"f32", "i64"}
    samples = signals(16000)["speech"]
    expected = expected_logits(pair("16 kHz")[0], samples, BASE)
    assert_close(compiled(model)([samples[None]])["logits"][:, 0], expected, 3e-5)


@pytest.mark.parametrize("name", NAMES)
def test_feature_model(name):
    audio = EVERY[name]
    model = feature_model(audio, CONTEXT)
    assert [port.get_names() for port in model.inputs] == [{"samples", "samples:0"}]
    assert [port.get_names() for port in model.outputs] == [{"input_node", "input_node:0"}]
    features = compiled(model)
    samples = signals(audio.sample_rate)["speech"]
    for count in (0, 100, len(samples)):
        expected = client_audio.context_windows(client_audio.client_mfccs(samples[:count], audio), CONTEXT)
        assert_close(features([samples[None, :count]])[0][0], expected, 1e-4)


def test_feature_model_of_a_fixed_batch():
    assert str(feature_model(BASE, 9, batch=2).output().get_partial_shape()) == str(ov.PartialShape([2, -1, 19, 26]))


@pytest.mark.parametrize(
    ("reason", "model", "audio"),
    [
        ("no feature part, and how its client computed", lambda: acoustic_model(26, CONTEXT), None),
        (r"exactly 16 time steps.*dynamic time steps", lambda: acoustic_model(26, CONTEXT, steps=16), BASE),
        (r"windows of 7 frames and 26 MFCCs.*11\]", lambda: acoustic_model(11, CONTEXT), BASE),
        (r"windows of 7 frames and 26 MFCCs.*9,26\]", lambda: acoustic_model(26, 4), BASE),
        ("attached already", lambda: attached(BASE), BASE),
        ("no input 'input_node'", lambda: renamed(acoustic_model(26, CONTEXT)), BASE),
    ],
    ids=["no features", "fixed T", "n_input", "n_context", "twice", "another model"],
)
def test_models_and_settings_that_do_not_fit_are_refused(reason, model, audio):
    with pytest.raises(RecipeError, match=reason):
        attach_audio(model(), audio, CONTEXT)


def renamed(model):
    model.input("input_node").get_tensor().set_names({"x"})
    return model


def test_internal_state_is_refused():
    from deepspeech_recipe.passes.internal_state import internal_state

    model = internal_state(acoustic_model(26, CONTEXT, batch=1))
    with pytest.raises(RecipeError, match=r"internal state.*Attach it to the model with external state"):
        attach_audio(model, BASE, CONTEXT)


def test_a_feature_model_needs_features():
    with pytest.raises(Refusal, match="no feature part"):
        feature_model(None, 9)


@pytest.mark.long
@pytest.mark.requires_mo
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"version": "0.5"}, marks=pytest.mark.long),
        {"version": "0.9", "sample_rate": 8000, "window_ms": 25, "step_ms": 10},
    ],
    ids=["0.5", "0.9 at 8 kHz, window 200"],
)
def test_whole_utterances_through_tensorflow_and_mo(tf, tmp_path, options):
    from openvino.tools.mo import convert_model

    from tests.graphs.deepspeech import like_release
    from tests.support.reference import session

    graph = like_release(n_steps=-1, **options)
    model = convert_model(
        str(graph.save(tmp_path / "graph.pb")),
        extensions=str(Path(__file__).parent.parent / "mo_extensions"),
        compress_to_fp16=False,
        silent=True,
    )
    metadata = read_metadata(model)
    audio = AudioSettings(**metadata["features"])
    whole = compiled(attach_audio(model, audio, metadata["n_context"]))
    with session(graph.graph_def) as run:
        for signal, samples in signals(audio.sample_rate).items():
            expected = tensorflow_logits(run, graph, samples, audio, metadata["n_context"])
            found = whole([samples[None]])["logits"]
            assert_close(found, expected, 5e-5, signal)


def tensorflow_logits(run, graph, samples, audio, n_context: int):
    """Logits of a whole utterance: window by window through the feature part, then the acoustic model."""
    names, count = graph.names, client_frame_count(len(samples), audio)
    padded = np.zeros((count - 1) * audio.stride + audio.window_size, np.float32)
    padded[: len(samples)] = samples
    frames = [padded[start : start + audio.window_size] for start in np.arange(count) * audio.stride]
    mfccs = np.concatenate([run(names.mfccs, {names.samples: frame}) for frame in frames])
    feed = {names.input: client_audio.context_windows(mfccs, n_context)[None], names.lengths: [count]}
    if names.initialize:
        run(names.initialize)
    else:
        feed |= {name: np.zeros((1, graph.options.n_hidden), np.float32) for name in (names.state_c, names.state_h)}
    return run(names.logits, feed)
