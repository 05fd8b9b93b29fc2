"""The least that a chunk costs on a machine: its weights must be read, and multiplied by.

The weights of dense layers are read once for a chunk, those of a recurrence once for each of its frames. A worker does
both by themselves, with as many bytes and multiply-adds: what a contender takes longer, it does something else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from deepspeech_recipe.ir.form import AcousticIR

# Operation → the inputs with weights that are read once for all frames, and for each of them.
_WEIGHTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "MatMul": ((0, 1), ()),
    "LSTMSequence": ((4,), (5,)),
    "LSTMCell": ((3, 4), ()),
}
_LOOPS = ("TensorIterator", "Loop")
# What weights may go through behind their Constant.
_UNPACKING = ("Convert", "Subtract", "Multiply", "Reshape", "Transpose")


@dataclass(frozen=True)
class Least:
    """once, each_frame: bytes of weights that are read. multiply_adds: of a frame. whole: whether most weights are
    whole numbers of 8 bits."""

    once: int
    each_frame: int
    multiply_adds: int
    whole: bool


def least_of(ir) -> Least | None:
    """What a chunk of one stream needs of an IR; None if it takes whole utterances, of samples or as v0.1's windows."""
    opened = AcousticIR(ir)
    if opened.input_kind == "utterance" or len(opened.shape) == 3:
        return None
    once = each_frame = multiply_adds = whole = 0
    for constant, repeated in _weights(opened.model):
        size, count = constant.get_byte_size(), math.prod(constant.shape)
        once, each_frame = once + size * (not repeated), each_frame + size * repeated
        multiply_adds, whole = multiply_adds + count, whole + count * (size == count)
    return Least(once, each_frame, multiply_adds, 2 * whole > multiply_adds)


def _weights(model, repeated: bool = False) -> Iterator[tuple]:
    """Yields (Constant, whether it is read for every frame)."""
    for node in model.get_ops():
        once, each = _WEIGHTS.get(node.get_type_name(), ((), ()))
        for port in (*once, *each):
            constant = _constant(node.input_value(port).get_node())
            if constant is not None:
                yield constant, repeated or port in each
        if node.get_type_name() in _LOOPS:
            yield from _weights(node.get_function(), True)


def _constant(node):
    """The largest Constant of those that alone make a value; None if they do not."""
    if node.get_type_name() == "Constant":
        return node
    if node.get_type_name() not in _UNPACKING:
        return None
    found = [_constant(value.get_node()) for value in node.input_values()]
    if any(each is None for each in found):  # `in` would compare nodes, which makes an operation of them
        return None
    return max(found, key=lambda each: each.get_byte_size())
