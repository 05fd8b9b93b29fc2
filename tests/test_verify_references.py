"""The three ways to run the original agree, and none of them needs what the others do."""

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.installation import TensorFlow
from deepspeech_recipe.ir.names import stem
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.verification import tensorflow_session
from deepspeech_recipe.verification.acoustic import run_original
from deepspeech_recipe.verification.find_original import find_original
from deepspeech_recipe.verification.numpy_graph import NumpyGraph
from deepspeech_recipe.verification.recordings import flushed, random_features, speech_like, windows_of
from deepspeech_recipe.verification.references import Numpy, make_reference
from tests.fixtures.synthetic.cases import CASES
from tests.support import verify_models as models
from tests.support.limits import assert_close

CHUNKS = [7, 1, 12, 10]


def original_of(name: str):
    return find_original(open_model(models.graph(name)))


def run(original, which: str, lengths=None):
    """Two rows, though the graphs have a batch of three; chunks that are no multiples of T where that can be."""
    windows = windows_of(random_features(42, original.n_input), original.window_frames)
    windows = np.stack([windows, np.roll(windows, 5, 0)])
    chunks = CHUNKS if original.lengths is not None or original.steps is None else [7, 14, 7]
    if not original.has_state:
        chunks = [7, 7, 7, 7]
    return run_original(original, make_reference(original, which), windows[:, : sum(chunks)], chunks, lengths)


def assert_same(found, expected):
    for part in ("probabilities", "c", "h"):
        one, other = getattr(found, part), getattr(expected, part)
        assert (one is None) == (other is None)
        if one is not None:
            assert one.shape == other.shape
            assert_close(one, other, 3e-6)


@pytest.mark.requires_tf
@pytest.mark.parametrize("name", CASES)
def test_numpy_is_tensorflow(name):
    original = original_of(name)
    assert_same(run(original, "numpy"), run(original, "tensorflow"))


@pytest.mark.parametrize("name", ["v0.6", "v0.9", "coqui", "layer_norm", "steps_open", "no_state", "bytes"])
def test_numpy_is_openvinos_own_frontend(name):
    original = original_of(name)
    assert_same(run(original, "numpy"), run(original, "openvino"))


@pytest.mark.requires_tf
@pytest.mark.parametrize("name", ["v0.2", "v0.5", "v0.9"])
def test_unequal_lengths_in_numpy_and_tensorflow(name):
    original = original_of(name)
    lengths = np.array([[7, 3], [0, 1], [12, 9], [4, 0]])
    assert_same(run(original, "numpy", lengths), run(original, "tensorflow", lengths))


@pytest.mark.requires_tf
@pytest.mark.parametrize("name", ["v0.5", "v0.9", "rate_8k"])
def test_features_in_numpy_and_tensorflow(name):
    original = original_of(name)
    samples = flushed(speech_like(original.sample_rate, 0.4), original.framing)
    found = Numpy(original).features(samples)
    assert len(found) == original.framing.frame_count(len(samples))
    assert_close(found, make_reference(original, "tensorflow").features(samples), 1e-4)


@pytest.mark.parametrize("name", ["v0.3", "v0.9"])
def test_rows_are_independent_and_chunks_do_not_matter(name):
    original = original_of(name)
    windows = windows_of(random_features(21, original.n_input), original.window_frames)
    reference = Numpy(original)
    alone = run_original(original, reference, windows[None], [21])
    rows = run_original(original, reference, np.stack([windows[::-1], windows]), [4, 7, 10])
    assert_close(rows.probabilities[:, 1], alone.probabilities[:, 0], 1e-12)
    assert_close(rows.c[-1, 1], alone.c[-1, 0], 1e-12)
    assert np.abs(rows.c[-1, 0] - alone.c[-1, 0]).max() > 0.1


def test_auto_takes_what_can_read_the_graph(monkeypatch):
    monkeypatch.setattr(tensorflow_session._Process, "_one", None)
    monkeypatch.setattr(tensorflow_session, "tensorflow", lambda: TensorFlow("", {}, "is not installed"))
    assert make_reference(original_of("v0.9")).name.startswith("OpenVINO's own TensorFlow frontend")
    assert make_reference(original_of("v0.9"), lengths=True).name == "numpy, float64"
    assert make_reference(original_of("v0.4")).name == "numpy, float64"
    assert make_reference(original_of("block_lstm_v2")).name == "numpy, float64"


