"""What is the openvino converter's own: edits on a GraphDef, general graphs, and what it does without."""

import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from deepspeech_recipe.converters import openvino
from deepspeech_recipe.converters.graphdef_edits import WEIGHT, apply_edits, names_only
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.rewrite.edits import UNFLATTEN_TIME, Edits, NewNode
from tests.graphs.one_lstm import lstm_graph
from tests.graphs.rewritten import obfuscated
from tests.support import compare, contract
from tests.support.limits import assert_close

F32 = {"T": DType(FLOAT)}


def _chain():
    """x → first → second ← big; 'beside' hangs on 'first', and 'second' waits for it."""
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (2, 300))
    graph.const("big", np.arange(600.0).reshape(2, 300), np.float32)
    graph.const("small", 2.0, np.float32)
    graph.node("first", "Mul", ["x", "small"], **F32)
    graph.node("beside", "Neg", ["first"], **F32)
    graph.node("second", "Add", ["first", "big", "^beside", "^small"], **F32)
    return graph.graph


def _apply(graph, edits, outputs=("second",), **options):
    edited = apply_edits(graph, GraphView(graph.node), edits, outputs, **options)
    return edited, {node.name: node for node in edited.graph.node}


def test_the_graph_is_pruned_to_its_outputs_and_left_as_it_was():
    graph = _chain()
    before = graph.SerializeToString(deterministic=True)
    _, nodes = _apply(graph, Edits())
    assert set(nodes) == {"x", "big", "small", "first", "second"}
    assert list(nodes["second"].input) == ["first:0", "big:0", "^small"]
    assert graph.SerializeToString(deterministic=True) == before


def test_large_constants_do_not_go_through_the_file():
    edited, nodes = _apply(_chain(), Edits())
    assert nodes["big"].op == WEIGHT
    assert nodes["small"].op == "Const"
    assert np.array_equal(edited.weights[nodes["big"].attr["index"].i], np.arange(600.0).reshape(2, 300))
    assert edited.graph.ByteSize() < 1000


def test_edits_replace_add_redirect_and_remove():
    edits = Edits(
        remove=["beside"],
        replace=[NewNode("first", "Identity", (Tensor("new"),))],
        add=[NewNode("new", UNFLATTEN_TIME, (Tensor("x"), Tensor("big")), {"features": 7})],
        redirect={Tensor("big"): Tensor("small")},
    )
    _, nodes = _apply(_chain(), edits)
    assert (nodes["first"].op, list(nodes["first"].input)) == ("Identity", ["new:0"])
    assert (nodes["new"].op, nodes["new"].attr["features"].i) == (UNFLATTEN_TIME, 7)
    assert list(nodes["second"].input) == ["first:0", "small:0", "^small"]
    assert "beside" not in nodes


def test_a_node_can_become_an_input():
    _, nodes = _apply(_chain(), Edits(), inputs={"first": (-1, 300)})
    assert set(nodes) == {"first", "big", "second"}
    assert [dim.size for dim in nodes["first"].attr["shape"].shape.dim] == [-1, 300]


def test_a_view_of_names_keeps_edges_and_drops_constants():
    view = names_only(_chain())
    assert view.nodes["second"].inputs == (Tensor("first"), Tensor("big"))
    assert view.value(Tensor("big")) is None


def test_the_model_outlives_the_arrays_it_was_made_from():
    each = contract.case("v0.9")
    model = compare.convert("openvino", each)
    waste = [np.full(size, np.nan, np.float32) for size in (26 * 44, 15 * 44, 11 * 44, 390, 182) for _ in range(50)]
    compare.check_numbers(model, each)
    assert len(waste) == 250


def test_neither_tensorflow_nor_mo_is_loaded():
    code = (
        "import sys; from tests.support import compare, contract\n"
        "compare.convert('openvino', contract.case('v0.5'))\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'tensorflow' or 'tools.mo' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"], done.stdout


def _general(graph):
    graph = parse(GraphDef, graph.graph_def, what="a test")
    view = GraphView(graph.node)
    prepared = openvino.prepare(graph, view, recognise(view), Options())
    return prepared.convert(), prepared.notes[0]


@pytest.mark.requires_tf
def test_stacked_cells_with_variables_become_sequences_with_inputs():
    from tests.graphs.foreign import stacked_language_model
    from tests.support.reference import session

    graph = stacked_language_model()
    model, line = _general(graph)
    assert "lm/layer_1/BlockLSTM' becomes an LSTMSequence" in line
    assert "new_lm/layer_0/memory_cell" in line
    kinds = [node.get_type_name() for node in model.get_ops()]
    assert kinds.count("LSTMSequence") == 2
    assert not compare.LOOPS & set(kinds)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    state = {name: np.zeros(list(model.input(name).shape), np.float32) for name in graph.states}
    with session(graph.graph_def) as run:
        run(graph.reset)
        for seed in range(8):
            feeds = graph.feeds(seed)
            (want,) = run(list(graph.outputs), feeds)
            found = compiled({**feeds, **state})
            assert_close(found[graph.outputs[0]], want, compare.EXACT)
            state = {name: found[f"new_{name}"].copy() for name in graph.states}
        for name, kept in state.items():
            assert_close(kept, run(f"{name}:0"), compare.EXACT)


