"""TensorFlow's block-fused LSTM and what surrounds it: one cell over a whole sequence, in any graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.last_state import LastState, find_last_states, is_range, root

# Inputs of BlockLSTM and BlockLSTMV2 (tensorflow/core/ops/rnn_ops.cc).
SEQ_LEN_MAX, X, CS_PREV, H_PREV, W, WCI, WCF, WCO, B = range(9)
# Their outputs: i, cs, f, o, ci, co, h.
CELL_STATES, HIDDEN_STATES = 1, 6
_OUTPUTS = ("input gate", "cell state", "forget gate", "output gate", "cell input", "cell output", "hidden state")


@dataclass(frozen=True)
class FusedLstm:
    """One BlockLSTM that an LSTMSequence can replace.

    node: its name; x `[T, B, I]`; initial_c, initial_h `[B, H]`; kernel `[I+H, 4H]` and bias `[4H]`, constants
    with the gates in the order `gates`; forget_bias is still to be added to the bias.
    lengths: the tensor of lengths `[B]` behind everything masked or gathered, None where every step counts.
    steps: a constant number of steps in place of lengths, None where it follows the sequence.
    sequence: the tensors that carry the hidden states `[T, B, H]`, the masked ones included.
    last_c, last_h: the tensors `[B, H]` taken out after the last step.
    peepholes: their weights `[H]`, constants, for the gates i, f, o; clip: the bound of the cell state, 0 for none.
    Either makes it a loop instead of an LSTMSequence.
    """

    node: str
    x: Tensor
    initial_c: Tensor
    initial_h: Tensor
    kernel: Tensor
    bias: Tensor
    gates: str
    forget_bias: float
    lengths: Tensor | None
    steps: int | None
    sequence: tuple[Tensor, ...]
    last_c: tuple[LastState, ...]
    last_h: tuple[LastState, ...]
    input_size: int
    hidden_size: int
    peepholes: tuple[Tensor, Tensor, Tensor] | None = None
    clip: float = 0.0

    @property
    def last_state_form(self) -> str:
        """How the last state is taken: 'GatherNd', 'Gather', 'GatherV2', 'StridedSlice' or 'none'."""
        return next((last.form for last in self.last_c + self.last_h), "none")


def recognise_lstm(view: GraphView, node: Node, *, plain: bool = True) -> FusedLstm:
    """Describes the BlockLSTM or BlockLSTMV2 `node`. Raises Refusal where an exact conversion is not possible.

    plain: refuse peepholes and a clipped cell state too, which an LSTMSequence has not.
    """
    if len(node.inputs) != 9:
        raise Refusal(f"{node.op} has {len(node.inputs)} inputs instead of 9", node=node.name)
    # What BlockLSTM does without the attribute: exporters strip attributes that have their default.
    clip = max(0.0, float(node.attribute("cell_clip", 3.0 if node.op == "BlockLSTM" else 0.0)))
    peepholes = _peepholes(view, node) if node.attribute("use_peephole", False) else None
    if plain:
        _check_plain(node, peepholes is not None, clip)
    kernel = _check_weights(view, node)
    lengths, steps = _lengths(view, node)
    _check_outputs(view, node)
    last_c, others = find_last_states(view, Tensor(node.name, CELL_STATES), node.inputs[CS_PREV], lengths)
    others += [view.producer(alias) for alias in view.aliases(Tensor(node.name, CELL_STATES))[1:]]
    if others:
        raise Refusal(
            f"The cell states of all steps are also read by '{others[0].name}' ({others[0].op})",
            node=node.name,
            remedy="An LSTMSequence returns the last cell state only; remove this reader from the graph",
        )
    sequence, last_h = _hidden_states(view, node, lengths)
    hidden_size = kernel.shape[1] // 4
    return FusedLstm(
        node=node.name,
        x=node.inputs[X],
        initial_c=node.inputs[CS_PREV],
        initial_h=node.inputs[H_PREV],
        kernel=view.source(node.inputs[W]),
        bias=view.source(node.inputs[B]),
        gates="ifco" if node.op == "BlockLSTMV2" else "icfo",
        forget_bias=0.0 if node.op == "BlockLSTMV2" else float(node.attribute("forget_bias", 1.0)),
        lengths=lengths,
        steps=steps,
        sequence=sequence,
        last_c=last_c,
        last_h=last_h,
        input_size=kernel.shape[0] - hidden_size,
        hidden_size=hidden_size,
        peepholes=peepholes,
        clip=clip,
    )


def peephole_weights(view: GraphView, lstm: FusedLstm) -> np.ndarray | None:
    """`[3, H]`, for the gates i, f, o; None without peepholes."""
    if lstm.peepholes is None:
        return None
    return np.stack([view.value(tensor).astype(np.float32) for tensor in lstm.peepholes])


def lstm_weights(view: GraphView, lstm: FusedLstm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weights as an OpenVINO LSTMSequence wants them, gates in the order f, i, c, o.

    Returns W `[1, 4H, I]`, R `[1, 4H, H]` and B `[1, 4H]`, float32, the forget bias added.
    """
    kernel = view.value(lstm.kernel).astype(np.float32, copy=False)
    kernels = kernel[: lstm.input_size], kernel[lstm.input_size :]
    return sequence_weights(kernels, view.value(lstm.bias), lstm.gates, lstm.forget_bias)


