"""The frozen graph DeepSpeech v0.9 exports, written from weights alone, without TensorFlow.

Node for node what `create_inference_graph` and the freezing of TensorFlow 1.15 leave (mozilla/DeepSpeech
v0.9.3, training/deepspeech_training/train.py; tensorflow 1.15, contrib/rnn/python/ops/lstm_ops.py), only the
`_class` placement hints are left out. TensorFlow 1.15, and with it Mozilla's client, can load the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, GraphBuilder
from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.graphdef.proto import Message
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical.fused_cell import CELL, fused_cell
from deepspeech_recipe.sources.canonical.nodes import F32, expand, reshape, transpose, variable

GRAPH_VERSION = 6  # what v0.7 to v0.9 write into `metadata_version`


@dataclass(frozen=True, eq=False)
class Dense:
    """One dense layer: kernel `[inputs, outputs]`, bias `[outputs]`, and the gamma and beta `[outputs]` of
    the layer normalisation behind its ReLU, if the model was trained with `--layer_norm`."""

    kernel: np.ndarray | External
    bias: np.ndarray
    gamma: np.ndarray | None = None
    beta: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Weights:
    """All weights of a model. The LSTM's kernel is `[inputs + H, 4·H]` and its bias `[4·H]`, gates in the
    order i, c, f, o; `forget_bias` is added to gate f at run time."""

    layer_1: Dense
    layer_2: Dense
    layer_3: Dense
    lstm_kernel: np.ndarray | External
    lstm_bias: np.ndarray
    layer_5: Dense
    layer_6: Dense
    forget_bias: float = 0.0
    relu_clip: float = 20.0

    def n_input(self, n_context: int) -> int:
        """Features a frame. Raises Refusal if layer 1 does not read whole frames."""
        inputs, frames = len(self.layer_1.kernel), 2 * n_context + 1
        if inputs % frames:
            raise Refusal(
                f"Layer 1 has {inputs} inputs, which is not a multiple of the {frames} frames that a context of "
                f"{n_context} frames each side makes",
                remedy="Give the context (n_context) the model was trained with",
            )
        return inputs // frames

    @property
    def external(self) -> tuple[External, ...]:
        """Those that lie outside of graphs."""
        layers = (self.layer_1, self.layer_2, self.layer_3, self.layer_5, self.layer_6)
        matrices = (*(layer.kernel for layer in layers), self.lstm_kernel)
        return tuple(each for each in matrices if isinstance(each, External))

    @property
    def n_hidden(self) -> int:
        """H, the size of the LSTM's cell and hidden state."""
        return len(self.lstm_bias) // 4


