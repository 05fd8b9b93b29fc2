"""BlockLSTM and BlockLSTMV2 with peepholes or a clipped cell state, outside of DeepSpeech: exact, as a loop."""

import itertools

import numpy as np
import pytest

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, GraphBuilder
from deepspeech_recipe.sources.canonical.nodes import F32
from tests.support.compare import check_call, op_counts
from tests.support.limits import assert_close
from tests.support.rnn_check import convert

T, B, INPUTS, H = 6, 3, 5, 4
CASES = list(itertools.product(["BlockLSTM", "BlockLSTMV2"], [True, False], [0.0, 0.4]))


def graph_of(op: str, peephole: bool, clip: float, *, stripped: bool = False) -> bytes:
    """x [T, B, INPUTS], c, h [B, H] → y [T, B, H], last_c [B, H]. stripped: without the attributes of the cell, which
    then has the operation's own."""
    graph = GraphBuilder()
    rng = np.random.default_rng(2)
    graph.placeholder("x", FLOAT, (T, B, INPUTS))
    for name in "ch":
        graph.placeholder(name, FLOAT, (B, H))
    graph.const("steps", T, np.int64)
    graph.const("w", rng.standard_normal((INPUTS + H, 4 * H)), np.float32)
    graph.const("b", rng.standard_normal(4 * H), np.float32)
    for gate in "ifo":
        graph.const(f"p_{gate}", rng.standard_normal(H), np.float32)
    extra = {"forget_bias": 0.5} if op == "BlockLSTM" else {}
    inputs = ["steps", "x", "c", "h", "w", "p_i", "p_f", "p_o", "b"]
    cell = {} if stripped else {"cell_clip": clip, "use_peephole": peephole, **extra}
    graph.node("lstm", op, inputs, **F32, **cell)
    graph.node("y", "Identity", ["lstm:6"], **F32)
    edges = [graph.const(f"last_c/{name}", [value], np.int32) for name, value in (("begin", -1), ("end", 0), ("by", 1))]
    masks = {"shrink_axis_mask": 1, "begin_mask": 0, "end_mask": 1, "ellipsis_mask": 0, "new_axis_mask": 0}
    graph.node("last_c", "StridedSlice", ["lstm:1", *edges], **F32, Index=DType(INT32), **masks)
    return graph.graph.SerializeToString()


def feeds_of(seed: int) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "x:0": rng.standard_normal((T, B, INPUTS)).astype(np.float32),
        **{f"{name}:0": rng.standard_normal((B, H)).astype(np.float32) for name in "ch"},
    }


@pytest.mark.requires_tf
@pytest.mark.parametrize(("op", "peephole", "clip"), CASES)
def test_peepholes_and_clipping_compute_what_tensorflow_does(op, peephole, clip):
    from tests.support.reference import run_graph

    graph = graph_of(op, peephole, clip)
    model, line = convert(graph)
    plain = not peephole and not clip
    counts = op_counts(model)
    assert counts.get("LSTMSequence", 0) == plain
    assert counts.get("TensorIterator", 0) == (not plain)
    assert ("becomes an LSTMSequence" in line) == plain
    outputs = ["y:0", "last_c:0"]
    for seed in (1, 2):
        feeds = feeds_of(seed)
        check_call(model, feeds, dict(zip(outputs, run_graph(graph, feeds, outputs), strict=True)))


@pytest.mark.requires_tf
@pytest.mark.requires_mo
@pytest.mark.parametrize(("op", "peephole", "clip"), [("BlockLSTMV2", True, 0.4)])
def test_the_same_through_mo(tmp_path, op, peephole, clip):
    from tests.support.mo_run import mo
    from tests.support.reference import run_graph

    graph = graph_of(op, peephole, clip)
    path = tmp_path / "model.pb"
    path.write_bytes(graph)
    model, printed = mo(path)
    assert "becomes a loop, for its peepholes and its cell state clipped to ±0.4" in printed
    assert op_counts(model)["TensorIterator"] == 1
    feeds = feeds_of(3)
    outputs = ["y:0", "last_c:0"]
    check_call(model, feeds, dict(zip(outputs, run_graph(graph, feeds, outputs), strict=True)))


