"""TensorProto to numpy and back."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import DATA_TYPES, TensorProto

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
    ]
}
_NUMBERS = {dtype: number for number, (dtype, _) in _FIELDS.items()}

DT_STRING = DATA_TYPES["DT_STRING"]


def dtype_number(dtype) -> int:
    """TensorFlow's DataType number of a numpy dtype."""
    dtype = np.dtype(dtype)
    return DT_STRING if dtype.kind in "SUO" else _NUMBERS[dtype.newbyteorder("=")]


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
    """TensorShapeProto → sizes (-1 where unknown), or None where the rank itself is unknown."""
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def to_numpy(tensor) -> np.ndarray:
    """The value of a TensorProto; strings as an object array of bytes.

    As in TensorFlow, a short value list is filled up with its last value.
    Raises RecipeError where the declared shape and the stored bytes disagree.
    """
    shape = shape_of(tensor.tensor_shape)
    if shape is None or any(size < 0 for size in shape):
        raise RecipeError("A constant has no fixed shape; the file is damaged.")
    dtype = numpy_dtype(tensor.dtype)
    # Python's integers: a hostile shape must not overflow into a small count.
    count = 1
    for size in shape:
        count *= size
    if dtype.kind == "O":
        values = np.empty(len(tensor.string_val), dtype=object)
        values[:] = list(tensor.string_val)
    elif content := tensor.tensor_content:  # protobuf copies it at each access
        if len(content) != count * dtype.itemsize:
            raise RecipeError(
                f"A constant of shape {list(shape)} holds {len(content)} bytes "
                f"instead of {count * dtype.itemsize}; the file is damaged."
            )
        return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
    elif dtype == np.float16:
        values = np.array(tensor.half_val, np.uint16).view(np.float16)
    else:
        values = np.array(getattr(tensor, _FIELDS[tensor.dtype % 100][1]), dtype)
    return _fill(values, shape, count, dtype)


def _fill(values: np.ndarray, shape, count: int, dtype) -> np.ndarray:
    if values.size == count:
        return values.reshape(shape)
    if values.size > count:
        raise RecipeError(f"A constant of shape {list(shape)} holds {values.size} values; the file is damaged.")
    last = values[-1] if values.size else (b"" if dtype.kind == "O" else dtype.type(0))
    # A splat is a view on one value: a huge declared shape costs no memory.
    if values.size <= 1:
        return np.broadcast_to(np.array(last, dtype), shape)
    if count > 2**28:
        raise RecipeError(f"A constant of shape {list(shape)} holds only {values.size} values; the file is damaged.")
    filled = np.full(count, last, dtype)
    filled[: values.size] = values
    return filled.reshape(shape)


def from_numpy(array, tensor=None) -> "TensorProto":
    """A TensorProto with the array's type, shape and values (bytes and str become DT_STRING).

    tensor: an empty TensorProto to fill instead of a new one, which saves a copy.
    """
    array = np.asarray(array)
    tensor = TensorProto() if tensor is None else tensor
    tensor.dtype = dtype_number(array.dtype)
    tensor.tensor_shape.SetInParent()  # OpenVINO's frontend takes no shape for an unknown one, not for a scalar
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if tensor.dtype == DT_STRING:
        tensor.string_val.extend(v.encode() if isinstance(v, str) else bytes(v) for v in array.ravel())
    else:
        tensor.tensor_content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return tensor