def canonical_graph(
    weights: Weights,
    *,
    n_context: int = 9,
    n_steps: int | None,
    batch: int = 1,
    initial: tuple[np.ndarray, np.ndarray] | None = None,
    audio: AudioSettings | None = None,
    alphabet: bytes | None = None,
    language: str | None = None,
    beam_width: int | None = 500,
) -> Message:
    """The graph of `weights`: `input_node` `[batch, n_steps, 2·n_context + 1, n_input]`, `input_lengths`
    `[batch]` and the two states `[batch, H]` → `logits` (probabilities) `[n_steps, batch, classes]`,
    `new_state_c`, `new_state_h`; and `input_samples` `[window]` → `mfccs` `[1, n_input]`.

    n_steps: None leaves the number of windows open, as `--n_steps -1` does.
    initial: (c, h) `[batch, H]` that the states begin with: then they are frozen variables instead of inputs, as in
    v0.2 to v0.5 (`GraphView.is_variable`).
    audio: None leaves out the feature part and its metadata.
    alphabet: the serialized form (`deepspeech_recipe.alphabet`). Metadata that is None is not written.
    Raises RecipeError if the sizes of the weights do not fit together.
    """
    n_input = weights.n_input(n_context)
    _check(weights)
    if audio and audio.dct_coefficient_count != n_input:
        raise RecipeError(
            f"The weights read {n_input} features a frame, but the audio settings make {audio.dct_coefficient_count}."
        )
    steps = -1 if n_steps is None else n_steps
    graph = GraphBuilder()
    if audio:
        _features(graph, audio)
    graph.placeholder("input_node", FLOAT, (batch, steps, 2 * n_context + 1, n_input))
    graph.placeholder("input_lengths", INT32, (batch,))
    for number, name in enumerate(("previous_state_c", "previous_state_h")):
        if initial is None:
            graph.placeholder(name, FLOAT, (batch, weights.n_hidden))
        else:
            graph.const(name, initial[number], np.float32)
    x = transpose(graph, "transpose", "input_node", [1, 0, 2, 3])
    x = reshape(graph, "Reshape_1", x, [-1, (2 * n_context + 1) * n_input])
    for number in (1, 2, 3):
        x = _dense(graph, f"layer_{number}", number - 1, x, weights)
    x = reshape(graph, "Reshape_2", x, [-1, batch, len(weights.layer_3.bias)])
    x = fused_cell(graph, x, weights.lstm_kernel, weights.lstm_bias, weights.forget_bias, steps=steps, batch=batch)
    x = reshape(graph, "Reshape_3", x, [-1, weights.n_hidden])
    x = _dense(graph, "layer_5", 3, x, weights)
    x = _dense(graph, "layer_6", 4, x, weights)
    x = reshape(graph, "raw_logits", x, [-1, batch, len(weights.layer_6.bias)])
    graph.node("logits", "Softmax", [x], **F32)
    graph.node("new_state_c", "Identity", [f"{CELL}/GatherNd"], **F32)
    graph.node("new_state_h", "Identity", [f"{CELL}/GatherNd_1"], **F32)
    for name in ("state_c", "state_h") if initial is not None else ():
        graph.node(f"previous_{name}/Assign", "Assign", [f"previous_{name}", f"new_{name}"], **F32)
    _metadata(graph, audio, alphabet, language, beam_width)
    return graph.graph


def _check(weights: Weights) -> None:
    """Looks at every shape."""
    size, hidden = len(weights.layer_1.kernel), weights.n_hidden
    for name in ("layer_1", "layer_2", "layer_3"):
        size = _check_dense(name, getattr(weights, name), size)
    _expect("the LSTM's kernel", weights.lstm_kernel, (size + hidden, 4 * hidden))
    _expect("the LSTM's bias", weights.lstm_bias, (4 * hidden,))
    _check_dense("layer_6", weights.layer_6, _check_dense("layer_5", weights.layer_5, hidden))


def _check_dense(name: str, layer: Dense, inputs: int) -> int:
    """The layer's number of outputs."""
    outputs = len(layer.bias)
    _expect(f"{name}'s kernel", layer.kernel, (inputs, outputs))
    if (layer.gamma is None) != (layer.beta is None):
        raise RecipeError(f"The normalisation of {name} needs both gamma and beta.")
    if layer.gamma is not None:
        _expect(f"{name}'s gamma", layer.gamma, (outputs,))
        _expect(f"{name}'s beta", layer.beta, (outputs,))
    return outputs


def _expect(what: str, array: np.ndarray | External | None, shape: tuple[int, ...]) -> None:
    found = None if array is None else array.shape
    if found != shape:
        raise RecipeError(f"The weights do not fit together: {what} is {list(found or ())} instead of {list(shape)}.")


def _features(graph: GraphBuilder, audio: AudioSettings) -> None:
    graph.placeholder("input_samples", FLOAT, (audio.window_size,))
    expand(graph, "ExpandDims", "input_samples", np.int32(-1))
    graph.node(
        "AudioSpectrogram",
        "AudioSpectrogram",
        ["ExpandDims"],
        window_size=audio.window_size,
        stride=audio.stride,
        magnitude_squared=audio.magnitude_squared,
    )
    graph.node(
        "Mfcc",
        "Mfcc",
        ["AudioSpectrogram", graph.const("Mfcc/sample_rate", audio.sample_rate, np.int32)],
        upper_frequency_limit=float(audio.upper_frequency_limit),
        lower_frequency_limit=float(audio.lower_frequency_limit),
        filterbank_channel_count=audio.filterbank_channel_count,
        dct_coefficient_count=audio.dct_coefficient_count,
    )
    reshape(graph, "Reshape", "Mfcc", [-1, audio.dct_coefficient_count])
    graph.node("mfccs", "Identity", ["Reshape"], **F32)


