"""Fused LSTMs of models that are not DeepSpeech's, as TensorFlow 1's wrapper writes them, all sizes different.

tensorflow/contrib/rnn/python/ops/lstm_ops.py, `LSTMBlockFusedCell` and `LSTMBlockWrapper.call`.
"""

import numpy as np

from tests.graphs.foreign import _assign, _foreign, _variable

STEPS, BATCH, UNITS = 6, 3, (10, 7)


def block_lstm(tf, weights, x, units, c, h, **attributes):
    """A BlockLSTM over x `[T, B, I]`, for T steps unless seq_len_max is given."""
    none = tf.constant(np.zeros(units, np.float32), name="no_peephole")
    peepholes = {name: weights(units) if attributes.get("use_peephole") else none for name in ("wci", "wcf", "wco")}
    given = {
        "seq_len_max": tf.cast(tf.shape(x)[0], tf.int64), "forget_bias": 1.0, "cell_clip": -1.0, "use_peephole": False,
        **peepholes, **attributes,
    }  # fmt: skip
    return tf.raw_ops.BlockLSTM(
        x=x, cs_prev=c, h_prev=h, w=weights(int(x.shape[2]) + units, 4 * units), b=weights(4 * units), **given
    )


def wrapped(tf, weights, x, units, c, h, lengths=None, taken="GatherNd", masked=True, **attributes):
    """The wrapper's call: (hidden states `[T, B, H]`, last cell state, last hidden state).

    taken: by which operation the last states are taken out at the lengths. masked: the wrapper's hidden states, zeros
    past the lengths; else the operation's own, which go on as far as the longest row's."""
    if lengths is None:
        cell = block_lstm(tf, weights, x, units, c, h, **attributes)
        return cell.h, cell.cs[-1], cell.h[-1]
    longest = tf.cast(tf.reduce_max(lengths), tf.int64)
    cell = block_lstm(tf, weights, x, units, c, h, seq_len_max=longest, **attributes)
    mask = tf.transpose(tf.sequence_mask(lengths, tf.shape(x)[0], dtype=tf.float32), [1, 0])
    hidden = cell.h * tf.tile(tf.expand_dims(mask, -1), [1, 1, units])
    batch = tf.shape(x)[1]

    def last(first, states):
        states = tf.concat([tf.expand_dims(first, 0), states], 0)
        if taken == "GatherNd":
            return tf.gather_nd(states, tf.stack([lengths, tf.range(batch)], axis=1))
        return tf.raw_ops.Gather(params=tf.reshape(states, [-1, units]), indices=lengths * batch + tf.range(batch))

    return hidden if masked else cell.h, last(c, cell.cs), last(h, hidden)


@_foreign
def two_layers(tf, weights, placeholder, kept="inputs", taken=None, batch=BATCH, **attributes):
    """Frames → two layers → scores. kept: the states in 'inputs', in 'variables', or in one input of both side by side
    ('packed'). taken: as for `wrapped`, None without lengths. attributes: of the first layer, for `wrapped`."""
    frames = placeholder("frames", [batch, STEPS, 5])
    lengths = placeholder("frame_counts", [batch], np.int32) if taken else None
    x, outputs, variables, updates = tf.transpose(frames, [1, 0, 2]), [], [], []
    for layer, units in enumerate(UNITS):
        names = [f"memory_{layer}_{part}" for part in "ch"]
        if kept == "packed":
            c, h = tf.split(placeholder(f"memory_{layer}", [batch, 2 * units]), 2, 1)
        elif kept == "inputs":
            c, h = (placeholder(name, [batch, units]) for name in names)
        else:
            own = [_variable(tf, name, [batch, units]) for name in names]
            c, h = (tf.raw_ops.Identity(input=each, name=f"{each.op.name}/read") for each in own)
        x, *new = wrapped(tf, weights, x, units, c, h, lengths, taken, **({} if layer else attributes))
        if kept == "packed":
            outputs.append(tf.concat(new, 1, name=f"after_{layer}"))
        elif kept == "inputs":
            outputs += [tf.identity(value, name=f"after_{layer}_{part}") for part, value in zip("ch", new, strict=True)]
        else:
            variables += own
            updates += [_assign(tf, each, value) for each, value in zip(own, new, strict=True)]
    flat = tf.matmul(tf.reshape(x, [-1, UNITS[-1]]), weights(UNITS[-1], 4))
    with tf.control_dependencies(updates):
        tf.reshape(flat, [STEPS, batch, 4], name="scores")
    if not variables:
        return ["scores", *(output.op.name for output in outputs)]
    tf.group(*(_assign(tf, each, tf.zeros(each.shape)) for each in variables), name="reset")
    return ["scores"], "reset", [each.op.name for each in variables]
