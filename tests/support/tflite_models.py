"""Unrolled networks converted to .tflite by a current TensorFlow, whose converter writes other forms than the
exporters of 2018 to 2022: per-channel scales, float16, other names."""

from collections.abc import Sequence

import numpy as np

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical import Weights
from tests.support.source_models import AUDIO, LABELS, N_CONTEXT


def convert(
    tf,
    weights: Weights,
    *,
    steps: int = 3,
    form: str = "float",
    change: str = "",
    audio: AudioSettings | None = AUDIO,
    labels: Sequence[bytes] = LABELS,
    n_context: int = N_CONTEXT,
    window_ms: int = 33,  # 32 by the samples: the file's own number is kept
    per_channel: bool = True,
) -> bytes:
    """The network of `weights` as .tflite. form: float, int8 or float16; change: a deviation to be refused."""
    tf1 = tf.compat.v1
    n_input = len(weights.layer_1.kernel) // (2 * n_context + 1)
    with tf.Graph().as_default() as graph:
        inputs, outputs = _network(tf, weights, steps, change, n_context, n_input)
        if audio is not None:
            _features(tf, inputs, outputs, audio, labels, window_ms)
        converter = tf1.lite.TFLiteConverter(graph.as_graph_def(), inputs, outputs)
        converter.allow_custom_ops = True
        if form != "float":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if form == "float16":
            converter.target_spec.supported_types = [tf.float16]
        converter._experimental_disable_per_channel = not per_channel
        return converter.convert()


def _features(tf, inputs, outputs, audio: AudioSettings, labels, window_ms: int) -> None:
    samples = tf.compat.v1.placeholder(tf.float32, [audio.window_size], "input_samples")
    spectrogram = tf.raw_ops.AudioSpectrogram(
        input=samples[:, None], window_size=audio.window_size, stride=audio.stride, magnitude_squared=True
    )
    mfcc = tf.raw_ops.Mfcc(
        spectrogram=spectrogram,
        sample_rate=audio.sample_rate,
        upper_frequency_limit=audio.upper_frequency_limit,
        dct_coefficient_count=audio.dct_coefficient_count,
    )
    inputs.append(samples)
    outputs.append(tf.identity(tf.reshape(mfcc, [-1, audio.dct_coefficient_count]), "mfccs"))
    metadata = {
        "version": np.array([6], np.int32),
        "sample_rate": np.array([audio.sample_rate], np.int32),
        "feature_win_len": np.array([window_ms], np.int32),
        "feature_win_step": np.array([20], np.int32),
        "beam_width": np.array([77], np.int32),
        "alphabet": np.array([serialize_alphabet(labels)], object),
        "language": np.array([b"xx"], object),
    }
    outputs += [tf.constant(value, name=f"metadata_{name}") for name, value in metadata.items()]


def _network(tf, weights: Weights, steps: int, change: str, n_context: int, n_input: int):
    size = weights.n_hidden
    place = tf.compat.v1.placeholder
    windows = place(tf.float32, [1, steps, 2 * n_context + 1, n_input], "input_node")
    c = first_c = place(tf.float32, [1, size], "previous_state_c")
    h = first_h = place(tf.float32, [1, size], "previous_state_h")
    x = tf.reshape(tf.transpose(windows, [1, 0, 2, 3]), [-1, (2 * n_context + 1) * n_input])
    for layer in (weights.layer_1, weights.layer_2, weights.layer_3):
        clip = 6.5 if change == "clip" and layer is weights.layer_2 else weights.relu_clip
        x = _dense(tf, x, layer, clip)
    x = tf.reshape(x, [-1, 1, len(weights.layer_3.bias)])
    if change == "backwards":
        x = tf.reverse(x, [0])
    hidden, kernel = [], tf.constant(weights.lstm_kernel)
    for step in range(steps):
        row = x[steps - 1 - step] if change == "rows" else tf.reduce_sum(x, 0) if change == "sums" else x[step]
        gates = tf.concat([row, first_h if change == "no memory" else h], 1)
        other = change == "kernel" and step == 2
        gates = tf.matmul(gates, tf.constant(weights.lstm_kernel + 1) if other else kernel) + weights.lstm_bias
        i, j, f, o = tf.split(gates, 4, 1)
        if change == "gates":
            i, f = f, i
        if weights.forget_bias:
            f = f + np.float32(weights.forget_bias)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * (tf.nn.relu(c) if change == "relu" else tf.tanh(c))
        hidden.append(h)
    if change == "order":
        hidden = hidden[::-1]
    x = _dense(tf, tf.concat(hidden, 0), weights.layer_5, weights.relu_clip)
    logits = tf.nn.softmax(tf.matmul(x, weights.layer_6.kernel) + weights.layer_6.bias, name="logits")
    if change == "state":
        c, h = h, c
    if change == "h state":
        h = hidden[0]
    states = [tf.identity(c, "new_state_c"), tf.identity(h, "new_state_h")]
    return [windows, first_c, first_h], [logits, *states]


def _dense(tf, x, layer, clip):
    x = tf.minimum(tf.nn.relu(tf.matmul(x, layer.kernel) + layer.bias), np.float32(clip))
    if layer.gamma is None:
        return x
    mean, variance = tf.nn.moments(x, [1], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, layer.beta, layer.gamma, 1e-12)
