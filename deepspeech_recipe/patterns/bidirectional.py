"""LSTM layers over a sequence that is reversed before and after them, as `bidirectional_dynamic_rnn` writes it:

ReverseSequence(x, lengths) or ReverseV2(x) [→ Transpose] → layers → [Transpose →] the same reversal
"""

from __future__ import annotations

from dataclasses import dataclass

from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.last_state import root
from deepspeech_recipe.patterns.rnn import Rnn, is_zero


@dataclass(frozen=True)
class Reversal:
    """The reversal in front of the layers and those behind it, which go where the layers run backwards."""

    before: str
    after: tuple[str, ...]


def recognise_reversal(view: GraphView, rnn: Rnn) -> Reversal | None:
    """The reversals around a single layer that can run backwards in their place; None where it cannot."""
    if len(rnn.layers) != 1:
        return None
    layer = rnn.layers[0]
    if rnn.lengths is not None and not (is_zero(view, layer.initial_c) and is_zero(view, layer.initial_h)):
        # Backwards the steps past the length come first, and only a state of zeros passes them unchanged.
        return None
    node, axis, batch = view.source_node(rnn.x), 0, 1
    exchanged = []
    if node is not None and _exchanges(view, node):
        exchanged, axis, batch = [node], 1, 0
        node = view.source_node(node.inputs[0])
    if node is None or not _reverses(view, node, rnn, axis, batch):
        return None
    own = {rnn.node, *(each.name for each in exchanged)}
    if _is_output(view, Tensor(node.name)) or any(
        reader.name not in own and not _is_own(reader) for reader, _ in view.readers(Tensor(node.name))
    ):
        return None
    after = [end for sequence in layer.sequence for end in _ends(view, sequence)]
    if any(end is None or not _reverses(view, end, rnn, place, 1 - place) for end, place in after):
        return None
    return Reversal(node.name, tuple(dict.fromkeys(end.name for end, _ in after)))


def _is_own(reader: Node) -> bool:
    """Whether the node puts the sequence into the loop, or reads its shape, which reversing does not change."""
    return reader.op in ("TensorArrayScatterV3", "TensorListFromTensor", "Shape")


def _exchanges(view: GraphView, node: Node) -> bool:
    """Whether the node is a Transpose of the first two of three axes."""
    return node.op == "Transpose" and permutation(view, node.inputs[1]) == [1, 0, 2]


def permutation(view: GraphView, tensor: Tensor) -> list[int] | None:
    """The axes of a Transpose: a constant, or [1, 0] and the range of the others, as `dynamic_rnn` writes it."""
    value = view.integers(tensor)
    if value is not None:
        return value
    node = view.source_node(tensor)
    if node is None or node.op != "ConcatV2" or len(node.inputs) != 3:
        return None
    first, second = view.integers(node.inputs[0]), view.source_node(node.inputs[1])
    if first is None or second is None or second.op != "Range":
        return None
    numbers = [view.integer(part) for part in second.inputs]
    # Three axes are what is looked for: a longer range is not counted out.
    return None if None in numbers or not numbers[2] else [*first, *range(*numbers)[:4]]


def _is_output(view: GraphView, tensor: Tensor) -> bool:
    """Whether the graph may return the tensor itself, or a copy of it."""
    return any(not view.consumers(alias) for alias in view.aliases(tensor))


def _ends(view: GraphView, sequence: Tensor) -> list[tuple[Node | None, int]]:
    """What reads a sequence `[T, B, H]`, behind a Transpose too, each with the axis of time there; None: the caller."""
    found = [(None, 0)] if _is_output(view, sequence) else []
    for reader, _ in view.readers(sequence):
        if _exchanges(view, reader):
            found += [(None, 1)] if _is_output(view, Tensor(reader.name)) else []
            found += [(end, 1) for end, _ in view.readers(Tensor(reader.name))]
        else:
            found.append((reader, 0))
    return found


def _reverses(view: GraphView, node: Node, rnn: Rnn, axis: int, batch: int) -> bool:
    """Whether the node reverses time, each row up to the length that the layers stop at."""
    if node.op == "ReverseV2":
        return rnn.lengths is None and view.integers(node.inputs[1]) in ([axis], [axis - 3])
    if node.op != "ReverseSequence" or rnn.lengths is None or root(view, node.inputs[1]) != rnn.lengths:
        return False
    return node.attribute("seq_dim") == axis and node.attribute("batch_dim", 0) == batch
