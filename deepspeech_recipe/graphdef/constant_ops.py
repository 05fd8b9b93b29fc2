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
from deepspeech_recipe.graphdef.tensor import DT_BFLOAT16, numpy_dtype, to_bfloat16

CONSTANT_OPS: dict[str, Callable[..., Any]] = {}
_MOST_MADE = 2**20  # elements that come out of nothing but sizes


def computed(node: Node, values: list[np.ndarray]) -> dict[int, np.ndarray] | None:
    """The outputs of a node by port; None if its inputs do not fit, or the result would be far larger than they are."""
    if node.op in _ARITHMETIC and node.attribute("T") == DT_BFLOAT16:
        return None  # each operation rounds there
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
_of_values(np.true_divide, "RealDiv")
_BROADCAST = frozenset(CONSTANT_OPS)
_of_values(np.square, "Square")
_of_values(np.sqrt, "Sqrt")
_of_values(lambda x: 1 / np.sqrt(x), "Rsqrt")
_of_values(np.negative, "Neg")
_ARITHMETIC = frozenset({*CONSTANT_OPS, "Sum"})
_of_values(np.zeros_like, "ZerosLike")
_of_values(lambda x, order: np.transpose(x, order), "Transpose")
_of_values(lambda x, shape: np.reshape(x, shape), "Reshape")
_of_values(lambda x, axis: np.expand_dims(x, int(np.reshape(axis, ()))), "ExpandDims")
_of_values(lambda *values: np.concatenate(values[:-1], int(values[-1])), "ConcatV2")
_of_values(lambda axis, *values: np.concatenate(values, int(axis)), "Concat")


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
    values, kind = np.asarray(x), node.attribute("DstT")
    return to_bfloat16(values.astype(np.float32)) if kind == DT_BFLOAT16 else values.astype(numpy_dtype(kind))


@_op("Sum")
def _sum(node: Node, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return np.sum(x, tuple(np.reshape(axes, -1).tolist()), keepdims=node.attribute("keep_dims", False), dtype=x.dtype)


@_op("Pack")
def _pack(node: Node, *values: np.ndarray) -> np.ndarray:
    return np.stack(values, node.attribute("axis", 0))


@_op("Unpack")
def _unpack(node: Node, x: np.ndarray) -> dict[int, np.ndarray]:
    return dict(enumerate(np.moveaxis(x, node.attribute("axis", 0), 0)))


@_op("Split")
def _split(node: Node, axis: np.ndarray, x: np.ndarray) -> dict[int, np.ndarray]:
    return dict(enumerate(np.split(x, node.attribute("num_split"), int(axis))))


@_op("SplitV")
def _split_by_sizes(node: Node, x: np.ndarray, sizes: np.ndarray, axis: np.ndarray) -> dict[int, np.ndarray]:
    return dict(enumerate(np.split(x, split_points(sizes, x.shape[int(axis)]), int(axis))))


def split_points(sizes: np.ndarray, length: int) -> np.ndarray:
    """Where a SplitV cuts an axis of that length; one of its sizes may be -1, for what is left."""
    sizes = np.where(sizes < 0, length - sizes[sizes >= 0].sum(), sizes)
    if (sizes < 0).any() or sizes.sum() != length:
        raise ValueError("the sizes are not those of the axis")
    return np.cumsum(sizes)[:-1]


@_op("Slice")
def _slice(node: Node, x: np.ndarray, begin: np.ndarray, size: np.ndarray) -> np.ndarray:
    pairs = zip(begin.tolist(), size.tolist())
    return x[tuple(slice(first, None if count < 0 else first + count) for first, count in pairs)]


@_op("StridedSlice")
def strided_slice(node: Node, x: np.ndarray, begin: np.ndarray, end: np.ndarray, strides: np.ndarray) -> np.ndarray:
    """x[begin:end:strides], with the masks of the node."""
    masks = ("begin", "end", "shrink_axis", "new_axis", "ellipsis")
    begin_mask, end_mask, shrink, new, rest = (node.attribute(f"{mask}_mask", 0) for mask in masks)
    index: list[Any] = []
    for axis, (first, last, step) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist())):
        bit = 1 << axis
        if rest & bit:
            index.append(...)
        elif new & bit:
            index.append(None)
        elif shrink & bit:
            index.append(first)
        else:
            index.append(slice(None if begin_mask & bit else first, None if end_mask & bit else last, step))
    return x[tuple(index)]


@_op("Dequantize")
def _dequantize(node: Node, x: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """tensorflow/core/kernels/dequantize_op.cc, quantization_utils.h"""
    axis = node.attribute("axis", -1)
    if axis >= 0:
        sizes = [-1 if each == axis else 1 for each in range(x.ndim)]
        least, most = np.reshape(least, sizes), np.reshape(most, sizes)
    low, high = (np.float32(number) for number in (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max))
    values, mode = x.astype(np.float32), node.attribute("mode", b"MIN_COMBINED")
    if mode == b"SCALED":
        scale = most / high
        if low:
            scale = np.maximum(least / (low + node.attribute("narrow_range", False)), scale)
        return values * scale
    scale = (most - least) / (high - low)
    if mode == b"MIN_FIRST":
        rounded = np.where(most == least, least, _round_away(least / scale) * scale)
        return (rounded - low * scale) + values * scale
    half = np.float32((high - low + 1) / 2) if low else np.float32(0)
    return (values + half) * scale + least


@_op("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def _fake_quantized(node: Node, x: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """tensorflow/core/kernels/fake_quant_ops_functor.h"""
    bits = node.attribute("num_bits", 8)
    if not 2 <= bits <= 16:
        raise ValueError("no number of bits")
    low = np.float32(node.attribute("narrow_range", False))
    high = np.float32(2**bits - 1)
    scale = (most - least) / (high - low)
    zero = np.clip(_round_away(low - least / scale), low, high)
    least, most = (low - zero) * scale, (high - zero) * scale
    values = np.floor((np.clip(x, least, most) - least) * (1 / scale) + np.float32(0.5)) * scale + least
    return np.where(scale == 0, np.float32(0), values).astype(np.float32)


@_op("FakeQuantWithMinMaxArgs")
def _fake_quantized_by_attributes(node: Node, x: np.ndarray) -> np.ndarray:
    ends = (np.float32(node.attribute(name, default)) for name, default in (("min", -6.0), ("max", 6.0)))
    return _fake_quantized(node, x, *ends)


def _round_away(x: np.ndarray) -> np.ndarray:
    """To the nearest whole number, halves away from zero, as std::round does."""
    return np.trunc(x + np.copysign(np.float32(0.5), x))
