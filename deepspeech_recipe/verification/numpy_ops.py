"""TensorFlow's operations in numpy, as far as DeepSpeech graphs use them.

Those of `graphdef.constant_ops`, and those that compute. Each takes the node and its inputs' values and returns its
first output, or a dict port → output. Floating point values are float64 throughout. Source of the semantics:
TensorFlow's op definitions and kernels.
"""

from dataclasses import fields

import numpy as np

from deepspeech_recipe.audio import reference
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.constant_ops import CONSTANT_OPS
from deepspeech_recipe.graphdef.tensor import numpy_dtype
from deepspeech_recipe.ir.audio_settings import MfccSettings, SpectrogramSettings

OPS = dict(CONSTANT_OPS)


def _op(*names):
    def register(function):
        OPS.update(dict.fromkeys(names, function))
        return function

    return register


def _elementwise(function, *names):
    OPS.update(dict.fromkeys(names, lambda node, *values: function(*values)))


_elementwise(
    lambda x: x,
    "Identity",
    "StopGradient",
    "PreventGradient",
    "Snapshot",
    "CheckNumerics",
    "ReadVariableOp",
)
_elementwise(np.less, "Less")
_elementwise(np.greater_equal, "GreaterEqual")
_elementwise(np.logical_and, "LogicalAnd")
_elementwise(np.tanh, "Tanh")
_elementwise(lambda x: _sigmoid(x), "Sigmoid")
_elementwise(lambda choice, x, y: np.where(choice.reshape(-1, *(1,) * (x.ndim - choice.ndim)), x, y), "Select")
_elementwise(np.square, "Square")
_elementwise(np.tanh, "Tanh")
_elementwise(np.divide, "RealDiv")
_elementwise(np.sqrt, "Sqrt")
_elementwise(lambda x: np.maximum(x, 0), "Relu")
_elementwise(lambda x: np.clip(x, 0, 6), "Relu6")
_elementwise(lambda x: 1 / np.sqrt(x), "Rsqrt")
_elementwise(lambda a, b: np.square(a - b), "SquaredDifference")
_elementwise(lambda x: np.array(np.shape(x)), "Shape")
_elementwise(lambda x, times: np.tile(x, times), "Tile")
_elementwise(lambda x, indices, axis=0: np.take(x, indices, int(axis)), "Gather", "GatherV2")
_elementwise(lambda x, indices: x[tuple(np.moveaxis(indices, -1, 0))], "GatherNd")


@_op("Cast")
def _cast(node, x):
    dtype = numpy_dtype(node.attribute("DstT"))
    return np.asarray(x).astype(np.float64 if dtype.kind == "f" else dtype)


@_op("Pack")
def _pack(node, *values):
    return np.stack(np.broadcast_arrays(*values), node.attribute("axis", 0))


@_op("Softmax")
def softmax(node, x):
    """Over the last axis."""
    exponential = np.exp(x - np.max(x, -1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


@_op("MatMul")
def _matmul(node, a, b):
    a = a.T if node.attribute("transpose_a", False) else a
    return a @ (b.T if node.attribute("transpose_b", False) else b)


def _reduce(function):
    return lambda node, x, axes: function(
        x, tuple(np.reshape(axes, -1).tolist()), keepdims=bool(node.attribute("keep_dims", False))
    )


_op("Mean")(_reduce(np.mean))
_op("Max")(_reduce(np.max))


@_op("ReverseSequence")
def _reverse_sequence(node, x, lengths):
    """Each row turned round up to its length."""
    x = np.moveaxis(x, (node.attribute("seq_dim"), node.attribute("batch_dim", 0)), (0, 1)).copy()
    for row, length in enumerate(lengths):
        x[:length, row] = x[:length, row][::-1]
    return np.moveaxis(x, (0, 1), (node.attribute("seq_dim"), node.attribute("batch_dim", 0)))


# A TensorArray is what its flow holds: a list, of which every write makes another one.
OPS["TensorArrayV3"] = lambda node, size: {0: np.zeros(()), 1: [None] * int(size)}
OPS["TensorArraySizeV3"] = lambda node, handle, flow: np.array(len(flow), np.int32)
OPS["TensorArrayReadV3"] = lambda node, handle, place, flow: flow[int(place)]
OPS["TensorArrayGatherV3"] = lambda node, handle, places, flow: _gathered([flow[place] for place in places])
OPS["TensorArrayWriteV3"] = lambda node, handle, place, value, flow: _written(flow, {int(place): value})
OPS["TensorArrayScatterV3"] = lambda node, handle, places, values, flow: _written(
    flow, dict(zip(places, values, strict=True))
)


def _gathered(values: list) -> np.ndarray:
    """What was never written is zeros."""
    empty = np.zeros_like(next(value for value in values if value is not None))
    return np.stack([empty if value is None else value for value in values])


def _written(flow: list, values: dict) -> list:
    return [values.get(place, value) for place, value in enumerate(flow)]


@_op("AudioSpectrogram")
def _spectrogram(node, samples):
    return reference.spectrogram(samples.T, SpectrogramSettings(**_attributes(node, SpectrogramSettings)))


@_op("Mfcc")
def _mfcc(node, spectrogram, rate):
    settings = MfccSettings(sample_rate=int(rate), **_attributes(node, MfccSettings))
    return reference.mfcc_of_spectrogram(spectrogram, settings).astype(np.float64)


def _attributes(node, settings) -> dict:
    """What the node says of the settings; what it leaves out has TensorFlow's default there."""
    found = {field.name: node.attribute(field.name) for field in fields(settings)}
    return {name: value for name, value in found.items() if value is not None}


@_op("BlockLSTM")
def _block_lstm(node, *inputs):
    return _lstm(node, inputs, "icfo", node.attribute("forget_bias", 1.0), node.attribute("cell_clip", 3.0))


@_op("BlockLSTMV2")
def _block_lstm_v2(node, *inputs):
    return _lstm(node, inputs, "ifco", 0.0, node.attribute("cell_clip", 0.0))


def _lstm(node, inputs, gates: str, forget_bias: float, clip: float) -> dict[int, np.ndarray]:
    """Outputs 1 (cell states) and 6 (hidden states), [T, B, H]; zeros from step seq_len_max on."""
    steps, x, c, h, weights, *_peepholes, bias = inputs
    if node.attribute("use_peephole", False):
        raise RecipeError(f"The LSTM '{node.name}' has peepholes, which the numpy reference does not know.")
    size = c.shape[1]
    cells, hidden = np.zeros((2, *x.shape[:2], size))
    products = x @ weights[: x.shape[2]] + bias
    recurrent = weights[x.shape[2] :]
    for step in range(int(steps)):
        gate = dict(zip(gates, np.split(products[step] + h @ recurrent, 4, axis=-1), strict=True))
        c = _sigmoid(gate["i"]) * np.tanh(gate["c"]) + _sigmoid(gate["f"] + forget_bias) * c
        c = np.clip(c, -clip, clip) if clip > 0 else c
        h = _sigmoid(gate["o"]) * np.tanh(c)
        cells[step], hidden[step] = c, h
    return {1: cells, 6: hidden}


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


_elementwise(_sigmoid, "Sigmoid")
