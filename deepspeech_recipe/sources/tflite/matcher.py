"""Walks a .tflite file's operations backwards, from an output to what it is computed from."""

import numpy as np

from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.sources.canonical import Dense
from deepspeech_recipe.sources.tflite.file import Operation, TFLiteModel

_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")
_MOST_RESHAPES = 8


class Mismatch(Exception):
    """Raised if the graph is not of the form. tensor: where the search stopped."""

    def __init__(self, reason: str, tensor: int):
        self.reason, self.tensor = reason, tensor


class Matcher:
    """Asks what a tensor is computed by, and raises Mismatch if it is something else.

    matrices: the weight matrices met so far, by tensor number.
    """

    def __init__(self, model: TFLiteModel):
        self.model, self.schema = model, model.schema
        self.matrices: set[int] = set()

    def expect(self, tensor: int, *kinds: str) -> Operation:
        """The operation that makes the tensor, if it is one of these kinds and has no activation. Raises Mismatch."""
        operation = self.model.producer.get(tensor)
        if operation is None or operation.kind not in kinds:
            found = operation.kind if operation else "no operation"
            raise Mismatch(f"Expected {' or '.join(kinds)}, found {found}", tensor)
        activations = {"ADD": "Add", "MUL": "Mul", "SUB": "Sub", "CONCATENATION": "Concatenation"}
        if operation.kind in activations and self.activation(operation, f"{activations[operation.kind]}Options"):
            raise Mismatch(f"{operation.kind} with an activation", tensor)
        return operation

    def activation(self, operation: Operation, options: str) -> int:
        return operation.option(getattr(self.schema, options), "FusedActivationFunction")

    def through(self, tensor: int) -> int:
        """Past operations that only reshape; with one row (batch 1) a transpose is one of them."""
        for _ in range(_MOST_RESHAPES):  # a damaged file may have a cycle
            operation = self.model.producer.get(tensor)
            if operation is None or operation.kind not in _RESHAPES:
                break
            tensor = operation.inputs[0]
        return tensor

    def constant(self, tensor: int, what: str) -> np.ndarray:
        value = self.model.constant(tensor)
        if value is None:
            raise Mismatch(f"The {what} is not constant", tensor)
        return value

    def matrix(self, tensor: int, what: str) -> np.ndarray | External:
        """A weight matrix [outputs, inputs]. Raises Mismatch."""
        value = self.model.matrix(tensor)
        if value is None:
            raise Mismatch(f"The {what} is not constant", tensor)
        if len(value.shape) != 2:
            raise Mismatch(f"The {what} has not two axes", tensor)
        self.matrices.add(tensor)
        return value

    def fully_connected(self, tensor: int, activation: str) -> tuple[Dense, int]:
        """The layer whose output `tensor` is, and its input."""
        operation = self.expect(self.through(tensor), "FULLY_CONNECTED")
        wanted = getattr(self.schema.ActivationFunctionType, activation)
        if self.activation(operation, "FullyConnectedOptions") != wanted:
            raise Mismatch(f"Expected activation {activation}", tensor)
        x, matrix, *bias = operation.inputs
        kernel = self.matrix(matrix, "weight matrix")
        if bias and bias[0] >= 0:
            offset = self.constant(bias[0], "bias").flatten()
        else:
            offset = np.zeros(len(kernel), np.float32)
        return Dense(kernel.T, offset), self.through(x)

    def split_constant(self, operation: Operation, what: str) -> tuple[int, np.ndarray]:
        """The computed and the constant operand of a commutative operation."""
        first, second = operation.inputs
        value = self.model.constant(second)
        if value is not None:
            return first, value
        return second, self.constant(first, what)
