"""LSTMBlockFusedCell with sequence lengths, node for node as TensorFlow 1.15 writes it
(tensorflow 1.15, contrib/rnn/python/ops/lstm_ops.py)."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.graphdef.build import BOOL, FLOAT, INT32, INT64, DType, GraphBuilder
from deepspeech_recipe.sources.canonical.nodes import F32, I32, cast, expand, range_, transpose, variable

CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"


def fused_cell(graph: GraphBuilder, x: str, kernel, bias, forget_bias: float, *, steps: int, batch: int) -> str:
    """Writes the cell over `x` `[T, B, inputs]` and returns the masked hidden states `[T, B, H]`.

    Reads `input_lengths`, `previous_state_c`, `previous_state_h`; `{CELL}/GatherNd` and `{CELL}/GatherNd_1`
    are the cell and hidden state at each row's length. steps: T, or -1 if it is open.
    """
    hidden = len(bias) // 4
    kernel = variable(graph, f"{CELL}/kernel", kernel)
    bias = variable(graph, f"{CELL}/bias", bias)
    time_len = _time_len(graph, x) if steps < 0 else None
    zeros = graph.const(f"{CELL}/zeros", np.zeros(hidden, np.float32))
    axis = graph.const(f"{CELL}/Const", [0], np.int32)
    longest = graph.node(f"{CELL}/Max", "Max", ["input_lengths", axis], **I32, Tidx=DType(INT32), keep_dims=False)
    cell = graph.node(
        f"{CELL}/BlockLSTM",
        "BlockLSTM",
        [
            cast(graph, f"{CELL}/Cast", longest, INT32, INT64),
            *(x, "previous_state_c", "previous_state_h"),
            *(kernel, zeros, zeros, zeros, bias),
        ],
        **F32,
        forget_bias=float(forget_bias),
        cell_clip=-1.0,
        use_peephole=False,
    )
    mask = _mask(graph, time_len, steps)
    mask = transpose(graph, f"{CELL}/transpose", mask, [1, 0])
    mask = expand(graph, f"{CELL}/ExpandDims", mask, np.array([-1], np.int32))
    times = graph.const(f"{CELL}/Tile/multiples", [1, 1, hidden], np.int32)
    mask = graph.node(f"{CELL}/Tile", "Tile", [mask, times], **F32, Tmultiples=DType(INT32))
    sequence = graph.node(f"{CELL}/mul", "Mul", [f"{cell}:6", mask], **F32)
    c = _with_initial(graph, "ExpandDims_1", "concat", "previous_state_c", f"{cell}:1")
    h = _with_initial(graph, "ExpandDims_2", "concat_1", "previous_state_h", sequence)
    for suffix, states in [("", c), ("_1", h)]:
        rows = range_(graph, f"{CELL}/range{suffix}", batch)
        where = graph.node(f"{CELL}/stack{suffix}", "Pack", ["input_lengths", rows], **I32, N=2, axis=1)
        graph.node(
            f"{CELL}/GatherNd{suffix}",
            "GatherNd",
            [states, where],
            Tparams=DType(FLOAT),
            Tindices=DType(INT32),
        )
    return sequence


def _time_len(graph: GraphBuilder, x: str) -> str:
    """The number of windows, read from the cell's input, if the graph leaves it open."""
    shape = graph.node(f"{CELL}/Shape", "Shape", [x], **F32, out_type=DType(INT32))
    slices = [("stack", 0), ("stack_1", 1), ("stack_2", 1)]
    edges = [graph.const(f"{CELL}/strided_slice/{name}", [at], np.int32) for name, at in slices]
    masks = dict.fromkeys(["begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask"], 0)
    return graph.node(
        f"{CELL}/strided_slice",
        "StridedSlice",
        [shape, *edges],
        **I32,
        **masks,
        Index=DType(INT32),
        shrink_axis_mask=1,
    )


def _mask(graph: GraphBuilder, time_len: str | None, steps: int) -> str:
    """tf.sequence_mask: 1.0 before each row's length, `[B, T]`."""
    scope = f"{CELL}/SequenceMask"
    names = [f"{scope}/Const", f"{scope}/Const_1", f"{scope}/Const_2"]
    if time_len is None:
        time_len = graph.const(names.pop(0), steps, np.int32)
    start, delta = (graph.const(names[i], i, np.int32) for i in (0, 1))
    positions = graph.node(f"{scope}/Range", "Range", [start, time_len, delta], Tidx=DType(INT32))
    lengths = expand(graph, f"{scope}/ExpandDims", "input_lengths", np.int32(-1), INT32)
    lengths = cast(graph, f"{scope}/Cast", lengths, INT32, INT32)
    before = graph.node(f"{scope}/Less", "Less", [positions, lengths], **I32)
    return cast(graph, f"{scope}/Cast_1", before, BOOL, FLOAT)


def _with_initial(graph: GraphBuilder, first: str, concat: str, initial: str, sequence: str) -> str:
    """[initial state, sequence] along time: what a length indexes, 0 included."""
    initial = expand(graph, f"{CELL}/{first}", initial, np.array([0], np.int32))
    axis = graph.const(f"{CELL}/{concat}/axis", 0, np.int32)
    inputs = [initial, sequence, axis]
    return graph.node(f"{CELL}/{concat}", "ConcatV2", inputs, **F32, N=2, Tidx=DType(INT32))
