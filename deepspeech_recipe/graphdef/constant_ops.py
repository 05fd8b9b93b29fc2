"""TensorFlow's operations that move, join and combine numbers, in numpy: what a constant may be computed by.

Each takes the node and its inputs' values and returns its first output, or a dict port → output, of the type that the
inputs have. Source of the semantics: TensorFlow's op definitions and kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deepspeech_recipe.errors import NoMatch
from deepspeech_recipe.graphdef.node import Node
from deepspeech_recipe.graphdef.tensor import numpy_dtype

CONSTANT_OPS: dict[str, Callable[..., Any]] = {}
_MOST_MADE = 2**20  # elements that come out of nothing but sizes


def computed(node: Node, values: list[np.ndarray]) -> dict[int, np.ndarray] | None:
    """The outputs of a node by port; None if its inputs do not fit, or the result would be far larger than they are."""
    if node.op in _BROADCAST and not _fits(*values):
        return None
    try:
        with np.errstate(all="ignore"):
            outputs = CONSTANT_OPS[node.op](node, *values)
    except (NoMatch, ValueError, IndexError, TypeError, OverflowError):
        return None
    return outputs if isinstance(outputs, dict) else {0: np.asarray(outputs)}


def _fits(*values: np.ndarray) -> bool:
    """Whether numpy can combine the values, to something not much larger than they are."""
    try:
        return np.broadcast(*values).size <= max(_MOST_MADE, *(value.size for value in values))
    except ValueError:
        return False


def _op(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        CONSTANT_OPS.update(dict.fromkeys(names, function))
        return function

    return register


def _of_values(function: Callable[..., Any], *names: str) -> None:
    CONSTANT_OPS.update(dict.fromkeys(names, lambda node, *values: function(*values)))


_of_values(np.add, "Add", "AddV2", "BiasAdd")
_of_values(np.subtract, "Sub")
_of_values(np.multiply, "Mul")
_of_values(np.minimum, "Minimum")
_of_values(np.maximum, "Maximum")
_BROADCAST = frozenset(CONSTANT_OPS)
_of_values(np.zeros_like, "ZerosLike")
_of_values(lambda x, order: np.transpose(x, order), "Transpose")
_of_values(lambda x, shape: np.reshape(x, shape), "Reshape")
_of_values(lambda x, axis: np.expand_dims(x, int(np.reshape(axis, ()))), "ExpandDims")
_of_values(lambda *values: np.concatenate(values[:-1], int(values[-1])), "ConcatV2")


@_op("Fill")
def _fill(node: Node, sizes: np.ndarray, value: np.ndarray) -> np.ndarray:
    _check_made(node, float(np.prod(sizes, dtype=np.float64)))
    return np.full(sizes, value)


@_op("Range")
def _range(node: Node, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
    _check_made(node, float((limit - start) / delta) if delta else np.inf)
    return np.arange(start, limit, delta, dtype=np.asarray(start).dtype)


def _check_made(node: Node, count: float) -> None:
    if not count <= _MOST_MADE:
        raise NoMatch(f"{node} makes {count:.3g} numbers", node=node.name)


@_op("Squeeze")
def _squeeze(node: Node, x: np.ndarray) -> np.ndarray:
    return np.squeeze(x, tuple(node.attribute("squeeze_dims") or ()) or None)


@_op("Cast")
def _cast(node: Node, x: np.ndarray) -> np.ndarray:
    return np.asarray(x).astype(numpy_dtype(node.attribute("DstT")))


@_op("Pack")
def _pack(node: Node, *values: np.ndarray) -> np.ndarray:
    return np.stack(values, node.attribute("axis", 0))


@_op("Unpack")
def _unpack(node: Node, x: np.ndarray) -> dict[int, np.ndarray]:
    return dict(enumerate(np.moveaxis(x, node.attribute("axis", 0), 0)))


@_op("Split")
def _split(node: Node, axis: np.ndarray, x: np.ndarray) -> dict[int, np.ndarray]:
    return dict(enumerate(np.split(x, node.attribute("num_split"), int(axis))))


@_op("StridedSlice")
def strided_slice(node: Node, x: np.ndarray, begin: np.ndarray, end: np.ndarray, strides: np.ndarray) -> np.ndarray:
    """x[begin:end:strides], with the masks of the node; NoMatch for those that add or skip axes."""
    if any(node.attribute(f"{mask}_mask", 0) for mask in ("ellipsis", "new_axis")):
        raise NoMatch(f"The slice '{node.name}' is of a kind that is not known here", node=node.name)
    begin_mask, end_mask, shrink = (node.attribute(f"{mask}_mask", 0) for mask in ("begin", "end", "shrink_axis"))
    index: list[int | slice] = []
    for axis, (first, last, step) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist())):
        bit = 1 << axis
        if shrink & bit:
            index.append(first)
        else:
            index.append(slice(None if begin_mask & bit else first, None if end_mask & bit else last, step))
    return x[tuple(index)]
