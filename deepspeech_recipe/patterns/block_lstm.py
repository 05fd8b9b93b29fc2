"""TensorFlow's block-fused LSTM and what surrounds it: one operation over a whole sequence, in any graph."""

from __future__ import annotations

from contextlib import suppress

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.block_cell import read_block_cell
from deepspeech_recipe.patterns.last_state import find_last_states
from deepspeech_recipe.patterns.lengths import is_range, is_time_length, root
from deepspeech_recipe.patterns.lstm import BLOCK, Cell, Layer, Lstm

LSTM_OPS = ("BlockLSTM", "BlockLSTMV2")
# Inputs of BlockLSTM and BlockLSTMV2 (tensorflow/core/ops/rnn_ops.cc).
SEQ_LEN_MAX, X, CS_PREV, H_PREV, W, WCI, WCF, WCO, B = range(9)
# Their outputs: i, cs, f, o, ci, co, h.
CELL_STATES, HIDDEN_STATES = 1, 6
_OUTPUTS = ("input gate", "cell state", "forget gate", "output gate", "cell input", "cell output", "hidden state")


def recognise_block_lstm(view: GraphView, node: Node, *, plain: bool = True) -> Lstm:
    """Describes the BlockLSTM or BlockLSTMV2 `node`. Raises Refusal if an exact conversion is not possible.

    plain: refuse peepholes and a clipped cell state too, which an LSTMSequence has not.
    """
    if len(node.inputs) != 9:
        raise Refusal(f"{node.op} has {len(node.inputs)} inputs instead of 9", node=node.name)
    order = "icfo" if node.op == "BlockLSTM" else "ifco"
    cell = read_block_cell(view, node, node.inputs[W], node.inputs[B], node.inputs[WCI : WCO + 1], order)
    if plain:
        _check_plain(node, cell)
    lengths, steps = _lengths(view, node)
    _check_outputs(view, node)
    cell_states = Tensor(node.name, CELL_STATES)
    last_c, others = find_last_states(view, cell_states, node.inputs[CS_PREV], lengths)
    others += [view.nodes[alias.node] for alias in view.aliases(cell_states)[1:]]
    if others:
        raise Refusal(
            f"The cell states of all steps are also read by '{others[0].name}' ({others[0].op})",
            node=node.name,
            remedy="An LSTMSequence returns the last cell state only; remove this reader from the graph",
        )
    sequence, last_h = _hidden_states(view, node, lengths)
    layer = Layer(cell, node.inputs[CS_PREV], node.inputs[H_PREV], last_c, last_h, sequence, lengths=lengths)
    return Lstm(BLOCK, node.name, node.inputs[X], (layer,), steps)


def fused_lstms(view: GraphView) -> list[Lstm]:
    """Every fused LSTM that can be described."""
    found = []
    for node in view.of_op(*LSTM_OPS):
        with suppress(Refusal):
            found.append(recognise_block_lstm(view, node, plain=False))
    return found


def _check_plain(node: Node, cell: Cell) -> None:
    if cell.peepholes:
        raise Refusal(
            "The LSTM has peephole connections, which an LSTMSequence does not",
            node=node.name,
            remedy="Export a model trained with use_peephole=False",
        )
    if cell.clip:
        raise Refusal(
            f"The LSTM clips its cell state to ±{cell.clip:g}, which an LSTMSequence does not",
            node=node.name,
            remedy="Export a model trained with cell_clip=-1",
        )


def _lengths(view: GraphView, node: Node) -> tuple[Tensor | None, int | None]:
    """(lengths, steps) of an Lstm, from the input seq_len_max."""
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
        remedy="Export the graph with the largest of its lengths as seq_len_max, or without lengths",
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


def _hidden_states(
    view: GraphView, node: Node, lengths: Tensor | None
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The tensors of the hidden sequence, plain and masked, and the last hidden states."""
    plain = Tensor(node.name, HIDDEN_STATES)
    last, readers = find_last_states(view, plain, node.inputs[H_PREV], lengths)
    sequence = [plain]
    for reader in readers:
        if lengths is not None and _is_masked(view, reader, lengths):
            masked = Tensor(reader.name)
            sequence.append(masked)
            taken = find_last_states(view, masked, node.inputs[H_PREV], lengths)[0]
            # The last step of a row that stopped before is zeros, and not its last state.
            last += tuple(tensor for tensor in taken if view.nodes[tensor.node].op != "StridedSlice")
    return tuple(sequence), last


def reads_past_lengths(view: GraphView, lstm: Lstm) -> Node | None:
    """What reads states of steps past a row's own length, where a BlockLSTM runs on to the longest row's: all but the
    mask and the last states at the lengths. None if nothing does."""
    plain, *masked = lstm.layer.sequence
    lasts = [view.nodes[tensor.node] for tensor in (*lstm.layer.last_c, *lstm.layer.last_h)]
    at_the_end = [node for node in lasts if node.op == "StridedSlice"]
    copies = [view.nodes[alias.node] for alias in view.aliases(plain)[1:]]
    outputs = [node for node in copies if not view.is_read(node)]
    readers = find_last_states(view, plain, lstm.layer.initial_h, lstm.lengths)[1]
    others = [reader for reader in readers if Tensor(reader.name) not in masked]
    return next(iter((*at_the_end, *outputs, *others)), None)


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
