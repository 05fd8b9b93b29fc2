"""AudioSpectrogram and Mfcc through Model Optimizer, against TensorFlow running the same graph."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from tests.support.audio_signals import signals
from tests.support.graph_edits import with_any_length
from tests.support.limits import assert_close
from tests.support.reference import run_graph

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]

ROOT = Path(__file__).parent.parent
PRECISE = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
LENGTHS = (0, 100, 512, 831, 832, 16000)


def mo(path, **options):
    """Model Optimizer with the plugin, in this process, weights compressed; options as on its command line."""
    from openvino.tools.mo import convert_model

    return convert_model(
        str(path), extensions=str(ROOT / "mo_extensions"), compress_to_fp16=True, silent=True, **options
    )


def run(model, samples):
    return ov.Core().compile_model(model, "CPU", PRECISE)([samples])[0]


def constant_types(model):
    return {op.get_element_type().get_type_name() for op in model.get_ops() if op.get_type_name() == "Constant"}


def audio_graph(shape=(-1,), spectrogram=None, mfcc=None, rate=16000) -> bytes:
    """samples → AudioSpectrogram → Mfcc and nothing else; [N, channels] as it is, [N] gets a channel."""
    builder = GraphBuilder()
    samples = builder.placeholder("samples", FLOAT, shape)
    if len(shape) == 1:
        samples = builder.node("ExpandDims", "ExpandDims", [samples, builder.const("axis", -1, np.int32)])
        builder.graph.node[-1].attr["T"].type = FLOAT
    settings = {"window_size": 400, "stride": 160, "magnitude_squared": True} | (spectrogram or {})
    builder.node("audio/AudioSpectrogram", "AudioSpectrogram", [samples], **settings)
    builder.node("copy", "Identity", ["audio/AudioSpectrogram"], T=DType(FLOAT))
    settings = {"upper_frequency_limit": 8000.0} | (mfcc or {})
    builder.node("audio/Mfcc", "Mfcc", ["audio/AudioSpectrogram", builder.const("rate", rate, np.int32)], **settings)
    return builder.graph.SerializeToString()


@pytest.fixture
def written(tmp_path):
    def write(graph_def: bytes):
        path = tmp_path / "graph.pb"
        path.write_bytes(graph_def)
        return path

    return write


@pytest.mark.sampled
@pytest.mark.parametrize(
    "options",
    [
        {"version": "0.9", "sample_rate": 8000},
        {"version": "0.9", "window_ms": 25, "step_ms": 10},
        {"version": "0.5"},
    ],
    ids=["8 kHz", "window 400", "0.5"],
)
def test_samples_of_any_length(written, options):
    from tests.graphs.deepspeech import like_release

    graph = like_release(**options)
    model = mo(written(graph.graph_def), input="input_samples[?]", output="mfccs")
    assert constant_types(model) == {"f32", "i64"}
    assert {"input_samples", "input_samples:0"} <= model.input().get_names()
    assert {"mfccs", "mfccs:0"} <= model.output().get_names()
    compiled = ov.Core().compile_model(model, "CPU", PRECISE)
    graph_def = with_any_length(graph.graph_def)
    recordings = signals(graph.options.sample_rate)
    speech = recordings["speech"]
    for samples in [*recordings.values(), *(speech[:length] for length in LENGTHS)]:
        (expected,) = run_graph(graph_def, {"input_samples:0": samples}, ["mfccs:0"])
        found = compiled([samples])[0]
        assert found.shape == expected.shape
        if expected.size:
            assert_close(found, expected, 1e-4)
        else:
            assert len(samples) < graph.options.sample_rate * graph.options.window_ms // 1000


def test_samples_of_a_fixed_length(written, deepspeech):
    graph = deepspeech()
    model = mo(written(graph.graph_def), input="input_samples[16000]", output="mfccs")
    assert list(model.output().shape) == [49, graph.options.n_input]
    graph_def = with_any_length(graph.graph_def)
    for length in (16000, 5000):  # the IR can be given another length later
        samples = signals(16000)["speech"][:length]
        model.reshape([length])
        (expected,) = run_graph(graph_def, {"input_samples:0": samples}, ["mfccs:0"])
        assert_close(run(model, samples), expected, 1e-4)


def test_channels_and_magnitude(written):
    graph_def = audio_graph((-1, 2), {"magnitude_squared": False})
    model = mo(written(graph_def), input="samples", output="audio/Mfcc")
    speech = signals(16000)["speech"]
    samples = np.stack([speech, 0.3 * speech[::-1]], 1)
    (expected,) = run_graph(graph_def, {"samples:0": samples}, ["audio/Mfcc:0"])
    assert expected.shape[0] == 2
    assert_close(run(model, samples), expected, 5e-5)


def test_spectrogram_with_two_readers(written):
    graph_def = audio_graph()
    model = mo(written(graph_def), input="samples", output="audio/Mfcc,copy")
    assert constant_types(model) == {"f32", "i64"}
    samples = signals(16000)["speech"]
    outputs = ["audio/Mfcc:0", "copy:0"]
    found = ov.Core().compile_model(model, "CPU", PRECISE)([samples])
    mfccs, power = run_graph(graph_def, {"samples:0": samples}, outputs)
    assert_close(found["audio/Mfcc:0"], mfccs, 1e-4)
    assert_close(found["copy:0"], power, 3e-6 * power.max())


def test_mfcc_of_a_given_spectrogram(written):
    graph_def = audio_graph()
    model = mo(written(graph_def), input="0:audio/Mfcc[1,?,257]", output="audio/Mfcc")
    samples = signals(16000)["speech"]
    power, mfccs = run_graph(graph_def, {"samples:0": samples}, ["audio/AudioSpectrogram:0", "audio/Mfcc:0"])
    assert_close(run(model, power), mfccs, 1e-4)


REFUSALS = {
    "9000 Hz.*only zeros.*'audio/Mfcc'": {"mfcc": {"upper_frequency_limit": 9000.0}},
    "stride is 0.*'audio/Mfcc'": {"spectrogram": {"stride": 0}},
    "dct_coefficient_count is 41": {"mfcc": {"dct_coefficient_count": 41}},
    r"399 samples hold no window of 400.*Give 'samples' at least one window, or \[\?\]": {"shape": (399,)},
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_settings_that_no_audio_has_stop_mo(written, reason):
    from openvino.tools.mo.utils.error import Error

    with pytest.raises(Error, match=reason):
        mo(written(audio_graph(**REFUSALS[reason])), input="samples", output="audio/Mfcc")


def test_unknown_number_of_bins_is_refused(written):
    from openvino.tools.mo.utils.error import Error

    with pytest.raises(Error, match=r"number of frequency bins.*'audio/Mfcc'.*0:audio/Mfcc\[1,\?,BINS\]"):
        mo(written(audio_graph()), input="0:audio/Mfcc[1,?,?]", output="audio/Mfcc")


def test_unused_features_are_not_judged(written, deepspeech):
    # v0.5 left the limit at 4000 Hz: above Nyquist at 4 kHz, but the acoustic model does not need it.
    graph = deepspeech("0.5", sample_rate=4000)
    model = mo(written(graph.graph_def))
    assert any("input_node" in port.get_names() for port in model.inputs)


def test_an_operation_is_called_after_its_place_and_itself():
    """As whoever looks at the IR finds it."""
    from openvino.tools.mo.graph.graph import Graph

    from deepspeech_recipe.converters.mo_emitter import MOEmitter

    graph = Graph()
    graph.stage = "front"
    emit = MOEmitter(graph, "audio/Mfcc")
    assert emit("add", np.float32(1), np.float32(2)).node.soft_get("name") == "audio/Mfcc/add"
    assert emit("add", np.float32(1), np.float32(2), name="sum").node.soft_get("name") == "audio/Mfcc/sum"
