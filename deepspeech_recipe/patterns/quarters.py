"""The quarters that one product is cut into for the gates of a cell, whichever operation cuts."""

from __future__ import annotations

from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor

_CUTS = ("Split", "SplitV", "StridedSlice", "Slice")


def whole_of(view: GraphView, tensor: Tensor) -> Tensor | None:
    """What the tensor is a part of."""
    node = view.producer(tensor)
    if node is None or node.op not in _CUTS:
        return None
    return node.inputs[1 if node.op == "Split" else 0]


def first_column(view: GraphView, node: Node, port: int, size: int) -> int | None:
    """The first column of a part of `[B, 4 · size]`, if it is one of the four quarters."""
    if node.op == "Split":
        return port * size if node.attribute("num_split") == 4 and view.scalar(node.inputs[0]) in (1, -1) else None
    if node.op == "SplitV":
        fits = view.integers(node.inputs[1]) == [size] * 4 and view.scalar(node.inputs[2]) in (1, -1)
        return port * size if fits else None
    first, second = view.integers(node.inputs[1]), view.integers(node.inputs[2])
    if first is None or second is None or len(first) != 2 or len(second) != 2:
        return None
    if node.op == "Slice":
        begin, end = first[1], first[1] + second[1] if second[1] >= 0 else 4 * size
        rows = first[0] == 0 and second[0] == -1
    else:
        begin_mask, end_mask = node.attribute("begin_mask", 0), node.attribute("end_mask", 0)
        others = any(node.attribute(f"{mask}_mask", 0) for mask in ("ellipsis", "new_axis", "shrink_axis"))
        begin, end = 0 if begin_mask & 2 else first[1] % (4 * size), 4 * size if end_mask & 2 else second[1]
        end = end + 4 * size if end < 0 else end
        rows = bool(begin_mask & 1 and end_mask & 1) and not others and view.integers(node.inputs[3]) == [1, 1]
    return begin if rows and end - begin == size and begin in range(0, 4 * size, size) else None
