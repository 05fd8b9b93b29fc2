"""LSTMs that stand in a graph step by step, with and without lengths, become LSTMSequences."""

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert as convert_file
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.recipes.recognition import recognise
from tests.support.compare import check_call, check_structure, compiled
from tests.support.limits import assert_close
from tests.support.rnn_check import assert_states_are_carried, convert, make, references

pytestmark = pytest.mark.requires_tf

# Options of tests.graphs.rnn.dynamic → LSTMSequences.
CASES = {
    "plain": ({}, 1),
    "layers": ({"layers": 2, "cell": "lstm"}, 2),
    "time_major": ({"time_major": True, "given": True}, 1),
    "picked": ({"pick": (1, 4, 5)}, 1),
    "lengths": ({"lengths": True}, 1),
    "lengths_given": ({"lengths": "int64", "given": True, "time_major": True}, 1),
    "lengths_layers": ({"lengths": True, "layers": 2, "cell": "lstm"}, 2),
    "lengths_picked": ({"lengths": True, "pick": (0, 3, 5)}, 1),
    "if": ({"lengths": True, "control_flow": "v2"}, 1),
    "if_layers": ({"lengths": "int64", "layers": 2, "control_flow": "v2", "time_major": True}, 2),
    "one_step": ({"lengths": True, "static": 1, "given": True}, 1),
}
# Batches with lengths of 0, of T, and beyond it.
CALLS = ((0, [9, 4, 0]), (0, [6, 6]), (0, [1, 0, 5, 1]), (0, [0]))


def case(name: str):
    options, count = CASES[name]
    return make(**{"static": 6} | options), count


def to_ir(graph_def: bytes, converter: str, folder):
    """(ov.Model, what was said about it)"""
    if converter == "openvino":
        return convert(graph_def)
    from tests.support.mo_run import mo

    (folder / "model.pb").write_bytes(graph_def)
    return mo(folder / "model.pb")


def check(model, count: int, graph) -> None:
    check_structure(model, count)
    assert {"out:0", *graph.states} <= set().union(*(port.names for port in model.outputs))
    assert len(model.outputs) == len(graph.outputs)
    for feeds, expected in references(graph, CALLS):
        check_call(model, feeds, expected)


@pytest.mark.sampled
@pytest.mark.parametrize("name", CASES)
def test_steps_become_sequences(name):
    graph, count = case(name)
    model, line = convert(graph.graph_def)
    made = "an LSTMSequence" if count == 1 else f"{count} LSTMSequences"
    assert f"become {made}" in line
    assert "left as it is" not in line
    check(model, count, graph)


@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.parametrize("name", ["layers", "lengths_given", "if_layers"])
def test_the_same_through_mo(tmp_path, name):
    graph, count = case(name)
    model, printed = to_ir(graph.graph_def, "mo", tmp_path)
    assert printed.count(" become ") == 1
    check(model, count, graph)


def test_a_sequence_with_lengths_beneath_one_without(tf):
    """Zeros past the lengths are what the second one reads."""
    from tests.graphs.rnn import INPUT, control_flow_as, freeze, lstm_cells
    from tests.support.reference import run_graph

    tf1 = tf.compat.v1
    with control_flow_as("v1"), tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [None, 4, INPUT], "x")
        rows = tf1.placeholder(tf.int32, [None], name="lengths")
        with tf1.variable_scope("one"):
            cell = lstm_cells().BasicLSTMCell(3)
            below, _ = tf1.nn.static_rnn(cell, tf.unstack(x, 4, 1), dtype=tf.float32, sequence_length=rows)
        with tf1.variable_scope("two"):
            out, _ = tf1.nn.static_rnn(lstm_cells().BasicLSTMCell(7), below, dtype=tf.float32)
        tf.identity(out[-1], name="out")
        graph_def = freeze(tf1, graph, ["out"])
    model, _ = convert(graph_def)
    check_structure(model, 2)
    feeds = {"x:0": np.random.default_rng(1).standard_normal((3, 4, INPUT)).astype(np.float32)}
    feeds["lengths:0"] = np.array([2, 0, 4], np.int32)
    check_call(model, feeds, {"out:0": run_graph(graph_def, feeds, ["out:0"])[0]})