def _dense(graph: GraphBuilder, name: str, number: int, x: str, weights: Weights) -> str:
    """MatMul, BiasAdd, and but for layer 6 the clipped ReLU and layer normalisation. TensorFlow numbers the
    nodes of all layers through: `MatMul`, `MatMul_1`…"""
    layer: Dense = getattr(weights, name)
    suffix = f"_{number}" if number else ""
    bias = variable(graph, f"{name}/bias", layer.bias)
    kernel = variable(graph, f"{name}/weights", layer.kernel)
    matmul = {"transpose_a": False, "transpose_b": False}
    x = graph.node(f"MatMul{suffix}", "MatMul", [x, kernel], **F32, **matmul)
    x = graph.node(f"BiasAdd{suffix}", "BiasAdd", [x, bias], **F32, data_format="NHWC")
    if name != "layer_6":
        x = graph.node(f"Relu{suffix}", "Relu", [x], **F32)
        clip = graph.const(f"Minimum{suffix}/y", weights.relu_clip, np.float32)
        x = graph.node(f"Minimum{suffix}", "Minimum", [x, clip], **F32)
    return x if layer.gamma is None else _layer_norm(graph, name, x, layer)


def _layer_norm(graph: GraphBuilder, name: str, x: str, layer: Dense) -> str:
    """tf.contrib.layers.layer_norm over the last axis."""
    beta = variable(graph, f"{name}/LayerNorm/beta", layer.beta)
    gamma = variable(graph, f"{name}/LayerNorm/gamma", layer.gamma)
    moments, norm = f"{name}_1/LayerNorm/moments", f"{name}_1/LayerNorm/batchnorm"

    def mean(scope, value):
        axis = graph.const(f"{scope}/reduction_indices", [1], np.int32)
        return graph.node(scope, "Mean", [value, axis], **F32, Tidx=DType(INT32), keep_dims=True)

    def node(scope, op, *inputs):
        return graph.node(scope, op, inputs, **F32)

    centre = mean(f"{moments}/mean", x)
    fixed = node(f"{moments}/StopGradient", "StopGradient", centre)
    square = node(f"{moments}/SquaredDifference", "SquaredDifference", x, fixed)
    variance = mean(f"{moments}/variance", square)
    epsilon = graph.const(f"{norm}/add/y", 1e-12, np.float32)
    scale = node(f"{norm}/Rsqrt", "Rsqrt", node(f"{norm}/add", "AddV2", variance, epsilon))
    scale = node(f"{norm}/mul", "Mul", scale, gamma)
    scaled = node(f"{norm}/mul_1", "Mul", x, scale)
    shift = node(f"{norm}/sub", "Sub", beta, node(f"{norm}/mul_2", "Mul", centre, scale))
    return node(f"{norm}/add_1", "AddV2", scaled, shift)


def _metadata(graph: GraphBuilder, audio, alphabet, language, beam_width) -> None:
    numbers = {"version": GRAPH_VERSION}
    if audio:
        numbers["sample_rate"] = audio.sample_rate
        numbers["feature_win_len"] = audio.window_size * 1000 // audio.sample_rate
        numbers["feature_win_step"] = audio.stride * 1000 // audio.sample_rate
    if beam_width is not None:
        numbers["beam_width"] = beam_width
    for name, value in numbers.items():
        graph.const(f"metadata_{name}", [value], np.int32)
    texts = {"alphabet": alphabet, "language": None if language is None else language.encode()}
    for name, value in texts.items():
        if value is not None:
            graph.const(f"metadata_{name}", [value], object)
