"""A .tflite file of any model as a frozen TensorFlow graph: one node or a few for each operation.

From then on it is a graph as any other: the same patterns find its LSTMs, and both converters take it. Tensors keep
their names. Constants of 8 and 16 bits become float32, and what the file computes with them is computed in float32.
"""

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.build import BOOL, FLOAT, INT32, INT64, DType, GraphBuilder
from deepspeech_recipe.graphdef.proto import Message
from deepspeech_recipe.sources.tflite.file import Operation, TFLiteModel

_TYPES = {"FLOAT32": FLOAT, "FLOAT16": FLOAT, "INT8": FLOAT, "UINT8": FLOAT, "INT32": INT32, "INT64": INT64}
_TYPES["BOOL"] = BOOL
_NO_NAME = re.compile(r"[^A-Za-z0-9_.\-/]")
# Fused into an operation; TANH and the like are operations of their own too.
_ACTIVATIONS = {"RELU": "Relu", "RELU6": "Relu6", "TANH": "Tanh"}
FULL_INTEGER = (
    "Convert the model to .tflite again with weights of 8 bits alone (optimizations=[tf.lite.Optimize.DEFAULT], no "
    "representative_dataset), or in float"
)


class GraphWriter:
    """Writes the operations of a .tflite file as nodes of a TensorFlow graph.

    model: the file. states: how many recurrent layers keep their state in the file's variables so far. handles: tensor
    → the variable's name in the file; first_values: what it begins with, variables: its node, current_values: what it
    holds after the operations that were written.
    """

    def __init__(self, model: TFLiteModel):
        self.model, self.schema = model, model.schema
        self.states = 0
        self.handles: dict[int, str] = {}
        self.first_values: dict[str, np.ndarray] = {}
        self.variables: dict[str, str] = {}
        self.current_values: dict[str, str] = {}
        self._builder = GraphBuilder()
        self._references: dict[int, str] = {}
        self._arranged: dict[int, str] = {}
        self._reads: dict[str, str] = {}
        self._taken: set[str] = set()
        self._names: dict[int, str] = {}
        self._constants = 0  # bytes
        for number in (*model.inputs.values(), *model.outputs.values()):
            self._names.setdefault(number, self._unique(model.name(number)))

    def inputs(self) -> None:
        """Writes a Placeholder for each input."""
        for number in self.model.inputs.values():
            if self.model.is_quantized(number):
                self.refuse_quantized(number)
            self._references[number] = self._builder.placeholder(
                self._names[number], self.type_of(number), self.model.open_shape(number)
            )

    def finish(self, size: int) -> Message:
        """The GraphDef, once all operations are written; every output has a node of its name.

        size: the file's, in bytes, for constants may share its bytes.
        """
        for number in self.model.outputs.values():
            name, reference = self._names[number], self.read(number)
            if reference != name:
                self._builder.node(name, "Identity", [reference], T=self.type_of(number))
        excess = self._constants - 4 * size  # 8 bits become 32
        if excess > limits.allowed(limits.EXPANDED):
            raise RecipeError(
                f"constants that share their bytes take {excess} bytes. {limits.remedy(excess, limits.EXPANDED)}."
            )
        return self._builder.graph

    def type_of(self, number: int) -> DType:
        """The TensorFlow type that a tensor has in the graph."""
        name = self.model.type_name(number)
        if name not in _TYPES:
            raise Refusal(f"The tensor is of type {name}", node=self.model.name(number), remedy="Export it in float32")
        return DType(_TYPES[name])

    def read(self, number: int) -> str:
        """The reference of a tensor that was written before, or of a constant."""
        if number not in self._references:
            value = self.model.constant(number)
            if value is None:
                raise RecipeError(f"'{self.model.name(number)}' is read before it is computed; the file is damaged.")
            self._references[number] = self.constant(value, self._name(number))
        return self._references[number]

    def constant(self, value, name: str) -> str:
        """Writes a constant: numbers, or an array."""
        value = np.asarray(value)
        self._constants += value.nbytes
        return self._builder.const(name if name in self._names.values() else self._unique(name), value)

    def weights(self, number: int, what: str, arrange: Callable[[np.ndarray], np.ndarray]) -> str:
        """Writes a constant in the order of axes that TensorFlow's operation wants: once, for all that read it."""
        if number not in self._arranged:
            self._arranged[number] = self.constant(arrange(self.value(number, what)), self.model.name(number))
        return self._arranged[number]

    def value(self, number: int, what: str) -> np.ndarray:
        """The value of a constant. Raises Refusal if the tensor is computed."""
        value = self.model.constant(number)
        if value is None:
            raise Refusal(f"The {what} is not a constant", node=self.model.name(number))
        return value

    def node(self, op: str, inputs: Sequence[str], out: int, **attributes) -> str:
        """Writes a node that makes the tensor `out`, under its name; returns its reference."""
        if self.model.is_quantized(out):
            self.refuse_quantized(out)
        written = self._builder.node(self._name(out), op, inputs, **attributes)
        self._references[out] = written
        return written

    def step(self, op: str, inputs: Sequence[str], out: int, **attributes) -> str:
        """Writes a node on the way to the tensor `out`."""
        return self._builder.node(self._unique(f"{self._name(out)}/{op}"), op, inputs, **attributes)

    def outputs(self, written: str, outs: Sequence[int]) -> None:
        """Says which tensors a node's outputs are."""
        for port, number in enumerate(outs):
            self._references[number] = f"{written}:{port}" if port else written

    def alias(self, out: int, number: int) -> None:
        """The tensor `out` is the same as another."""
        self.is_same(out, self.read(number))

    def is_same(self, out: int, reference: str) -> None:
        """The tensor `out` is what is written there."""
        self._references[out] = reference

    def variable(self, name: str, first: np.ndarray) -> str:
        """Writes a variable that begins with these numbers; returns its name."""
        name = self._unique(name)
        self._builder.node(name, "VariableV2", dtype=DType(FLOAT), shape=first.shape)
        self.assign(name, self.constant(first, f"{name}/first"), "initialize")
        return name

    def read_variable(self, name: str) -> str:
        """Writes the node that reads a variable before it is assigned anything."""
        if name not in self._reads:
            self._reads[name] = self._builder.node(self._unique(f"{name}/read"), "Identity", [name], T=DType(FLOAT))
        return self._reads[name]

    def assign(self, name: str, value: str, what: str) -> None:
        """Writes the node that gives a variable its next value."""
        self._builder.node(self._unique(f"{name}/{what}"), "Assign", [name, value], T=DType(FLOAT))

    def fused(self, operation: Operation, options: type) -> str | None:
        """The activation that is fused into an operation, as TensorFlow's operation."""
        code = operation.option(options, "FusedActivationFunction")
        names = {value: name for name, value in vars(self.schema.ActivationFunctionType).items()}
        name = names.get(code, str(code))
        if name == "NONE":
            return None
        if name not in _ACTIVATIONS:
            raise Refusal(f"{operation.kind} has the activation {name}", node=self.model.name(operation.outputs[0]))
        return _ACTIVATIONS[name]

    def activated(self, operation: Operation, options: type, op: str, inputs: Sequence[str], **attributes) -> None:
        """Writes a node, and behind it the activation that is fused into the operation."""
        (out,) = operation.outputs
        activation = self.fused(operation, options)
        if activation is None:
            self.node(op, inputs, out, **attributes)
        else:
            linear = self.step(op, inputs, out, **attributes)
            self.node(activation, [linear], out, T=self.type_of(out))

    def _name(self, number: int) -> str:
        if number not in self._names:
            self._names[number] = self._unique(self.model.name(number))
        return self._names[number]

    def _unique(self, name: str) -> str:
        """A name that TensorFlow allows, and no other node has."""
        name = _NO_NAME.sub("_", name.removesuffix(":0")).lstrip("_-/") or "tensor"
        number, unique = 0, name
        while unique in self._taken:
            number, unique = number + 1, f"{name}_{number + 1}"
        self._taken.add(unique)
        return unique

    def refuse_quantized(self, number: int) -> NoReturn:
        """Raises Refusal for a tensor of 8 bits that is computed."""
        raise Refusal(
            "The file computes in 8 bits, activations too, which an IR in float cannot repeat",
            node=self.model.name(number),
            remedy=FULL_INTEGER,
        )
