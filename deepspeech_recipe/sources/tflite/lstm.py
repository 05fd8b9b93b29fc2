"""The unrolled LSTM of a .tflite file: every step is checked to have the same weights, in order, states passed on."""

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.sources.tflite.matcher import Matcher, Mismatch


@dataclass(frozen=True, eq=False)
class Recurrence:
    """The LSTM that the steps are of.

    kernel `[inputs + H, 4·H]` and bias `[4·H]`, gates in the order i, c, f, o. sequence: the tensor whose rows the
    steps read."""

    steps: int
    sequence: int
    kernel: np.ndarray | External
    bias: np.ndarray
    forget_bias: float


@dataclass(frozen=True)
class _Step:
    """Tensor numbers: the new cell state, the kernel, the bias (-1: none), and this step's input."""

    cell_state: int
    kernel: int
    bias: int
    forget_bias: float
    input: int


class LSTMMatcher(Matcher):
    """A matcher that knows the steps of an LSTM."""

    def recurrence(self, tensor: int) -> Recurrence:
        """The LSTM whose hidden states, of all steps, `tensor` holds. Raises Mismatch."""
        outputs = self._step_outputs(self.through(tensor))
        h = self.model.inputs["previous_state_h"]
        first = self._step(outputs[0], self.model.inputs["previous_state_c"], h)
        sequence, step = self._sequence(first.input, 0, len(outputs)), first
        for number, output in enumerate(outputs):
            if number:
                step = self._step(output, step.cell_state, h)
            if not (self._is_same(step.kernel, first.kernel) and self._is_same(step.bias, first.bias)) or (
                step.forget_bias != first.forget_bias
            ):
                raise Mismatch(f"Step {number} of the LSTM has other weights than step 0", output)
            if self._sequence(step.input, number, len(outputs)) != sequence:
                raise Mismatch(f"Step {number} of the LSTM reads another sequence than step 0", output)
            h = output
        for name, state in (("new_state_c", step.cell_state), ("new_state_h", h)):
            if self.through(self.model.outputs[name]) != self.through(state):
                raise Mismatch(f"{name} is not the state after the last step", self.model.outputs[name])
        kernel = self.matrix(first.kernel, "LSTM kernel").T
        bias = np.zeros(kernel.shape[1], np.float32)
        if first.bias >= 0:
            bias = self.constant(first.bias, "LSTM bias").flatten()
        return Recurrence(len(outputs), sequence, kernel, bias, first.forget_bias)

    def _step_outputs(self, tensor: int) -> list[int]:
        """The hidden state of each step."""
        joined = self.model.producer.get(tensor)
        if joined is None or joined.kind not in ("CONCATENATION", "PACK"):
            return [tensor]
        options = {"CONCATENATION": "ConcatenationOptions", "PACK": "PackOptions"}[joined.kind]
        if joined.option(getattr(self.schema, options), "Axis") != 0 or not joined.inputs:
            raise Mismatch("The LSTM's steps are not joined along time", tensor)
        return list(joined.inputs)

    def _is_same(self, one: int, other: int) -> bool:
        """Whether it is the same constant, or a copy of it."""
        if one == other or min(one, other) < 0:
            return one == other
        first, second = self.model.raw(one), self.model.raw(other)
        return first is not None and second is not None and np.array_equal(first, second)

    def _step(self, output: int, c: int, h: int) -> _Step:
        """One step: output = sigmoid(o)·tanh(c'), c' = sigmoid(f)·c + sigmoid(i)·tanh(j). c, h: the states before."""
        gate_o, new_c = self._product(output, "TANH")
        forget, update = self.expect(new_c, "ADD").inputs
        if c not in self.expect(forget, "MUL").inputs:
            forget, update = update, forget
        factors = self.expect(forget, "MUL").inputs
        if c not in factors:
            raise Mismatch("A step of the LSTM does not read the cell state of the step before", new_c)
        gate_f = self.expect(factors[1 - factors.index(c)], "LOGISTIC").inputs[0]
        gate_i, gate_j = self._product(update, "TANH")
        forget_bias = 0.0
        if (operation := self.model.producer.get(gate_f)) and operation.kind == "ADD":
            gate_f, added = self.split_constant(self.expect(gate_f, "ADD"), "forget bias")
            forget_bias = float(added.reshape(()))
        split = self.expect(gate_i, "SPLIT")
        if tuple(split.outputs) != (gate_i, gate_j, gate_f, gate_o):
            raise Mismatch("The gates of the LSTM are not in the order i, j, f, o", split.outputs[0])
        matmul = self.expect(split.inputs[1], "FULLY_CONNECTED")
        if self.activation(matmul, "FullyConnectedOptions"):
            raise Mismatch("The LSTM's product has an activation", split.inputs[1])
        joined, layer, *bias = matmul.inputs
        both = self.expect(joined, "CONCATENATION")
        axis = both.option(self.schema.ConcatenationOptions, "Axis")
        if len(both.inputs) != 2 or both.inputs[1] != h or axis not in (1, -1):
            raise Mismatch("A step of the LSTM does not read the hidden state of the step before", joined)
        return _Step(new_c, layer, bias[0] if bias else -1, forget_bias, both.inputs[0])

    def _product(self, tensor: int, kind: str) -> tuple[int, int]:
        """sigmoid(a)·kind(b) → a, b."""
        first, second = self.expect(tensor, "MUL").inputs
        if self.expect(first, "LOGISTIC", kind).kind == kind:
            first, second = second, first
        return self.expect(first, "LOGISTIC").inputs[0], self.expect(second, kind).inputs[0]

    def _sequence(self, tensor: int, step: int, steps: int) -> int:
        """The sequence of which `tensor` is row `step`."""
        tensor = self.through(tensor)
        operation = self.model.producer.get(tensor)
        if operation and operation.kind == "STRIDED_SLICE":
            options = self.schema.StridedSliceOptions
            begin, end, stride = (self.constant(t, "slice").reshape(-1) for t in operation.inputs[1:4])
            start = 0 if operation.option(options, "BeginMask") & 1 else int(begin[0])
            if start != step or int(stride[0]) != 1 or int(end[0]) not in (step + 1, 0):
                raise Mismatch(f"Step {step} of the LSTM reads row {start}", tensor)
            return self.through(operation.inputs[0])
        if operation and operation.kind in ("UNPACK", "SPLIT"):
            source = operation.inputs[-1]
            if operation.outputs.index(tensor) != step or len(operation.outputs) != steps:
                raise Mismatch(f"Step {step} of the LSTM reads another row", tensor)
            return self.through(source)
        if steps == 1:
            return tensor
        raise Mismatch("A step of the LSTM reads no row of a sequence", tensor)