def sequence_weights(kernels, bias, gates: str, forget_bias: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weights as `lstm_weights` returns them. kernels: float32 `[I, 4H]` and `[H, 4H]`; bias: `[4H]`; both with
    their gates in the given order."""
    size, order = len(bias) // 4, [gates.index(gate) for gate in "fico"]
    bias = bias.astype(np.float32, copy=False).reshape(4, size)[order]
    bias[0] += np.float32(forget_bias)

    def by_gate(rows: np.ndarray) -> np.ndarray:
        # Gate by gate, as the kernel of a real model is too large to be turned over in several steps.
        turned = np.empty((1, 4 * size, len(rows)), np.float32)
        for place, gate in enumerate(order):
            turned[0, place * size : (place + 1) * size] = rows[:, gate * size : (gate + 1) * size].T
        return turned

    return by_gate(kernels[0]), by_gate(kernels[1]), bias.reshape(1, -1)


def _peepholes(view: GraphView, node: Node) -> tuple[Tensor, Tensor, Tensor]:
    tensors = tuple(node.inputs[port] for port in (WCI, WCF, WCO))
    for tensor in tensors:
        value, bias = view.value(tensor), view.value(node.inputs[B])
        if value is None or bias is None or (4 * value.size,) != bias.shape or value.ndim != 1:
            raise Refusal(
                "The LSTM's peephole weights are no constants, or do not fit its bias",
                node=tensor.node,
                remedy="Freeze the graph, so that trained variables become constants",
            )
    return tensors


def _check_plain(node: Node, peepholes: bool, clip: float) -> None:
    if peepholes:
        raise Refusal(
            "The LSTM has peephole connections, which an LSTMSequence does not",
            node=node.name,
            remedy="Export a model trained with use_peephole=False",
        )
    if clip > 0:
        raise Refusal(
            f"The LSTM clips its cell state to ±{clip:g}, which an LSTMSequence does not",
            node=node.name,
            remedy="Export a model trained with cell_clip=-1",
        )


def _check_weights(view: GraphView, node: Node) -> np.ndarray:
    """The weight matrix, where it and the bias are constants that fit together."""
    kernel, bias = view.value(node.inputs[W]), view.value(node.inputs[B])
    for what, value, port in (("weight matrix", kernel, W), ("bias", bias, B)):
        if value is None:
            raise Refusal(
                f"The LSTM's {what} is no constant",
                node=node.inputs[port].node,
                remedy="Freeze the graph, so that trained variables become constants",
            )
    if kernel.ndim != 2 or bias.ndim != 1 or kernel.shape[1] != bias.size or bias.size % 4:
        raise Refusal(
            f"The LSTM's weight matrix {list(kernel.shape)} and bias {list(bias.shape)} do not fit together",
            node=node.name,
        )
    if not 0 < bias.size // 4 < kernel.shape[0]:
        raise Refusal(f"The LSTM's weight matrix {list(kernel.shape)} leaves no room for an input", node=node.name)
    return kernel


def _lengths(view: GraphView, node: Node) -> tuple[Tensor | None, int | None]:
    """(lengths, steps) of FusedLstm, from the input seq_len_max."""
    source = root(view, node.inputs[SEQ_LEN_MAX])
    producer = view.producer(source)
    steps = view.integer(source)
    if steps is not None:
        return None, steps
    if producer is not None and producer.op == "Max":
        return root(view, producer.inputs[0]), None
    if producer is not None and is_time_length(view, producer, node.inputs[X]):
        return None, None
    raise Refusal(
        "The number of steps is neither the largest length, nor a constant, nor the length of the sequence",
        node=node.inputs[SEQ_LEN_MAX].node,
        remedy="Export the graph with lengths of one time step each, or without lengths",
    )


def is_time_length(view: GraphView, node: Node, x: Tensor) -> bool:
    """Whether the node is Shape(x)[0]."""
    if node.op != "StridedSlice" or node.attribute("shrink_axis_mask", 0) != 1:
        return False
    shape = view.source_node(node.inputs[0])
    return (
        shape is not None
        and shape.op == "Shape"
        and view.source(shape.inputs[0]) == view.source(x)
        and view.integers(node.inputs[1]) == [0]
    )


def _check_outputs(view: GraphView, node: Node) -> None:
    for port, name in enumerate(_OUTPUTS):
        readers = view.consumers(Tensor(node.name, port))
        if readers and port not in (CELL_STATES, HIDDEN_STATES):
            raise Refusal(
                f"The LSTM's {name} of all steps is read by '{readers[0].name}' ({readers[0].op})",
                node=node.name,
                remedy="An LSTMSequence returns hidden states and the last states only; remove this reader",
            )


def _hidden_states(view: GraphView, node: Node, lengths: Tensor | None):
    """The tensors of the hidden sequence, plain and masked, and the last hidden states."""
    plain = Tensor(node.name, HIDDEN_STATES)
    last, readers = find_last_states(view, plain, node.inputs[H_PREV], lengths)
    sequence = [plain]
    for reader in readers:
        if lengths is not None and _is_masked(view, reader, lengths):
            masked = Tensor(reader.name)
            sequence.append(masked)
            last += find_last_states(view, masked, node.inputs[H_PREV], lengths)[0]
    return tuple(sequence), last


def _is_masked(view: GraphView, node: Node, lengths: Tensor) -> bool:
    """h × Tile(ExpandDims(Transpose(Cast(range(T) < ExpandDims(lengths)))))"""
    return node.op == "Mul" and any(_is_mask(view, factor, lengths) for factor in node.inputs)


def _is_mask(view: GraphView, factor: Tensor, lengths: Tensor) -> bool:
    node = view.source_node(factor)
    while node is not None and node.op in ("Tile", "ExpandDims", "Transpose", "Cast"):
        node = view.source_node(node.inputs[0])
    if node is None or node.op != "Less" or not is_range(view, node.inputs[0]):
        return False
    bound = view.producer(root(view, node.inputs[1]))
    return bound is not None and bound.op == "ExpandDims" and root(view, bound.inputs[0]) == lengths
