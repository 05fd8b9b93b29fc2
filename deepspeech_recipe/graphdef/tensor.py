"""TensorProto to numpy and back."""

from __future__ import annotations

import math

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.external import External, external
from deepspeech_recipe.graphdef.proto import DATA_TYPES, Message, TensorProto

_NAMES = {number: name for name, number in DATA_TYPES.items()}

# DataType number → (numpy dtype, the field that holds values when there is no tensor_content).
_FIELDS = {
    DATA_TYPES[name]: (np.dtype(dtype), field)
    for name, dtype, field in [
        ("DT_FLOAT", "f4", "float_val"),
        ("DT_DOUBLE", "f8", "double_val"),
        ("DT_HALF", "f2", "half_val"),
        ("DT_INT8", "i1", "int_val"),
        ("DT_UINT8", "u1", "int_val"),
        ("DT_INT16", "i2", "int_val"),
        ("DT_UINT16", "u2", "int_val"),
        ("DT_INT32", "i4", "int_val"),
        ("DT_INT64", "i8", "int64_val"),
        ("DT_UINT32", "u4", "uint32_val"),
        ("DT_UINT64", "u8", "uint64_val"),
        ("DT_BOOL", "?", "bool_val"),
        # The integers of quantised tensors, last: numpy has no types of their own for them.
        ("DT_QINT8", "i1", "int_val"),
        ("DT_QUINT8", "u1", "int_val"),
        ("DT_QINT16", "i2", "int_val"),
        ("DT_QUINT16", "u2", "int_val"),
        ("DT_QINT32", "i4", "int_val"),
        # As float32: of these it is the upper half.
        ("DT_BFLOAT16", "f4", "half_val"),
    ]
}
_NUMBERS = {dtype: number for number, (dtype, _) in reversed(_FIELDS.items())}

# numpy has no more.
MOST_AXES = 32

DT_STRING, DT_BFLOAT16 = DATA_TYPES["DT_STRING"], DATA_TYPES["DT_BFLOAT16"]


def dtype_number(dtype) -> int:
    """TensorFlow's DataType number of a numpy dtype."""
    dtype = np.dtype(dtype)
    return DT_STRING if dtype.kind in "SUO" else _NUMBERS[dtype.newbyteorder("=")]


def is_number(number: int) -> bool:
    """Whether tensors of a DataType number are read as numbers."""
    return number % 100 in _FIELDS


def numpy_dtype(number: int) -> np.dtype:
    """numpy's dtype of a DataType number (variables' reference types included); strings are objects."""
    number %= 100
    if number == DT_STRING:
        return np.dtype(object)
    try:
        return _FIELDS[number][0]
    except KeyError:
        raise RecipeError(f"Tensors of type {_NAMES.get(number, number)} cannot be read.") from None


def shape_of(shape) -> tuple[int, ...] | None:
    """TensorShapeProto → sizes (-1 if unknown), or None if the rank itself is unknown."""
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def to_numpy(tensor) -> np.ndarray:
    """The value of a TensorProto; strings as an object array of bytes.

    As in TensorFlow, a short value list is filled up with its last value.
    Raises RecipeError if the declared shape and the stored bytes disagree.
    """
    if (elsewhere := external(tensor)) is not None:
        return elsewhere[...]
    shape, dtype = _fixed_shape(tensor), numpy_dtype(tensor.dtype)
    count, is_bfloat16 = math.prod(shape), tensor.dtype % 100 == DT_BFLOAT16
    if dtype.kind == "O":
        values = np.empty(len(tensor.string_val), dtype=object)
        values[:] = tensor.string_val
    elif content := tensor.tensor_content:  # protobuf copies it at each access
        as_stored = np.dtype("u2") if is_bfloat16 else dtype
        _check_content(shape, as_stored, len(content))
        values = np.frombuffer(content, as_stored.newbyteorder("<")).astype(as_stored, copy=False).reshape(shape)
        return _from_bfloat16(values) if is_bfloat16 else values
    else:
        stored = getattr(tensor, _FIELDS[tensor.dtype % 100][1])
        if is_bfloat16:
            values = _from_bfloat16(np.array(stored, np.int32))
        elif dtype.itemsize < 4:  # stored as int32, whose other bits a damaged file may have set
            values = np.array(stored, np.int32)
            values = values.astype(np.uint16).view(dtype) if dtype == np.float16 else values.astype(dtype)
        else:
            values = np.array(stored, dtype)
    return _fill(values, shape, count, dtype)


