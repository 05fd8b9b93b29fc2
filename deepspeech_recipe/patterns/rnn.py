"""LSTM layers over a sequence, whatever they were written as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.lstm import is_time_length
from deepspeech_recipe.patterns.lstm_cell import Cell


@dataclass(frozen=True)
class Layer:
    """One cell over the whole sequence. initial_c, initial_h `[B, H]`; last_c, last_h: the tensors `[B, H]` after the
    last step, as far as the graph reads them; sequence: those of all steps `[T, B, H]`."""

    cell: Cell
    initial_c: Tensor
    initial_h: Tensor
    last_c: tuple[Tensor, ...]
    last_h: tuple[Tensor, ...]
    sequence: tuple[Tensor, ...]


@dataclass(frozen=True)
class Rnn:
    """Layers one after the other: the first reads x `[T, B, I]`, each other one the sequence of the one before.

    lengths: the tensor `[B]` of lengths, past which a row keeps its state and gives zeros; None where every step
    counts. steps: a constant number of steps, None where it follows the sequence. dead: nodes that nobody reads.
    """

    node: str
    x: Tensor
    layers: tuple[Layer, ...]
    lengths: Tensor | None
    steps: int | None
    dead: tuple[str, ...] = ()


def is_length_of(view: GraphView, node: Node, x: Tensor) -> bool:
    """Whether the node is the length of the sequence, or of what the sequence is the reverse of."""
    source = view.source_node(x)
    if source is not None and source.op in ("ReverseV2", "ReverseSequence"):
        return is_time_length(view, node, x) or is_time_length(view, node, source.inputs[0])
    return is_time_length(view, node, x)


def is_zero(view: GraphView, tensor: Tensor) -> bool:
    """Whether the tensor is nothing but zeros: a constant, a Fill of 0, or ZerosLike."""
    node = view.source_node(tensor)
    if node is None:
        return False
    if node.op == "Fill":
        return view.scalar(node.inputs[1]) == 0
    value = view.value(tensor)
    return node.op == "ZerosLike" or (value is not None and not np.any(value))
