"""LSTM layers over a sequence that is reversed before and after them, as `bidirectional_dynamic_rnn` writes it:

ReverseSequence(x, lengths) or ReverseV2(x) [→ Transpose] → layers → [Transpose →] the same reversal
"""

from __future__ import annotations

from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.lengths import root
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.state import is_zero


def find_reversals(view: GraphView, lstm: Lstm) -> tuple[str, ...]:
    """The reversals around a single layer that can run backwards in their place, the one in front first; none if it
    cannot."""
    if len(lstm.layers) != 1:
        return ()
    if lstm.lengths is not None and not (is_zero(view, lstm.layer.initial_c) and is_zero(view, lstm.layer.initial_h)):
        # Backwards the steps past the length come first, and only a state of zeros passes them unchanged.
        return ()
    node, axis, batch = view.source_node(lstm.x), 0, 1
    own = {lstm.node}
    if node is not None and _exchanges(view, node):
        own.add(node.name)
        node, axis, batch = view.source_node(node.inputs[0]), 1, 0
    if node is None or not _reverses(view, node, lstm, axis, batch):
        return ()
    if _is_output(view, Tensor(node.name)) or any(
        reader.name not in own and not _is_own(reader) for reader, _ in view.readers(Tensor(node.name))
    ):
        return ()
    after = [end for sequence in lstm.layer.sequence for end in _ends(view, sequence)]
    if any(end is None or not _reverses(view, end, lstm, place, 1 - place) for end, place in after):
        return ()
    return (node.name, *dict.fromkeys(end.name for end, _ in after if end is not None))


def _is_own(reader: Node) -> bool:
    """Whether the node puts the sequence into the loop, or reads its shape, which reversing does not change."""
    return reader.op in ("TensorArrayScatterV3", "TensorListFromTensor", "Shape")


def _exchanges(view: GraphView, node: Node) -> bool:
    """Whether the node is a Transpose of the first two of three axes."""
    return node.op == "Transpose" and view.integers(node.inputs[1]) == [1, 0, 2]


def _is_output(view: GraphView, tensor: Tensor) -> bool:
    """Whether the graph may return the tensor itself, or a copy of it."""
    return any(not view.consumers(alias) for alias in view.aliases(tensor))


def _ends(view: GraphView, sequence: Tensor) -> list[tuple[Node | None, int]]:
    """What reads a sequence `[T, B, H]`, behind a Transpose too, each with the axis of time there; None: the caller."""
    ends: list[tuple[Node | None, int]] = [(None, 0)] if _is_output(view, sequence) else []
    for reader, _ in view.readers(sequence):
        if _exchanges(view, reader):
            ends += [(None, 1)] if _is_output(view, Tensor(reader.name)) else []
            ends += [(end, 1) for end, _ in view.readers(Tensor(reader.name))]
        else:
            ends.append((reader, 0))
    return ends


def _reverses(view: GraphView, node: Node, lstm: Lstm, axis: int, batch: int) -> bool:
    """Whether the node reverses time, each row up to the length that the layers stop at."""
    if node.op == "ReverseV2":
        return lstm.lengths is None and view.integers(node.inputs[1]) in ([axis], [axis - 3])
    if node.op != "ReverseSequence" or lstm.lengths is None or root(view, node.inputs[1]) != lstm.lengths:
        return False
    return node.attribute("seq_dim") == axis and node.attribute("batch_dim", 0) == batch