def _from_bfloat16(halves: np.ndarray) -> np.ndarray:
    return (halves.astype(np.uint32) << 16).view(np.float32)


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 numbers rounded to bfloat16, halves to even ones, as float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(values), np.float32(np.nan), rounded)


def excess_bytes(tensor) -> int:
    """How many bytes more a TensorProto's value takes in memory than it has values stored for: a constant may be
    written as its last value alone.

    Raises RecipeError if the declared shape and what is stored disagree; types that are not read here are not
    looked at. One outside of the graph was checked by its reader.
    """
    if external(tensor) is not None:
        return 0
    shape = _fixed_shape(tensor)
    count, number = math.prod(shape), tensor.dtype % 100
    if number == DT_STRING:
        stored, size = len(tensor.string_val), 8
    elif number not in _FIELDS:
        return count
    else:
        dtype, field = _FIELDS[number]
        if content := tensor.tensor_content:
            _check_content(shape, np.dtype("u2") if number == DT_BFLOAT16 else dtype, len(content))
            return 0
        stored, size = len(getattr(tensor, field)), dtype.itemsize
    _check_stored(shape, count, stored)
    return (count - stored) * size


def _fixed_shape(tensor) -> tuple[int, ...]:
    shape = shape_of(tensor.tensor_shape)
    if shape is None or any(size < 0 for size in shape):
        raise RecipeError("A constant has no fixed shape; the file is damaged.")
    if len(shape) > MOST_AXES:
        raise RecipeError(f"A constant has {len(shape)} axes; the file is damaged.")
    return shape


def _check_content(shape: tuple[int, ...], dtype: np.dtype, stored: int) -> None:
    wanted = math.prod(shape) * dtype.itemsize
    if stored != wanted:
        raise RecipeError(
            f"A constant of shape {list(shape)} holds {stored} bytes instead of {wanted}; the file is damaged."
        )


def _check_stored(shape: tuple[int, ...], count: int, stored: int) -> None:
    if stored > count:
        raise RecipeError(f"A constant of shape {list(shape)} holds {stored} values; the file is damaged.")


def _fill(values: np.ndarray, shape, count: int, dtype) -> np.ndarray:
    if values.size == count:
        return values.reshape(shape)
    _check_stored(shape, count, values.size)
    last = values[-1] if values.size else (b"" if dtype.kind == "O" else dtype.type(0))
    # A splat is a view on one value: a huge declared shape costs no memory.
    if values.size <= 1:
        return np.broadcast_to(np.array(last, dtype), shape)
    filled = np.full(count, last, dtype)
    filled[: values.size] = values
    return filled.reshape(shape)


def part_of(tensor, index) -> np.ndarray:
    """`to_numpy(tensor)[index]`, without the rest if the value lies outside of the graph."""
    elsewhere = external(tensor)
    return (to_numpy(tensor) if elsewhere is None else elsewhere)[index]


def with_content(tensor) -> None:
    """Puts a value that lies outside of the graph into its TensorProto, in place."""
    if (elsewhere := external(tensor)) is not None:
        tensor.external = 0
        _set_content(tensor, elsewhere[...])


def from_numpy(array, tensor=None) -> Message:
    """A TensorProto with the array's type, shape and values (bytes and str become DT_STRING), or that refers to them.

    tensor: an empty TensorProto to fill instead of a new one, which saves a copy.
    """
    array = array if isinstance(array, External) else np.asarray(array)
    tensor = TensorProto() if tensor is None else tensor
    tensor.dtype = dtype_number(array.dtype)
    tensor.tensor_shape.SetInParent()  # OpenVINO's frontend takes no shape for an unknown one, not for a scalar
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if isinstance(array, External):
        tensor.external = array.number
    elif tensor.dtype == DT_STRING:
        tensor.string_val.extend(v.encode() if isinstance(v, str) else bytes(v) for v in array.ravel())
    else:
        _set_content(tensor, array)
    return tensor


def _set_content(tensor, array: np.ndarray) -> None:
    tensor.tensor_content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
