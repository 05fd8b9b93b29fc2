"""A .tflite file as plain objects: operations, tensors, dequantised constants."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.external import External, dequantized, outside_if_large
from deepspeech_recipe.installation import needed

# Far above any model of this family; a damaged count is noticed before it is followed.
_MOST = 200_000
_MOST_SIZES = 32  # of a shape
_LARGEST_OPTIONS = 4096
_DTYPES = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT32": "<i4", "INT64": "<i8", "INT8": "i1", "UINT8": "u1", "BOOL": "?"}

# What the flatbuffers library raises when offsets lead astray.
_DAMAGE = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    OverflowError,
    AssertionError,
    RecursionError,
    MemoryError,
)


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of the graph.

    kind: the builtin's name, or a custom operation's own. inputs, outputs: tensor numbers, -1 for none.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    table: Any

    def option(self, options: type, name: str, default: float = 0):
        """One field of the builtin options, which the file leaves out if all are defaults."""
        table = self.table.BuiltinOptions()
        if table is None:
            return default
        typed = options()
        typed.Init(table.Bytes, table.Pos)
        return getattr(typed, name)()

    def custom_options(self) -> dict:
        """A custom operation's options, a FlexBuffers map."""
        from flatbuffers import flexbuffers

        size = self.table.CustomOptionsLength()
        if not size:
            return {}
        if size > _LARGEST_OPTIONS:
            raise RecipeError(f"'{self.kind}' has {size} bytes of options; the file is damaged.")
        options = flexbuffers.Loads(bytes(self.table.CustomOptionsAsNumpy()))
        return options if isinstance(options, dict) else {}