def test_the_clip_matters():
    """Without TensorFlow: the same cell in numpy."""
    graph = graph_of("BlockLSTM", True, 0.4)
    model, _ = convert(graph)
    feeds = feeds_of(4)
    states, c = numpy_cell(feeds, 0.4)
    check_call(model, feeds, {"y:0": states, "last_c:0": c})
    assert np.abs(c).max() == pytest.approx(0.4)
    assert np.abs(numpy_cell(feeds, 0.0)[0] - states).max() > 0.1


def stripped(op: str):
    """A graph without attributes, what to feed it (a state beyond the clip), and what it is to compute."""
    feeds = feeds_of(5)
    feeds["c:0"] *= 4
    own = {"clip": 3.0, "forget_bias": 1.0} if op == "BlockLSTM" else {"clip": 0.0, "forget_bias": 0.0}
    states, c = numpy_cell(feeds, **own, peephole=False, gates="ijfo" if op == "BlockLSTM" else "ifjo")
    return graph_of(op, False, 0.0, stripped=True), feeds, {"y:0": states, "last_c:0": c}


@pytest.mark.parametrize("op", ["BlockLSTM", "BlockLSTMV2"])
def test_stripped_attributes_are_the_operations_own(op):
    """Exporters strip attributes that have their default: tensorflow/core/ops/rnn_ops.cc has forget_bias = 1 and
    cell_clip = 3 for BlockLSTM, cell_clip = 0 for BlockLSTMV2, which has no forget_bias."""
    graph, feeds, expected = stripped(op)
    check_call(convert(graph)[0], feeds, expected)


@pytest.mark.parametrize("op", ["BlockLSTM", "BlockLSTMV2"])
def test_stripped_attributes_are_tensorflows_own(tf, op):
    from tests.support.reference import run_graph

    graph, feeds, expected = stripped(op)
    for (name, value), found in zip(expected.items(), run_graph(graph, feeds, list(expected)), strict=True):
        assert_close(value, found, 1e-6, name)


def numpy_cell(feeds: dict, clip: float, *, forget_bias: float = 0.5, peephole: bool = True, gates: str = "ijfo"):
    """(hidden states, last cell state) of graph_of with the same options; gates: their order."""
    rng = np.random.default_rng(2)
    w, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((INPUTS + H, 4 * H), (4 * H,)))
    p_i, p_f, p_o = (rng.standard_normal(H).astype(np.float32) * peephole for _ in range(3))
    c, h, states = feeds["c:0"], feeds["h:0"], []
    for x in feeds["x:0"]:
        parts = dict(zip(gates, np.split(np.concatenate([x, h], 1) @ w + b, 4, 1), strict=True))
        i, j, f, o = (parts[gate] for gate in "ijfo")
        c = _sigmoid(i + c * p_i) * np.tanh(j) + _sigmoid(f + forget_bias + c * p_f) * c
        c = np.clip(c, -clip, clip) if clip else c
        h = _sigmoid(o + c * p_o) * np.tanh(c)
        states.append(h)
    return np.stack(states), c


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_peepholes_that_are_not_constant_are_refused():
    from deepspeech_recipe.graphdef.view import GraphView
    from deepspeech_recipe.patterns.block_lstm import recognise_block_lstm

    graph = GraphBuilder()
    for name in ("x", "c", "h", "p"):
        graph.placeholder(name, FLOAT, (H,))
    graph.const("steps", T, np.int64)
    graph.const("w", np.zeros((INPUTS + H, 4 * H)), np.float32)
    graph.const("b", np.zeros(4 * H), np.float32)
    graph.node("lstm", "BlockLSTM", ["steps", "x", "c", "h", "w", "p", "p", "p", "b"], **F32, use_peephole=True)
    view = GraphView(graph.graph.node)
    with pytest.raises(Refusal, match="peephole weights are not constants"):
        recognise_block_lstm(view, view.nodes["lstm"], plain=False)
