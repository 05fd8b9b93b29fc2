"""Sizes and shape arithmetic, followed symbolically: which axis of which tensor a number is."""

from __future__ import annotations

import numpy as np

# Their output has the shape of their first input.
_SAME_SHAPE = {"Convert", "Relu", "Clamp", "Sigmoid", "Tanh", "Softmax"}
# Their output holds the numbers of their first input, with other brackets around them.
_SAME_NUMBERS = {"Convert", "Squeeze", "Unsqueeze"}


def sizes(output) -> list | None:
    """The size of each axis: a number, or something that equals itself only. None: the rank is open."""
    shape = output.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    known = _followed(output) or [None] * len(shape)
    place = output.get_node().get_friendly_name(), output.get_index()
    return [
        size.get_length() if size.is_static else (place, axis) if origin is None else origin
        for axis, (size, origin) in enumerate(zip(shape, known))
    ]


def numbers(output) -> list | None:
    """The elements of an integer tensor, one for all if all are the same, as `sizes` gives them; or None."""
    node = output.get_node()
    kind, inputs = node.get_type_name(), node.input_values()
    if kind == "Constant":
        return np.asarray(node.get_data()).reshape(-1).tolist()
    if kind == "ShapeOf":
        return sizes(inputs[0])
    if kind in _SAME_NUMBERS:
        return numbers(inputs[0])
    if kind == "Broadcast":
        value = numbers(inputs[0])
        return value if value is not None and len(value) == 1 else None
    if kind == "Concat":
        parts = [part for part in map(numbers, inputs) if part is not None]
        return [number for part in parts for number in part] if len(parts) == len(inputs) else None
    if kind == "Gather":
        data, places, axis = map(numbers, inputs)
        if data is None or places is None or axis != [0] or len(inputs[0].get_partial_shape()) != 1:
            return None
        return [data[place] for place in places]
    return None


def _followed(output) -> list | None:
    node = output.get_node()
    kind, inputs = node.get_type_name(), node.input_values()
    if kind in _SAME_SHAPE:
        return sizes(inputs[0])
    if kind == "Transpose":
        before, order = sizes(inputs[0]), numbers(inputs[1])
        return [before[axis] for axis in order] if before and order else None
    if kind == "Reshape":
        target = numbers(inputs[1])
        # 0 and -1 stand for sizes that are not followed.
        return target and [None if size in (0, -1) else size for size in target]
    return None