class TFLiteModel:
    """A subgraph of a .tflite file, the first one unless another is named.

    inputs, outputs: name → tensor number; producer: tensor number → Operation.
    """

    def __init__(self, data: bytes, schema: ModuleType, subgraph: int = 0):
        self.schema, self._data = schema, data
        self._model = schema.Model.GetRootAs(data, 0)
        if not 0 <= subgraph < self._model.SubgraphsLength():
            raise RecipeError(f"holds no graph{f' {subgraph}' if subgraph else ''}")
        self._graph = self._model.Subgraphs(subgraph)
        names = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
        self._type_names = names
        self.inputs = self._named(self._graph.InputsLength(), self._graph.Inputs)
        self.outputs = self._named(self._graph.OutputsLength(), self._graph.Outputs)
        self.operations = [self._operation(index) for index in _range(self._graph.OperatorsLength())]
        self.producer = {output: op for op in self.operations for output in op.outputs}

    def subgraph(self, number: int) -> "TFLiteModel":
        """Another subgraph of the file."""
        return TFLiteModel(self._data, self.schema, number)

    def _named(self, count: int, at) -> dict[str, int]:
        return {self.name(at(index)): int(at(index)) for index in _range(count)}

    def _operation(self, index: int) -> Operation:
        table = self._graph.Operators(index)
        code = self._model.OperatorCodes(table.OpcodeIndex())
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = builtin == self.schema.BuiltinOperator.CUSTOM
        kind = code.CustomCode().decode(errors="replace") if custom else self.schema.opcode2name(builtin)
        return Operation(kind, _numbers(table.InputsAsNumpy()), _numbers(table.OutputsAsNumpy()), table)

    def _tensor(self, number: int):
        if not 0 <= number < self._graph.TensorsLength():
            raise IndexError(f"tensor {number}")
        return self._graph.Tensors(number)

    def name(self, number: int) -> str:
        return (self._tensor(number).Name() or b"").decode(errors="replace")

    def shape(self, number: int) -> tuple[int, ...]:
        tensor = self._tensor(number)
        return tuple(int(tensor.Shape(axis)) for axis in _range(tensor.ShapeLength(), _MOST_SIZES))

    def open_shape(self, number: int) -> tuple[int, ...]:
        """The shape with -1 for sizes that the interpreter may change; the sizes themselves if the file keeps states,
        which have one batch."""
        tensor, shape = self._tensor(number), self.shape(number)
        open_sizes = tuple(
            int(tensor.ShapeSignature(axis)) for axis in _range(tensor.ShapeSignatureLength(), _MOST_SIZES)
        )
        return open_sizes if len(open_sizes) == len(shape) and not self._keeps_states else shape

    @cached_property
    def _keeps_states(self) -> bool:
        handles = any(operation.kind == "VAR_HANDLE" for operation in self.operations)
        return handles or any(map(self.is_variable, range(self._graph.TensorsLength())))

    def is_variable(self, number: int) -> bool:
        """Whether the tensor keeps its value from one call to the next."""
        return bool(self._tensor(number).IsVariable())

    def type_name(self, number: int) -> str:
        """The type of a tensor's elements, as the schema names it."""
        return self._type_names[self._tensor(number).Type()]

    def raw(self, number: int) -> np.ndarray | None:
        """The stored bytes of a constant, a view on the file; None for a tensor that is computed."""
        buffer = self._model.Buffers(self._tensor(number).Buffer())
        return buffer.DataAsNumpy() if buffer.DataLength() else None

    def is_quantized(self, number: int) -> bool:
        return number >= 0 and self.type_name(number) in ("INT8", "UINT8")

    def constant(self, number: int) -> np.ndarray | None:
        """A constant's value, dequantised to float32 if it is stored in 8 or 16 bits; None if computed."""
        stored = self._stored(number)
        return None if stored is None else dequantized(*stored)

    def matrix(self, number: int) -> np.ndarray | External | None:
        """The same; a large one lies outside of graphs (`external`), and in this file's bytes."""
        stored = self._stored(number)
        return None if stored is None else outside_if_large(*stored)

    def _stored(self, number: int) -> tuple | None:
        """What `dequantized` takes of a constant."""
        producer = self.producer.get(number)
        if producer and producer.kind == "DEQUANTIZE":
            number = producer.inputs[0]
        elif producer:
            return None
        data = self.raw(number)
        if data is None:
            return None
        type_name = self.type_name(number)
        values = data.view(_DTYPES[type_name]).reshape(self.shape(number))
        if type_name in ("INT8", "UINT8"):
            return self._with_scale(number, values)
        return (values.astype(np.float32) if type_name == "FLOAT16" else values), None, None

    def _with_scale(self, number: int, values: np.ndarray) -> tuple:
        quantization = self._tensor(number).Quantization()
        if quantization is None or not quantization.ScaleLength():
            raise RecipeError(f"tensor '{self.name(number)}' is stored in 8 bits, but without a scale")
        scale = np.array(quantization.ScaleAsNumpy(), np.float32)
        zero = np.zeros(len(scale), np.int64)
        if quantization.ZeroPointLength():
            zero = quantization.ZeroPointAsNumpy()
        if values.dtype == np.uint8 and not zero.any():
            values = values.view(np.int8)  # TensorFlow before 1.14 labelled symmetric weights so
        if len(scale) > 1:
            shape = [1] * values.ndim
            shape[quantization.QuantizedDimension()] = -1
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        return values, scale, zero if zero.any() else None

    def strings(self, number: int) -> list[bytes]:
        """A STRING constant: int32 count, int32 offsets[count + 1], bytes."""
        stored = self.raw(number)
        if stored is None:
            raise RecipeError(f"'{self.name(number)}' has no value")
        data = stored.tobytes()
        (count,) = struct.unpack_from("<i", data)
        if not 0 <= count <= len(data) // 4:
            raise RecipeError(f"'{self.name(number)}' would hold {count} strings; the file is damaged.")
        ends = struct.unpack_from(f"<{count + 1}i", data, 4)
        return [data[start:end] for start, end in pairwise(ends)]


def _numbers(vector) -> tuple[int, ...]:
    """What flatbuffers gives for a vector of numbers, which is 0 if the file has none."""
    if not isinstance(vector, np.ndarray):
        return ()
    _range(len(vector))
    return tuple(vector.tolist())


def _range(count: int, most: int = _MOST) -> range:
    if count > most:
        raise RecipeError(f"a list of {count} entries; the file is damaged.")
    return range(count)


@contextmanager
def open_tflite(path: Path) -> Iterator[TFLiteModel]:
    """Reads a .tflite file; the block may read on in it.

    Raises RecipeError naming `path` if the file is damaged, also when that shows only inside the block.
    """
    tflite = needed(f"{path}: reading .tflite files needs the package 'tflite': pip install tflite", "tflite")
    with reading(path):
        data = path.read_bytes()
    try:
        yield TFLiteModel(data, tflite)
    except _DAMAGE as error:
        raise RecipeError(f"{path}: the .tflite file is damaged ({type(error).__name__}: {error}).") from error