@pytest.mark.requires_tf
def test_a_stateless_cell_in_other_surroundings():
    from tests.graphs.foreign import embedding_lstm
    from tests.support.reference import run_graph

    graph = embedding_lstm()
    model, _ = _general(graph)
    feeds = graph.feeds()
    (want,) = run_graph(graph.graph_def, feeds, list(graph.outputs))
    found = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(feeds)
    assert_close(found[graph.outputs[0]], want, compare.EXACT)


@pytest.mark.requires_tf
def test_a_state_that_would_be_lost_is_refused():
    from tests.graphs.foreign import stacked_language_model

    with pytest.raises(Refusal, match="state in the variable 'lm/layer_0/memory_cell' would be lost"):
        _general(stacked_language_model(by_length=True))


def test_fewer_steps_than_the_sequence_has_are_refused_with_both_numbers():
    graph = lstm_graph(6, 5)
    view = GraphView(graph.node)
    with pytest.raises(Refusal, match=r"for 5 steps, but its sequence has 6 steps.*'lstm/sequence'"):
        openvino.prepare(graph, view, recognise(view), Options()).convert()
    graph = lstm_graph(5, 5)
    view = GraphView(graph.node)
    model = openvino.prepare(graph, view, recognise(view), Options()).convert()
    assert list(model.output("y:0").shape) == [5, 2, 4]


def test_an_operation_the_frontend_does_not_know_is_one_line():
    graph = lstm_graph(5, 5)
    graph.node.add(name="odd", op="NoSuchOperation", input=["y"]).attr["T"].type = FLOAT
    view = GraphView(graph.node)
    with pytest.raises(RecipeError, match=r"TensorFlow frontend cannot convert the graph.*NoSuchOperation") as caught:
        openvino.prepare(graph, view, recognise(view), Options()).convert()
    assert "\n" not in str(caught.value)
    assert "cut it off (--output)" in str(caught.value)


def test_names_that_say_nothing_make_the_same_model():
    each = contract.case("v0.9")
    # The frontend orders outputs by their names: by those, the states would come first.
    model = compare.convert("openvino", SimpleNamespace(graph_def=obfuscated(each.path.read_bytes(), first="z")))
    for port, name in zip(model.outputs, ("logits", "new_state_c", "new_state_h"), strict=True):
        assert name in port.get_names()
    compare.check_numbers(model, each)


def test_a_graph_in_which_there_is_nothing_to_do_is_said_to_be_left_as_it_is():
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (2, 3))
    graph.node("y", "Neg", ["x"], **F32)
    view = GraphView(graph.graph.node)
    prepared = openvino.prepare(graph.graph, view, recognise(view), Options())
    assert prepared.notes[0].endswith("; the graph is left as it is")


def test_of_a_long_reason_the_first_lines_are_told():
    lines = [f"operation {number} {'x' * 80}" for number in range(30)]
    told = openvino._reason(RuntimeError("\n".join(lines)))
    assert told == " ".join(lines[:5])
    assert openvino._reason(RuntimeError("y" * 1000)) == "y" * 1000  # a line is not cut


def test_every_operation_that_fails_is_named_whatever_else_is_said():
    """Two variables that nothing initialises, which newer releases tell of at length before they come to the rest."""
    graph = lstm_graph(5, 5)
    for number in range(2):
        variable = graph.node.add(name=f"memory_{number}", op="VariableV2")
        variable.attr["dtype"].type = FLOAT
        variable.attr["shape"].shape.dim.add(size=4)
        graph.node.add(name=f"sum_{number}", op="AddV2", input=["y", variable.name]).attr["T"].type = FLOAT
    graph.node.add(name="odd", op="NoSuchOperation", input=["y"]).attr["T"].type = FLOAT
    view = GraphView(graph.node)
    with pytest.raises(RecipeError, match="NoSuchOperation") as caught:
        openvino.prepare(graph, view, recognise(view), Options()).convert()
    assert re.search("`memory_[01]` is not initialized", str(caught.value))
    assert "Summary" not in str(caught.value)
    assert "documentation" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "request_", "reason"),
    [
        ("v0.9", {"state": "internal", "batch": "dynamic"}, "Internal state needs a fixed batch"),
        ("no_state", {"state": "internal"}, "the same constant state"),
        ("no_state", {"batch": 5}, "constant state of batch 3, so the batch cannot be 5"),
        ("no_state", {"batch": "dynamic"}, "the batch cannot be dynamic"),
        ("v0.9", {"batch": 0}, "batch must be a whole number above zero or 'dynamic', not 0"),
        ("v0.9", {"time_steps": True}, "number of time steps must be a whole number"),
        ("v0.9", {"time_steps": "many"}, "not 'many'"),
        ("v0.9", {"state": "both"}, "state must be external or internal, not 'both'"),
        ("v0.9", {"head": "softmax"}, "head must be probabilities or raw, not 'softmax'"),
    ],
)
def test_what_cannot_be_asked_for(name, request_, reason):
    with pytest.raises(RecipeError, match=reason):
        compare.convert("openvino", contract.case(name), Options(**request_))


def test_sizes_that_do_not_fit_are_told_by_the_node():
    """Known only when the open sizes get their numbers: the frontend has translated the graph by then."""
    graph = parse(GraphDef, (contract.FOLDER / "v0.4.pb").read_bytes(), what="")
    nodes = {node.name: node for node in graph.node}
    nodes["Reshape"].input[1] = "lstm_fused_cell/ExpandDims/dim"
    view = GraphView.of(graph)
    with pytest.raises(RecipeError, match=r"sizes in the graph do not fit together: .*'MatMul'"):
        openvino.prepare(graph, view, recognise(view), Options()).convert()
