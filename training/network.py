"""The v0.9 network in TensorFlow, with the very operation the exported graph has (BlockLSTM)."""

import numpy as np
import tensorflow as tf

from training.features import N_INPUT
from training.text import ALPHABET

HIDDEN, N_CONTEXT = 160, 9
INPUT = (2 * N_CONTEXT + 1) * N_INPUT
CLASSES = len(ALPHABET) + 1
DENSE = {"1": (INPUT, HIDDEN), "2": (HIDDEN, HIDDEN), "3": (HIDDEN, HIDDEN),
         "5": (HIDDEN, HIDDEN), "6": (HIDDEN, CLASSES)}  # fmt: skip
CLIP = 20.0


def initial(seed: int) -> dict[str, tf.Variable]:
    """Glorot weights, zero biases but 1 on the forget gate: gates are i, c, f, o."""
    draw = np.random.default_rng(seed)

    def glorot(rows, columns, fan_out):
        bound = np.sqrt(6 / (rows + fan_out))
        return draw.uniform(-bound, bound, (rows, columns))

    values = {}
    for name, (rows, columns) in DENSE.items():
        values[f"kernel{name}"] = glorot(rows, columns, columns)
        values[f"bias{name}"] = np.zeros(columns)
    values["lstm_kernel"] = glorot(2 * HIDDEN, 4 * HIDDEN, HIDDEN)
    values["lstm_bias"] = np.repeat([0.0, 0.0, 1.0, 0.0], HIDDEN)
    return {name: tf.Variable(value.astype(np.float32)) for name, value in values.items()}


def windows(frames, mean, std):
    """MFCCs ``[B, T, 26]`` → normalised ``[T, B, 19 · 26]``: nine frames each side.

    Outside the utterance are zeros before normalising, as the exported graph gets them.
    """
    steps = tf.shape(frames)[1]
    frames = tf.pad(tf.transpose(frames, [1, 0, 2]), [[N_CONTEXT] * 2, [0, 0], [0, 0]])
    frames = (frames - mean) / std
    return tf.concat([frames[i : steps + i] for i in range(2 * N_CONTEXT + 1)], -1)


def logits(weights, x, drop=0.0, seed=None):
    """Windows ``[T, B, 494]`` → raw logits ``[T, B, 29]``, from zero state.

    ``drop`` is the dropout rate after layers 1, 2, 3 and 5, ``seed`` an int32 ``[2]`` tensor.
    The LSTM is causal, so padding behind a shorter utterance changes nothing before it.
    """
    steps, batch = tf.shape(x)[0], tf.shape(x)[1]

    def layer(name, x):
        x = tf.matmul(x, weights[f"kernel{name}"]) + weights[f"bias{name}"]
        x = tf.minimum(tf.nn.relu(x), CLIP)
        if drop:
            keep = tf.random.stateless_uniform(tf.shape(x), seed + int(name)) >= drop
            x = tf.where(keep, x / (1 - drop), 0.0)
        return x

    x = layer("3", layer("2", layer("1", tf.reshape(x, [-1, INPUT]))))
    x = tf.reshape(x, [steps, batch, HIDDEN])
    nothing, no_peephole = tf.zeros([batch, HIDDEN]), tf.zeros([HIDDEN])
    x = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.cast(steps, tf.int64), x=x, cs_prev=nothing, h_prev=nothing,
        w=weights["lstm_kernel"], b=weights["lstm_bias"],
        wci=no_peephole, wcf=no_peephole, wco=no_peephole,
        forget_bias=0.0, cell_clip=-1.0, use_peephole=False,
    ).h  # fmt: skip
    x = layer("5", tf.reshape(x, [-1, HIDDEN]))
    return tf.reshape(tf.matmul(x, weights["kernel6"]) + weights["bias6"], [steps, batch, CLASSES])
