"""The weight matrices of an IR that are stored in fewer than 32 bits, with the numbers that they stand for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Operation → the inputs that hold weights.
_WEIGHTS = {"MatMul": (0, 1), "LSTMSequence": (4, 5), "LSTMCell": (3, 4)}
_LOOPS = ("TensorIterator", "Loop")


@dataclass(frozen=True, eq=False)
class Stored:
    """values `[outputs, inputs]` f32, filled up with zeros or not; step `[outputs, inputs]` or less: how far two
    neighbours lie apart. is_whole: whether whole numbers are stored."""

    name: str
    values: np.ndarray
    step: np.ndarray
    is_whole: bool


def bodies(model) -> Iterator:
    """The model, and the bodies of its loops."""
    yield model
    for node in model.get_ops():
        if node.get_type_name() in _LOOPS:
            yield from bodies(node.get_function())


def stored_matrices(model) -> Iterator[Stored]:
    """All of them, those in the bodies of loops too."""
    for body in bodies(model):
        for node in body.get_ops():
            for port in _WEIGHTS.get(node.get_type_name(), ()):
                stored = stored_matrix(node, port)
                if stored is not None:
                    yield stored


def stored_matrix(node, port: int) -> Stored | None:
    """The matrix that an input of a node reads; None for one of 32 bits, and for what is not a constant matrix."""
    found = _unpacked(node.input_value(port).get_node())
    if found is None:
        return None
    values, step, is_whole = found
    if step is None:
        return None
    if values.ndim == 3 and len(values) == 1:
        values, step = values[0], step[0] if step.ndim == 3 else step
    if values.ndim != 2:
        return None
    if node.get_type_name() == "MatMul":
        turned = node.get_attributes()["transpose_b" if port else "transpose_a"]
        if turned is not bool(port):
            values, step = values.T, step.T
    return Stored(node.get_friendly_name(), values, step, is_whole)


def floats_of(node) -> np.ndarray | None:
    """The numbers of constants of 16 or 32 bits, converted or not; None for other nodes."""
    found = _unpacked(node)
    return None if found is None or found[2] else found[0]


def _unpacked(node) -> tuple[np.ndarray, np.ndarray | None, bool] | None:
    """(values, step, whole numbers) of constants behind Convert, Subtract and Multiply."""
    kind = node.get_type_name()
    if kind == "Constant":
        values = np.asarray(node.get_data())
        if values.dtype.kind in "iu":
            return values.astype(np.float32), np.ones((1,) * values.ndim, np.float32), True
        if values.dtype == np.float16:
            return values.astype(np.float32), np.spacing(np.abs(values)).astype(np.float32), False
        return (values, None, False) if values.dtype == np.float32 else None
    if kind == "Convert":
        return _unpacked(node.input_value(0).get_node())
    if kind not in ("Subtract", "Multiply"):
        return None
    left, right = (_unpacked(value.get_node()) for value in node.input_values())
    if left is None or right is None:
        return None
    (values, step, is_whole), (other, other_step, _) = left, right
    if kind == "Subtract":
        return values - other, step, is_whole
    if step is not None:
        # A scale of fewer bits is not exact either.
        step = np.abs(step * other) + (0 if other_step is None else np.abs(values) * other_step)
    return values * other, step, is_whole
