"""The cell of TensorFlow's fused operations, whose weights are inputs of their own: of BlockLSTM, which runs over a
sequence, and of LSTMBlockCell, which is one step of it (tensorflow/core/ops/rnn_ops.cc)."""

from __future__ import annotations

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.lstm import NOT_FROZEN, Cell, quarters

_WITHOUT = "Export the graph without peepholes, or with constants of the cell's size for them"


def read_block_cell(
    view: GraphView, node: Node, kernel: Tensor, bias: Tensor, peepholes: tuple[Tensor, ...], order: str = "icfo"
) -> Cell:
    """What the node computes in one step. kernel, bias, peepholes: its inputs `[I + H, 4H]`, `[4H]` and, for the gates
    i, f, o, `[H]`. order: of the gates in the kernel; 'ifco' is BlockLSTMV2's.

    Raises Refusal if they are not constants, or do not fit together.
    """
    rows, size = _sizes(view, node, kernel, bias)
    if not node.attribute("use_peephole", False):
        peepholes = ()
    for tensor in peepholes:
        if view.constant_shape(tensor) != (size,):
            raise Refusal(
                "The LSTM's peephole weights are not constants, or do not fit its bias",
                node=tensor.node,
                remedy=NOT_FROZEN if view.constant_shape(tensor) is None else _WITHOUT,
            )
    kernel, bias, is_v2 = view.source(kernel), view.source(bias), order == "ifco"
    return Cell(
        kernel=quarters(kernel, order, size),
        recurrent=quarters(kernel, order, size, row=rows - size),
        biases=tuple((part,) for part in quarters(bias, order, size)),
        # What the operations do without an attribute: exporters strip attributes that have their default.
        forget_bias=0.0 if is_v2 else float(node.attribute("forget_bias", 1.0)),
        input_size=rows - size,
        hidden_size=size,
        peepholes=tuple(map(view.source, peepholes)),
        clip=max(0.0, float(node.attribute("cell_clip", 0.0 if is_v2 else 3.0))),
    )


def _sizes(view: GraphView, node: Node, kernel: Tensor, bias: Tensor) -> tuple[int, int]:
    """(rows of the weight matrix, H)"""
    shapes = []
    for tensor, what in ((kernel, "weight matrix"), (bias, "bias")):
        shape = view.constant_shape(tensor)
        if shape is None:
            raise Refusal(f"The LSTM's {what} is not a constant", node=tensor.node, remedy=NOT_FROZEN)
        shapes.append(shape)
    matrix, vector = shapes
    if len(matrix) != 2 or len(vector) != 1 or matrix[1] != vector[0] or vector[0] % 4:
        raise Refusal(
            f"The LSTM's weight matrix {list(matrix)} and bias {list(vector)} do not fit together", node=node.name
        )
    if not 0 < vector[0] // 4 < matrix[0]:
        raise Refusal(f"The LSTM's weight matrix {list(matrix)} leaves no room for an input", node=node.name)
    return matrix[0], vector[0] // 4
