"""How a sequence is cut into the steps that `static_rnn` takes, and how it is put together again.

    Unpack(x)                                    steps [B, I] of [T, B, I] or [B, T, I]
    Squeeze or Reshape of Split or SplitV(x)     the same
    StridedSlice(x)[t] or [:, t]                 the same, if T is known
    Split or SplitV(x)                           steps [B, I] of [T·B, I] or [B, T·I]

Steps that were cut in another way are packed, as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Node, Tensor


@dataclass(frozen=True)
class Sequence:
    """x: what the steps are cut out of. reshape: to these sizes first, () if it need not be; packed: the steps
    themselves, if there is no such x. is_batch_major: `[B, T, I]` then, not `[T, B, I]`. backwards: the steps read it
    from its end."""

    x: Tensor
    reshape: tuple[int, ...] = ()
    packed: tuple[Tensor, ...] = ()
    is_batch_major: bool = False
    backwards: bool = False


def sequence_of_steps(view: GraphView, steps: list[Tensor], size: int) -> Sequence:
    """What tensors `[B, size]` are the steps of, in their order or in reverse."""
    cuts = [_cut(view, step) for step in steps]
    first = cuts[0]
    if first is not None and first.count == len(steps):
        times = [cut.time for cut in cuts if cut is not None and cut.of == first.of and cut.form == first.form]
        for order in (times, times[::-1]):
            if order == list(range(len(steps))):
                reshape, is_batch_major = _shape(first, len(steps), size)
                return Sequence(first.of, reshape, (), is_batch_major, order != times)
    return Sequence(steps[0], packed=tuple(steps))


@dataclass(frozen=True)
class _Cut:
    """A step: the time-th of `count` parts of a tensor, along an axis that is gone (form 'step'), or that it shares
    with the batch or with the features ('part')."""

    of: Tensor
    form: tuple[str, int]
    time: int
    count: int


def _shape(cut: _Cut, steps: int, size: int) -> tuple[tuple[int, ...], bool]:
    """(the sizes to which the tensor is reshaped, whether it is batch-major then)."""
    kind, axis = cut.form
    if kind == "step":
        return (), axis == 1
    return ((steps, -1, size), False) if axis == 0 else ((-1, steps, size), True)


def _cut(view: GraphView, step: Tensor) -> _Cut | None:
    source = view.source(step)
    node = view.producer(source)
    if node is None:
        return None
    if node.op == "Unpack":
        axis = node.attribute("axis", 0)
        return _Cut(node.inputs[0], ("step", axis), source.port, node.attribute("num")) if axis in (0, 1) else None
    if node.op == "StridedSlice":
        return _slice(view, node)
    if node.op not in ("Squeeze", "Reshape"):
        return _split(view, source, "part")
    cut = _split(view, view.source(node.inputs[0]), "step")
    return cut if cut is not None and _drops(view, node, cut.form[1]) else None


def _drops(view: GraphView, node: Node, axis: int) -> bool:
    """Whether a Squeeze or a Reshape to two axes makes `[B, I]` of `[1, B, I]` or `[B, 1, I]`."""
    if node.op == "Squeeze":
        return (node.attribute("squeeze_dims") or []) in ([], [axis], [axis - 3])
    return view.constant_shape(node.inputs[1]) == (2,)


def _slice(view: GraphView, node: Node) -> _Cut | None:
    """x[t] or x[:, t]"""
    begin, strides = view.integers(node.inputs[1]), view.integers(node.inputs[3])
    begin_mask, end_mask, shrink = (node.attribute(f"{mask}_mask", 0) for mask in ("begin", "end", "shrink_axis"))
    if begin is None or strides is None or shrink not in (1, 2) or shrink >> len(begin):
        return None
    axis = shrink.bit_length() - 1
    whole = (1 << len(begin)) - 1 - shrink
    plain = not any(node.attribute(f"{mask}_mask", 0) for mask in ("ellipsis", "new_axis"))
    if not plain or begin_mask & end_mask & whole != whole or set(strides) != {1}:
        return None
    count = _length(view, node.inputs[0], axis)
    return None if count is None else _Cut(node.inputs[0], ("step", axis), begin[axis], count)


def _length(view: GraphView, tensor: Tensor, axis: int) -> int | None:
    """The size of a tensor along an axis, as far as the Reshape or Transpose that made it, or the placeholder, says."""
    node = view.source_node(tensor)
    while node is not None and node.op == "Transpose":
        order = view.integers(node.inputs[1]) or []
        if not 0 <= axis < len(order):
            return None
        axis, node = order[axis], view.source_node(node.inputs[0])
    if node is None or node.op not in ("Reshape", *PLACEHOLDER_OPS):
        return None
    sizes = view.integers(node.inputs[1]) if node.op == "Reshape" else node.attribute("shape")
    return sizes[axis] if sizes is not None and 0 <= axis < len(sizes) and sizes[axis] > 0 else None


def _split(view: GraphView, part: Tensor, kind: str) -> _Cut | None:
    """A part of a Split or SplitV into equal ones along one of the first two axes."""
    node = view.producer(part)
    if node is None or node.op not in ("Split", "SplitV"):
        return None
    if node.op == "Split":
        axis, x = node.inputs
    else:
        x, sizes, axis = node.inputs
        known = view.value(sizes)
        # One size may be left out (-1): it is taken for another one then.
        if known is None or len(np.unique(known)) != 1 or known.flat[0] < 1:
            return None
    number = view.integer(axis)
    if number == -1 and kind == "part":
        number = 1
    elif number is not None and number < 0:
        number += 3
    return _Cut(x, (kind, number), part.port, node.attribute("num_split")) if number in (0, 1) else None
