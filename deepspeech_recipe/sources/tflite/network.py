"""Recognises the unrolled DeepSpeech network of a .tflite file and takes its weights.

Works backwards from `logits`, by operations alone; names count only for the inputs and outputs, which the real
clients address by name. Every step of the LSTM is checked: same weights, same order, states passed on.
"""

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.sources.canonical import Dense, Weights
from deepspeech_recipe.sources.tflite.file import FlatModel, Operation

_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")
_MOST_RESHAPES = 8
_INPUTS = ("input_node", "previous_state_c", "previous_state_h")
_OUTPUTS = ("logits", "new_state_c", "new_state_h")
_LOOKED_FOR = (
    "Looked for a DeepSpeech or Coqui STT export: input_node → three dense layers → LSTM steps → two dense "
    "layers → logits"
)


@dataclass(frozen=True, eq=False)
class Network:
    weights: Weights
    n_steps: int
    n_context: int
    quantized: int  # how many matrices are stored in 8 bits


class _Mismatch(Exception):
    """The graph is not of the form; tensor: where the search stopped."""

    def __init__(self, reason: str, tensor: int):
        self.reason, self.tensor = reason, tensor


def read_network(model: FlatModel) -> Network:
    """The weights, dequantised, independent of the file. Raises Refusal where the file holds another model."""
    for kind, group, names in (("input", model.inputs, _INPUTS), ("output", model.outputs, _OUTPUTS)):
        for name in names:
            if name not in group:
                has = ", ".join(sorted(group)[:8]) or "none"
                raise Refusal(f"The model has no {kind} '{name}' (it has {has})", remedy=_LOOKED_FOR)
    try:
        return _Matcher(model).network()
    except _Mismatch as error:
        raise Refusal(error.reason, node=model.name(error.tensor), remedy=_LOOKED_FOR) from None


