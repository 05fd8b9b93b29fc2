"""convert with audio attached and internal state: the streaming IR of a graph, against TensorFlow where it is there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.ov_api import ov
from tests.support import client_audio
from tests.support.audio_signals import signals
from tests.support.compare import check_structure, compiled
from tests.support.limits import assert_close

SYNTHETIC = Path(__file__).parent / "fixtures" / "synthetic"
STREAMING = {"converter": "openvino", "audio": "attached", "state": "internal", "verify": False}


def run(request, samples, sizes) -> np.ndarray:
    request.reset_state()
    cuts = [cut for cut in np.cumsum(sizes) if cut <= len(samples)]
    blocks = np.split(samples, cuts)
    found = []
    for number, block in enumerate(blocks):
        request.infer({"samples": block[None], "end_of_stream": np.array(number + 1 == len(blocks))})
        found.append(request.get_tensor("logits").data.copy())
    return np.concatenate(found)


def test_convert_makes_a_streaming_ir(tmp_path):
    result = convert(SYNTHETIC / "batch_1.pb", tmp_path, **STREAMING)
    assert [(each["name"], each["shape"], each["type"]) for each in result.inputs] == [
        ("samples", [1, -1], "f32"),
        ("end_of_stream", [], "boolean"),
    ]
    assert [(each["name"], each["shape"]) for each in result.outputs] == [("logits", [-1, 1, 10])]
    wanted = {"audio": "attached", "state": "internal", "batch": 1, "time_steps": "dynamic", "lengths": "enforce"}
    assert {key: result.metadata[key] for key in wanted} == wanted
    model = ov.Core().read_model(result.files[0])
    check_structure(model)
    convert(SYNTHETIC / "batch_1.pb", tmp_path, name="whole", **{**STREAMING, "state": "external"})
    samples = signals(16000)["speech"]
    whole = compiled(ov.Core().read_model(tmp_path / "whole.xml"))([samples[None]])["logits"]
    found = run(compiled(model).create_infer_request(), samples, [0, 1, 5000, 320, 320, 9000])
    assert found.shape == whole.shape == (75, 1, 10)
    assert_close(found, whole, 5e-7)


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("v0.9", {}, "the batch must be 1, not 3. Give --batch 1"),
        ("v0.9", {"batch": 1, "lengths": "input"}, "one block of one stream"),
        ("v0.9", {"batch": 1, "time_steps": 16}, "cannot be fixed to 16"),
        ("v0.9", {"batch": "dynamic"}, "Internal state needs a fixed batch"),
        ("no_state", {"batch": 1}, "same constant state"),
    ],
)
def test_models_and_options_that_cannot_stream_are_refused(tmp_path, model, options, reason):
    with pytest.raises(RecipeError, match=reason):
        convert(SYNTHETIC / f"{model}.pb", tmp_path / "out", **STREAMING, **options)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def parity(tf, tmp_path_factory):
    """(request, samples → TensorFlow's logits, samples) for a model of 8 kHz with windows of 200 samples."""
    from tests.graphs.deepspeech import like_release
    from tests.support.reference import session

    folder = tmp_path_factory.mktemp("streaming")
    graph = like_release("0.9", n_steps=-1, sample_rate=8000, window_ms=25, step_ms=10)
    result = convert(graph.save(folder / "graph.pb"), folder, **STREAMING)
    audio, n_context = AudioSettings(**result.metadata["features"]), result.metadata["n_context"]
    assert (audio.window_size, audio.stride) == (200, 80)
    request = compiled(ov.Core().read_model(result.files[0])).create_infer_request()
    with session(graph.graph_def) as run_graph:
        yield request, lambda samples: whole_utterance(run_graph, graph, samples, audio, n_context)


def whole_utterance(run_graph, graph, samples, audio, n_context: int) -> np.ndarray:
    """TensorFlow's own AudioSpectrogram and Mfcc on the zero-padded signal, then windows, then the graph at once."""
    names, count = graph.names, client_frame_count(len(samples), audio)
    padded = np.zeros((count - 1) * audio.stride + audio.window_size, np.float32)
    padded[: len(samples)] = samples
    frames = [padded[at : at + audio.window_size] for at in range(0, count * audio.stride, audio.stride)]
    mfccs = np.concatenate([run_graph(names.mfccs, {names.samples: frame}) for frame in frames])
    zero = np.zeros((1, graph.options.n_hidden), np.float32)
    feeds = {names.input: client_audio.context_windows(mfccs, n_context)[None], names.lengths: [count]}
    return run_graph(names.logits, feeds | {names.state_c: zero, names.state_h: zero})


@pytest.mark.parametrize("signal", ["speech", "noise", "silence", "clipped speech", "offset and speech"])
def test_signals_through_tensorflow(parity, signal):
    request, original = parity
    samples = signals(8000)[signal][:5000]
    expected = original(samples)
    for sizes in ([160] * 40, [0, 1, 3000, 7]):
        found = run(request, samples, sizes)
        assert found.shape == expected.shape
        assert_close(found, expected, 5e-5)


@settings(max_examples=10, deadline=None)
@given(sizes=strategies.lists(strategies.integers(0, 700), max_size=8), count=strategies.integers(0, 3000))
def test_any_blocks_through_tensorflow(parity, sizes, count):
    request, original = parity
    samples = signals(8000)["speech"][4000 : 4000 + count]
    expected = original(samples)
    found = run(request, samples, sizes)
    assert found.shape == expected.shape
    assert_close(found, expected, 2e-5)