def test_what_lies_past_a_length_reaches_nothing():
    graph, _ = case("lengths")
    model, _ = convert(graph.graph_def)
    ((feeds, expected),) = references(graph, [(0, [4, 2, 0])])
    for row, length in enumerate((4, 2, 0)):
        feeds["x:0"][row, length:] = np.nan
    check_call(model, feeds, expected)


def test_states_go_from_call_to_call():
    graph, _ = case("lengths_given")
    assert_states_are_carried(graph, [[6, 2, 0], [3, 5, 6], [1, 0, 4]], steps=6)


@pytest.mark.parametrize(("control_flow", "variables"), [("v1", True), ("v2", False)])
def test_saved_models_of_a_session(tf, tmp_path, control_flow, variables):
    from tests.support.saved_models import unfrozen, wrap

    graph = make(static=6, lengths=True, control_flow=control_flow)
    names = {"inputs": ("x", "lengths"), "outputs": ("out", "state_0", "state_1")}
    if variables:
        weights = tuple(f"net/rnn/basic_lstm_cell/{name}" for name in ("kernel", "bias"))
        unfrozen(tf, graph.graph_def, tmp_path / "saved", weights, resource=True, **names)
    else:
        wrap(tf, graph.graph_def, tmp_path / "saved", **names)
    result = convert_file(tmp_path / "saved", tmp_path / "out", converter="openvino", verify=False)
    check(ov.Core().read_model(result.files[0]), 1, graph)


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["saved_model", "frozen", "lowered"])
def test_steps_within_functions_and_conditions_become_sequences(tf, tmp_path, kind):
    """Variables, which the cells read within the branches of an If; or frozen, with If or, lowered, with Switch."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from tests.graphs.rnn import INPUT, cell_of

    rng = np.random.default_rng(2)
    kernel, bias = (tf.Variable(rng.standard_normal(shape), dtype=tf.float32) for shape in ((INPUT + 4, 16), (16,)))

    specs = [tf.TensorSpec([None, 5, INPUT], name="x"), tf.TensorSpec([None], tf.int32, "lengths")]

    @tf.function(input_signature=specs)
    def run(x, lengths):
        zeros = tf.zeros([tf.shape(x)[0], 4])
        out, (c, h) = tf.compat.v1.nn.static_rnn(
            cell_of(tf, kernel, bias), tf.unstack(x, 5, 1), initial_state=(zeros, zeros), sequence_length=lengths
        )
        return {"c": c, "h": h, "out": tf.stack(out)}

    module = tf.Module()
    module.run, module.weights = run, [kernel, bias]
    feeds = {"x": rng.standard_normal((3, 5, INPUT)).astype(np.float32), "lengths": np.array([5, 0, 2], np.int32)}
    expected = {f"{name}:0": value.numpy() for name, value in run(**feeds).items()}
    if kind == "saved_model":
        tf.saved_model.save(module, str(tmp_path / "saved"), signatures=run)
        result = convert_file(tmp_path / "saved", tmp_path / "out", converter="openvino", verify=False)
        model = ov.Core().read_model(result.files[0])
    else:
        function = convert_variables_to_constants_v2(run.get_concrete_function(), lower_control_flow=kind == "lowered")
        model, _ = convert(function.graph.as_graph_def().SerializeToString())
        expected = dict(zip([tensor.name for tensor in function.outputs], expected.values(), strict=True))
    check_structure(model, 1)
    assert len(model.outputs) == 3
    check_call(model, {f"{name}:0": value for name, value in feeds.items()}, expected)


@pytest.mark.requires_mo
@pytest.mark.parametrize("converter", ["mo", "openvino"])
def test_states_in_variables_are_not_lost(tmp_path, converter):
    from tests.graphs.stateful import stopped_steps
    from tests.support.reference import session

    graph = stopped_steps()
    model, line = to_ir(graph.graph_def, converter, tmp_path)
    assert "state variables become inputs (c, h) and outputs (new_c, new_h)" in line
    check_structure(model, 1)
    request = compiled(model).create_infer_request()
    states = {name: np.zeros((3, 7), np.float32) for name in graph.states}
    with session(graph.graph_def) as run:
        run(graph.reset)
        for seed in range(4):
            feeds = graph.feeds(seed)
            expected = run("out:0", feeds)
            request.infer({**feeds, **states})
            assert_close(request.get_tensor("out:0").data, expected, 1e-6)
            states = {name: request.get_tensor(f"new_{name}").data.copy() for name in graph.states}
            for name, value in states.items():
                assert_close(value, run(f"{name}:0"), 1e-6)
                assert np.abs(value).max() > 0.1


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("kind", ["condition", "loop"])
def test_steps_inside_of_a_condition_or_a_loop_are_left_alone(tf, kind, lengths):
    from tests.graphs.rnn import INPUT, cell_of, control_flow_as, freeze

    tf1 = tf.compat.v1
    rng = np.random.default_rng(1)
    with control_flow_as("v1"), tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [2, 3, INPUT], "x")
        rows = tf1.placeholder(tf.int32, [2], "lengths") if lengths else None
        kernel, bias = (tf.constant(rng.standard_normal(shape), tf.float32) for shape in ((INPUT + 4, 16), (16,)))

        def run(x):
            cell = cell_of(tf, kernel, bias)
            return tf1.nn.static_rnn(cell, tf.unstack(x, 3, 1), dtype=tf.float32, sequence_length=rows)[0][-1]

        if kind == "condition":
            out = tf1.cond(tf1.placeholder(tf.bool, [], "flag"), lambda: run(x), lambda: tf.zeros([2, 4]))
        else:
            first = tf.constant(0), tf.zeros([2, 4])
            out = tf1.while_loop(lambda time, _: time < 2, lambda time, h: (time + 1, h + run(x)), first)[1]
        tf.identity(out, name="out")
        graph_def = freeze(tf1, graph, ["out"])
    found = recognise(GraphView.of(parse(GraphDef, graph_def, what="a test")))
    assert not found.lstms
    reasons = [str(refusal) for refusal in found.refused]
    inside = "share a kernel, but stand inside of a loop or of a condition that is not about lengths"
    assert any(inside in reason for reason in reasons) == (kind == "condition")
    assert len(reasons) == 1


def test_a_product_of_batch_1_that_is_added_as_a_bias(tf):
    """As some releases of Keras 3 write it."""
    from tests.graphs.rnn import freeze
    from tests.support.reference import run_graph

    tf1, rng = tf.compat.v1, np.random.default_rng(4)
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [1, 3, 5], "x")
        kernel, recurrent, bias = (tf.constant(rng.standard_normal(n), tf.float32) for n in ((5, 16), (4, 16), (16,)))
        c = h = tf.zeros([1, 4])
        for frame in tf.unstack(x, 3, 1):
            product = tf.nn.bias_add(tf.matmul(frame, kernel), tf.squeeze(tf.matmul(h, recurrent)))
            i, f, j, o = tf.split(tf.nn.bias_add(product, bias), 4, 1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
            h = tf.sigmoid(o) * tf.tanh(c)
        tf.identity(h, "out")
        graph_def = freeze(tf1, graph, ["out"])
    model, _ = convert(graph_def)
    check_structure(model, 1)
    feeds = {"x:0": rng.standard_normal((1, 3, 5)).astype(np.float32)}
    check_call(model, feeds, {"out:0": run_graph(graph_def, feeds, ["out:0"])[0]})


def test_inspect_lists_them(tmp_path, capsys):
    from deepspeech_recipe.cli import main

    graph, _ = case("if_layers")
    (tmp_path / "model.pb").write_bytes(graph.graph_def)
    assert main(["inspect", str(tmp_path / "model.pb")]) == 0
    line = "LSTM of 6 steps 'net/rnn/cond' (5 → 4 → 7) can become 2 LSTMSequences; lengths 'lengths:0'"
    assert line in capsys.readouterr().out


def refusals(graph_def: bytes) -> str:
    found = recognise(GraphView.of(parse(GraphDef, graph_def, what="a test")))
    assert not found.lstms
    (refusal,) = found.refused
    assert refusal.node
    return str(refusal)


OTHER_CELLS = {
    "crossed": "6 LSTM cells share a kernel: A Mul is added to a gate that is not a peephole connection",
    "projection": "hidden state of one comes from a MatMul, as a projection makes it",
}


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("cell", OTHER_CELLS)
def test_other_cells_are_left_alone_with_the_reason(cell, lengths):
    assert OTHER_CELLS[cell] in refusals(make(static=6, cell=cell, lengths=lengths).graph_def)