@pytest.mark.requires_tf
def test_auto_takes_tensorflow_where_it_is():
    assert make_reference(original_of("v0.9")).name.startswith("TensorFlow 2.")


def test_openvinos_frontend_refuses_variables_and_lengths():
    with pytest.raises(RecipeError, match="keep their state in variables"):
        make_reference(original_of("v0.5"), "openvino")
    with pytest.raises(RecipeError, match="unequal lengths"):
        make_reference(original_of("v0.9"), "openvino", lengths=True)
    with pytest.raises(RecipeError, match=r"cannot read the graph \(BlockLSTMV2\)"):
        make_reference(original_of("block_lstm_v2"), "openvino")


@pytest.mark.parametrize(("name", "forget_bias"), [("v0.2", 1.0), ("block_lstm_v2", 0.0)])
def test_an_attribute_that_was_stripped_has_tensorflows_default(name, forget_bias):
    original = original_of(name)
    expected = run(original, "numpy")
    for node in original.source.graph.node:
        if node.op.startswith("BlockLSTM"):
            assert node.attr["forget_bias"].f == forget_bias
            node.attr.pop("forget_bias")
    assert_same(run(find_original(original.source), "numpy"), expected)


def test_unknown_references_are_refused():
    with pytest.raises(RecipeError, match="'torch' is not a reference; there are auto, tensorflow, openvino, numpy"):
        make_reference(original_of("v0.9"), "torch")


def _graph(*nodes) -> NumpyGraph:
    builder = GraphBuilder()
    for name, op, inputs in nodes:
        builder.node(name, op, inputs, T=DType(FLOAT))
    return NumpyGraph(GraphView(builder.graph.node))


def test_the_numpy_graph_refuses_what_it_does_not_know():
    with pytest.raises(RecipeError, match=r"does not know the operation Erfc \('y'\)"):
        _graph(("x", "Placeholder", ()), ("y", "Erfc", ("x",))).run([Tensor("y")], {Tensor("x"): np.ones(2)})
    with pytest.raises(RecipeError, match="has no node 'z'"):
        _graph().run([Tensor("z")], {})
    with pytest.raises(RecipeError, match="cycle through"):
        _graph(("a", "Identity", ("b",)), ("b", "Identity", ("a",))).run([Tensor("a")], {})
    with pytest.raises(RecipeError, match=r"does not know the operation VariableV2 \('v'\)"):
        _graph(("v", "VariableV2", ())).run([Tensor("v")], {})


def test_parts_are_packed_along_the_first_axis_unless_another_is_said():
    x, y = np.ones((2, 3)), np.zeros((2, 3))
    graph = _graph(("x", "Placeholder", ()), ("y", "Placeholder", ()), ("z", "Pack", ("x", "y")))
    (found,) = graph.run([Tensor("z")], {Tensor("x"): x, Tensor("y"): y})
    np.testing.assert_array_equal(found, [x, y])


def test_gather_has_no_axis_and_takes_rows():
    x = np.arange(6.0).reshape(2, 3)
    graph = _graph(("x", "Placeholder", ()), ("rows", "Placeholder", ()), ("z", "Gather", ("x", "rows")))
    (found,) = graph.run([Tensor("z")], {Tensor("x"): x, Tensor("rows"): np.array([1, 1, 0])})
    np.testing.assert_array_equal(found, x[[1, 1, 0]])


def test_roles_are_found_where_names_are_others():
    source = open_model(models.graph("v0.9"))
    expected = find_original(source)
    for node in source.graph.node:
        node.name = f"net/{node.name}"
        inputs = [f"^net/{each[1:]}" if each.startswith("^") else f"net/{each}" for each in node.input]
        del node.input[:]
        node.input.extend(inputs)
    found = find_original(source)
    assert found.windows == Tensor("net/input_node")
    assert found.new_c.node.startswith("net/")
    windows = windows_of(random_features(14, found.n_input), found.window_frames)[None]
    one, other = (run_original(each, Numpy(each), windows, [14]) for each in (found, expected))
    assert_same(one, other)


@pytest.mark.parametrize("name", ["logits", "input_node"])
def test_one_other_name_and_the_roles_come_from_the_structure(name):
    source = open_model(models.graph("v0.9"))
    for node in source.graph.node:
        node.name = "other" if node.name == name else node.name
        node.input[:] = ["other" if stem(each) == name else each for each in node.input]
    original = find_original(source)
    assert "other" in (original.logits.node, original.windows.node)
