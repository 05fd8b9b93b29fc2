"""Whole numbers of a graph: lengths, ranges, numbers of steps."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor


def root(view: GraphView, tensor: Tensor) -> Tensor:
    """Where integers come from: the tensor behind copies and casts."""
    return view.follow(tensor, _cast)


def _cast(node: Node) -> Tensor | None:
    return node.inputs[0] if node.op == "Cast" else None


def _range_node(view: GraphView, tensor: Tensor) -> Node | None:
    node = view.producer(root(view, tensor))
    return node if node is not None and node.op == "Range" else None


def is_range(view: GraphView, tensor: Tensor) -> bool:
    """Whether the tensor counts 0, 1, 2, …"""
    value = view.value(root(view, tensor))
    if value is not None:
        return np.array_equal(value, np.arange(value.size))
    node = _range_node(view, tensor)
    return node is not None and view.scalar(node.inputs[0]) == 0 and view.scalar(node.inputs[2]) == 1


def range_limit(view: GraphView, tensor: Tensor) -> Tensor | int:
    """B of range(B): a tensor, or a number if the range is a constant."""
    value, node = view.value(root(view, tensor)), _range_node(view, tensor)
    return node.inputs[1] if value is None and node is not None else view.constant(root(view, tensor)).size


def same_number(view: GraphView, tensor: Tensor, other: Tensor | int) -> bool:
    """Whether both are the same number, known or computed."""
    number = view.scalar(root(view, tensor))
    other_number = other if isinstance(other, int) else view.scalar(root(view, other))
    if number is not None or other_number is not None:
        return number == other_number
    return not isinstance(other, int) and root(view, tensor) == root(view, other)


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


def is_length_of(view: GraphView, node: Node, x: Tensor) -> bool:
    """Whether the node is the length of the sequence, or of what the sequence is the reverse of."""
    source = view.source_node(x)
    if source is not None and source.op in ("ReverseV2", "ReverseSequence"):
        return is_time_length(view, node, x) or is_time_length(view, node, source.inputs[0])
    return is_time_length(view, node, x)