class _Matcher:
    def __init__(self, model: FlatModel):
        self.model, self.schema = model, model.schema
        self.matrices: set[int] = set()
        self.clips: set[float] = set()

    def network(self) -> Network:
        model = self.model
        windows = model.inputs["input_node"]
        shape = model.shape(windows)
        if len(shape) != 4 or shape[0] != 1 or shape[2] % 2 == 0:
            raise _Mismatch(f"input_node is {list(shape)}, not [1, steps, 2·context + 1, features]", windows)
        softmax = self.expect(model.outputs["logits"], "SOFTMAX")
        layer_6, x = self.fully_connected(softmax.inputs[0], activation="NONE")
        layer_5, x = self.dense(x)
        steps, x, kernel, bias, forget_bias = self.recurrence(x)
        layer_3, x = self.dense(x)
        layer_2, x = self.dense(x)
        layer_1, x = self.dense(x)
        if self.through(x) != windows:
            raise _Mismatch("The first dense layer does not read input_node", x)
        if steps != shape[1]:
            raise _Mismatch(f"The LSTM makes {steps} steps of {shape[1]} windows", x)
        if len(self.clips) != 1:
            raise _Mismatch(f"The dense layers are clipped at different values: {sorted(self.clips)}", x)
        weights = Weights(
            layer_1=layer_1,
            layer_2=layer_2,
            layer_3=layer_3,
            lstm_kernel=kernel,
            lstm_bias=bias,
            layer_5=layer_5,
            layer_6=layer_6,
            forget_bias=forget_bias,
            relu_clip=self.clips.pop(),
        )
        quantized = sum(model.is_quantized(matrix) for matrix in self.matrices)
        return Network(weights, steps, shape[2] // 2, quantized)

    def expect(self, tensor: int, *kinds: str) -> Operation:
        operation = self.model.producer.get(tensor)
        if operation is None or operation.kind not in kinds:
            found = operation.kind if operation else "no operation"
            raise _Mismatch(f"Expected {' or '.join(kinds)}, found {found}", tensor)
        activations = {"ADD": "Add", "MUL": "Mul", "SUB": "Sub", "CONCATENATION": "Concatenation"}
        if operation.kind in activations and self.activation(operation, f"{activations[operation.kind]}Options"):
            raise _Mismatch(f"{operation.kind} with an activation", tensor)
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
            raise _Mismatch(f"The {what} is not constant", tensor)
        return value

    def fully_connected(self, tensor: int, activation: str) -> tuple[Dense, int]:
        """The layer whose output `tensor` is, and its input."""
        operation = self.expect(self.through(tensor), "FULLY_CONNECTED")
        wanted = getattr(self.schema.ActivationFunctionType, activation)
        if self.activation(operation, "FullyConnectedOptions") != wanted:
            raise _Mismatch(f"Expected activation {activation}", tensor)
        x, matrix, *bias = operation.inputs
        self.matrices.add(matrix)
        kernel = self.constant(matrix, "weight matrix")
        if kernel.ndim != 2:
            raise _Mismatch("The weight matrix has not two axes", matrix)
        if bias and bias[0] >= 0:
            offset = self.constant(bias[0], "bias").flatten()
        else:
            offset = np.zeros(len(kernel), np.float32)
        return Dense(np.ascontiguousarray(kernel.T), offset), self.through(x)

    def dense(self, tensor: int) -> tuple[Dense, int]:
        """A hidden layer: FULLY_CONNECTED, RELU, MINIMUM, and layer normalisation where it was trained so."""
        tensor = self.through(tensor)
        gamma = beta = None
        if (operation := self.model.producer.get(tensor)) and operation.kind == "ADD":
            gamma, beta, tensor = self.layer_norm(tensor)
        minimum = self.expect(tensor, "MINIMUM")
        value, clip = self.split_constant(minimum, "clip")
        self.clips.add(float(clip.reshape(())))
        if self.expect(value, "RELU", "FULLY_CONNECTED").kind == "RELU":
            layer, x = self.fully_connected(self.expect(value, "RELU").inputs[0], "NONE")
        else:
            layer, x = self.fully_connected(value, "RELU")
        return Dense(layer.kernel, layer.bias, gamma, beta), x

    def split_constant(self, operation: Operation, what: str) -> tuple[int, np.ndarray]:
        """The computed and the constant operand of a commutative operation."""
        first, second = operation.inputs
        value = self.model.constant(second)
        if value is not None:
            return first, value
        return second, self.constant(first, what)

    def layer_norm(self, tensor: int) -> tuple[np.ndarray, np.ndarray, int]:
        """x·s + (beta - mean·s), s = gamma / sqrt(variance + epsilon) → gamma, beta and x."""
        operands = self.expect(tensor, "ADD").inputs
        subs = [t for t in operands if self.model.producer.get(t) and self.model.producer[t].kind == "SUB"]
        if len(subs) != 1:
            raise _Mismatch("An ADD that is no layer normalisation", tensor)
        beta, shift = self.expect(subs[0], "SUB").inputs
        (scaled,) = (t for t in operands if t != subs[0])
        mean_inputs, x_inputs = self.expect(shift, "MUL").inputs, self.expect(scaled, "MUL").inputs
        common = set(mean_inputs) & set(x_inputs)
        if len(common) != 1:
            raise _Mismatch("Layer normalisation: mean and value are scaled differently", tensor)
        (scale,) = common
        (x,) = (t for t in x_inputs if t != scale)
        (mean,) = (t for t in mean_inputs if t != scale)
        rsqrt, gamma = self.split_constant(self.expect(scale, "MUL"), "gamma")
        add = self.expect(self.expect(rsqrt, "RSQRT").inputs[0], "ADD")
        variance, epsilon = self.split_constant(add, "epsilon")
        squares = self.expect(self.expect(variance, "MEAN").inputs[0], "SQUARED_DIFFERENCE")
        if self.expect(mean, "MEAN").inputs[0] != x or set(squares.inputs) != {x, mean}:
            raise _Mismatch("Layer normalisation: the mean is of another tensor", tensor)
        if float(epsilon.reshape(())) > 1e-9:
            raise _Mismatch(f"Layer normalisation with epsilon {float(epsilon.reshape(())):g}, not 1e-12", tensor)
        return gamma.flatten(), self.constant(beta, "beta").flatten(), x

    def recurrence(self, tensor: int) -> tuple[int, int, np.ndarray, np.ndarray, float]:
        """Number of steps, the sequence that is read, kernel, bias, forget bias."""
        tensor = self.through(tensor)
        joined = self.model.producer.get(tensor)
        hidden = [tensor]
        if joined and joined.kind in ("CONCATENATION", "PACK"):
            options = {"CONCATENATION": "ConcatenationOptions", "PACK": "PackOptions"}[joined.kind]
            if joined.option(getattr(self.schema, options), "Axis") != 0:
                raise _Mismatch("The LSTM's steps are not joined along time", tensor)
            hidden = list(joined.inputs)
        c, h = self.model.inputs["previous_state_c"], self.model.inputs["previous_state_h"]
        first = sequence = None
        for step, output in enumerate(hidden):
            c, layer, bias, forget_bias, x = self.cell(output, c, h)
            first = first or (layer, bias, forget_bias)
            if not (self.same(layer, first[0]) and self.same(bias, first[1]) and forget_bias == first[2]):
                raise _Mismatch(f"Step {step} of the LSTM has other weights than step 0", output)
            source = self.row(x, step, len(hidden))
            if sequence not in (None, source):
                raise _Mismatch(f"Step {step} of the LSTM reads another sequence than step 0", output)
            h, sequence = output, source
        for name, state in (("new_state_c", c), ("new_state_h", h)):
            if self.through(self.model.outputs[name]) != self.through(state):
                raise _Mismatch(f"{name} is not the state after the last step", self.model.outputs[name])
        layer, bias, forget_bias = first
        self.matrices.add(layer)
        kernel = np.ascontiguousarray(self.constant(layer, "LSTM kernel").T)
        offset = self.constant(bias, "LSTM bias").flatten() if bias >= 0 else np.zeros(kernel.shape[1], np.float32)
        return len(hidden), sequence, kernel, offset, forget_bias

    def same(self, one: int, other: int) -> bool:
        """The same constant, or a copy of it."""
        if one == other or min(one, other) < 0:
            return one == other
        values = self.model.raw(one), self.model.raw(other)
        return all(value is not None for value in values) and np.array_equal(*values)

    def cell(self, output: int, c: int, h: int) -> tuple[int, int, int, float, int]:
        """One step: output = sigmoid(o)·tanh(c'), c' = sigmoid(f)·c + sigmoid(i)·tanh(j).

        Returns c', the kernel, the bias, the forget bias and the tensor that holds this step's input.
        """
        gate_o, new_c = self.product(output, "TANH")
        forget, update = self.expect(new_c, "ADD").inputs
        if c not in self.expect(forget, "MUL").inputs:
            forget, update = update, forget
        factors = self.expect(forget, "MUL").inputs
        if c not in factors:
            raise _Mismatch("A step of the LSTM does not read the cell state of the step before", new_c)
        gate_f = self.expect(factors[1 - factors.index(c)], "LOGISTIC").inputs[0]
        gate_i, gate_j = self.product(update, "TANH")
        forget_bias = 0.0
        if (operation := self.model.producer.get(gate_f)) and operation.kind == "ADD":
            gate_f, value = self.split_constant(self.expect(gate_f, "ADD"), "forget bias")
            forget_bias = float(value.reshape(()))
        split = self.expect(gate_i, "SPLIT")
        if tuple(split.outputs) != (gate_i, gate_j, gate_f, gate_o):
            raise _Mismatch("The gates of the LSTM are not in the order i, j, f, o", split.outputs[0])
        matmul = self.expect(split.inputs[1], "FULLY_CONNECTED")
        if self.activation(matmul, "FullyConnectedOptions"):
            raise _Mismatch("The LSTM's product has an activation", split.inputs[1])
        value, layer, *bias = matmul.inputs
        both = self.expect(value, "CONCATENATION")
        axis = both.option(self.schema.ConcatenationOptions, "Axis")
        if len(both.inputs) != 2 or both.inputs[1] != h or axis not in (1, -1):
            raise _Mismatch("A step of the LSTM does not read the hidden state of the step before", value)
        return new_c, layer, bias[0] if bias else -1, forget_bias, both.inputs[0]

    def product(self, tensor: int, kind: str) -> tuple[int, int]:
        """sigmoid(a)·kind(b) → a, b."""
        first, second = self.expect(tensor, "MUL").inputs
        if self.expect(first, "LOGISTIC", kind).kind == kind:
            first, second = second, first
        return self.expect(first, "LOGISTIC").inputs[0], self.expect(second, kind).inputs[0]

    def row(self, tensor: int, step: int, steps: int) -> int:
        """The sequence of which `tensor` is row `step`."""
        tensor = self.through(tensor)
        operation = self.model.producer.get(tensor)
        if operation and operation.kind == "STRIDED_SLICE":
            options = self.schema.StridedSliceOptions
            begin, end, stride = (self.constant(t, "slice").reshape(-1) for t in operation.inputs[1:4])
            start = 0 if operation.option(options, "BeginMask") & 1 else int(begin[0])
            if start != step or int(stride[0]) != 1 or int(end[0]) not in (step + 1, 0):
                raise _Mismatch(f"Step {step} of the LSTM reads row {start}", tensor)
            return self.through(operation.inputs[0])
        if operation and operation.kind in ("UNPACK", "SPLIT"):
            source = operation.inputs[-1]
            if operation.outputs.index(tensor) != step or len(operation.outputs) != steps:
                raise _Mismatch(f"Step {step} of the LSTM reads another row", tensor)
            return self.through(source)
        if steps == 1:
            return tensor
        raise _Mismatch("A step of the LSTM reads no row of a sequence", tensor)
