"""Recognises the unrolled DeepSpeech network of a .tflite file and takes its weights.

Works backwards from `logits`, by operations alone; names count only for the inputs and outputs, which the real
clients address by name.
"""

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import Refusal, some_of
from deepspeech_recipe.sources.canonical import Dense, Weights
from deepspeech_recipe.sources.tflite.file import TFLiteModel
from deepspeech_recipe.sources.tflite.lstm import LSTMMatcher
from deepspeech_recipe.sources.tflite.matcher import Mismatch

_INPUTS = ("input_node", "previous_state_c", "previous_state_h")
_OUTPUTS = ("logits", "new_state_c", "new_state_h")
_LOOKED_FOR = (
    "Looked for a DeepSpeech or Coqui STT export: input_node → three dense layers → LSTM steps → two dense "
    "layers → logits"
)


@dataclass(frozen=True, eq=False)
class Network:
    """What was recognised: DeepSpeech's weights, and the sizes that they do not tell."""

    weights: Weights
    n_steps: int
    n_context: int
    quantized: int  # how many matrices are stored in 8 bits


def read_network(model: TFLiteModel) -> Network:
    """The weights, dequantised, independent of the file. Raises Refusal if the file holds another model."""
    for kind, group, names in (("input", model.inputs, _INPUTS), ("output", model.outputs, _OUTPUTS)):
        for name in names:
            if name not in group:
                has = some_of(sorted(group), 8)
                raise Refusal(f"The model has no {kind} '{name}' (it has {has})", remedy=_LOOKED_FOR)
    try:
        return _NetworkMatcher(model).network()
    except Mismatch as error:
        raise Refusal(error.reason, node=model.name(error.tensor), remedy=_LOOKED_FOR) from None


class _NetworkMatcher(LSTMMatcher):
    """clips: at which values the dense layers are clipped."""

    def __init__(self, model: TFLiteModel):
        super().__init__(model)
        self.clips: set[float] = set()

    def network(self) -> Network:
        model = self.model
        windows = model.inputs["input_node"]
        shape = model.shape(windows)
        if len(shape) != 4 or shape[0] != 1 or shape[2] % 2 == 0:
            raise Mismatch(f"input_node is {list(shape)}, not [1, steps, 2·context + 1, features]", windows)
        softmax = self.expect(model.outputs["logits"], "SOFTMAX")
        layer_6, x = self.fully_connected(softmax.inputs[0], activation="NONE")
        layer_5, x = self.dense(x)
        lstm = self.recurrence(x)
        layer_3, x = self.dense(lstm.sequence)
        layer_2, x = self.dense(x)
        layer_1, x = self.dense(x)
        if self.through(x) != windows:
            raise Mismatch("The first dense layer does not read input_node", x)
        if lstm.steps != shape[1]:
            raise Mismatch(f"The LSTM makes {lstm.steps} steps of {shape[1]} windows", x)
        if len(self.clips) != 1:
            raise Mismatch(f"The dense layers are clipped at different values: {sorted(self.clips)}", x)
        weights = Weights(
            layer_1=layer_1,
            layer_2=layer_2,
            layer_3=layer_3,
            lstm_kernel=lstm.kernel,
            lstm_bias=lstm.bias,
            layer_5=layer_5,
            layer_6=layer_6,
            forget_bias=lstm.forget_bias,
            relu_clip=self.clips.pop(),
        )
        quantized = sum(model.is_quantized(matrix) for matrix in self.matrices)
        return Network(weights, lstm.steps, shape[2] // 2, quantized)

    def dense(self, tensor: int) -> tuple[Dense, int]:
        """A hidden layer: FULLY_CONNECTED, RELU, MINIMUM, and layer normalisation if it was trained so."""
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

    def layer_norm(self, tensor: int) -> tuple[np.ndarray, np.ndarray, int]:
        """x·s + (beta - mean·s), s = gamma / sqrt(variance + epsilon) → gamma, beta and x."""
        operands = self.expect(tensor, "ADD").inputs
        subs = [t for t in operands if self.model.producer.get(t) and self.model.producer[t].kind == "SUB"]
        if len(subs) != 1:
            raise Mismatch("An ADD that is not a layer normalisation", tensor)
        beta, shift = self.expect(subs[0], "SUB").inputs
        (scaled,) = (t for t in operands if t != subs[0])
        mean_inputs, x_inputs = self.expect(shift, "MUL").inputs, self.expect(scaled, "MUL").inputs
        common = set(mean_inputs) & set(x_inputs)
        if len(common) != 1:
            raise Mismatch("Layer normalisation: mean and value are scaled differently", tensor)
        (scale,) = common
        (x,) = (t for t in x_inputs if t != scale)
        (mean,) = (t for t in mean_inputs if t != scale)
        rsqrt, gamma = self.split_constant(self.expect(scale, "MUL"), "gamma")
        add = self.expect(self.expect(rsqrt, "RSQRT").inputs[0], "ADD")
        variance, epsilon = self.split_constant(add, "epsilon")
        squares = self.expect(self.expect(variance, "MEAN").inputs[0], "SQUARED_DIFFERENCE")
        if self.expect(mean, "MEAN").inputs[0] != x or set(squares.inputs) != {x, mean}:
            raise Mismatch("Layer normalisation: the mean is of another tensor", tensor)
        if float(epsilon.reshape(())) > 1e-9:
            raise Mismatch(f"Layer normalisation with epsilon {float(epsilon.reshape(())):g}, not 1e-12", tensor)
        return gamma.flatten(), self.constant(beta, "beta").flatten(), x
