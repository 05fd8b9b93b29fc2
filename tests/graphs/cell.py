"""The nodes that TensorFlow 1's fused LSTM cell leaves in a graph, and near misses of them."""

import numpy as np

from tests.graphs.options import Options


def fused_cell(tf, x, lengths, state, weights, options: Options, release):
    """Returns (masked sequence [T, B, H], new c, new h, cell states [T, B, H]).

    `x` is [T, B, I]; `lengths` int32 [B] or None; `state` a pair [B, H] or None for zeros.
    Call order decides the node names, so it follows the order in which TensorFlow's layer makes its nodes.
    """
    tf1, o = tf.compat.v1, options
    units = o.n_hidden
    batch = x.shape[1] if x.shape[1] is not None else tf.shape(x)[1]
    steps = x.shape[0] if x.shape[0] is not None else tf.shape(x)[0]
    if state is None:
        zero = tf1.fill(tf.stack([batch, units]), tf.constant(0.0), name="zeros")
        state = zero, zero
    initial_c, initial_h = state

    kernel, bias = _variable(tf, "kernel", weights["kernel"]), _variable(tf, "bias", weights["bias"])
    c_sequence, h_sequence, gates = _block_lstm(
        tf, x, lengths, initial_c, initial_h, kernel, bias, weights, options, release
    )
    if lengths is None:
        return h_sequence, c_sequence[-1], h_sequence[-1], c_sequence

    mask = tf.transpose(tf.sequence_mask(lengths, steps, dtype=tf.float32), [1, 0])
    mask = tf.tile(tf.expand_dims(mask, [-1]), [1, 1, units])
    if o.mask:
        h_sequence = h_sequence * mask
    if o.concat_initial == "zeros":
        initial_c = initial_h = tf.constant(np.zeros((o.batch, units), np.float32), name="other_zeros")
    data_c = tf.concat([tf.expand_dims(initial_c, [0]), c_sequence], 0)
    data_h = tf.concat([tf.expand_dims(initial_h, [0]), h_sequence], 0)
    if o.gather_over == "sequence":
        data_c, data_h = c_sequence, h_sequence
    elif o.gather_over == "gates":
        data_c = tf.concat([tf.expand_dims(initial_c, [0]), gates], 0)
    index = lengths
    if o.last_index == "length_minus_one" or o.gather_over == "sequence":
        index = tf.subtract(lengths, 1, name="last_index")
    elif o.last_index == "constant":
        index = tf.constant(np.full((o.batch,), 2, np.int32), name="last_index")
    form = o.last_state or release.last_state
    new_c = _last(tf, data_c, index, batch, units, form)
    new_h = _last(tf, data_h, index, batch, units, form)
    if o.swap_states:
        new_c, new_h = new_h, new_c
    return h_sequence, new_c, new_h, c_sequence


def _block_lstm(tf, x, lengths, initial_c, initial_h, kernel, bias, weights, o: Options, release):
    if o.peephole:
        diagonals = [_variable(tf, f"w_{gate}_diag", weights[f"w_{gate}_diag"]) for gate in "ifo"]
    else:
        diagonals = [zeros(tf, (o.n_hidden,), o.zeros or release.zeros)] * 3
    if lengths is not None:
        longest = tf.cast(tf.reduce_max(lengths), tf.int64, name=release.cast_name)
    elif x.shape[0] is not None:
        longest = tf.cast(tf.constant(x.shape[0], name="Cast/x"), tf.int64)
    else:
        longest = tf.cast(tf.shape(x)[0], tf.int64)
    forget_bias = release.forget_bias if o.forget_bias is None else o.forget_bias
    inputs = {
        "seq_len_max": longest, "x": x, "cs_prev": initial_c, "h_prev": initial_h, "w": kernel,
        "wci": diagonals[0], "wcf": diagonals[1], "wco": diagonals[2], "b": bias,
        "use_peephole": o.peephole,
    }  # fmt: skip
    if o.lstm_op == "BlockLSTMV2":
        inputs["w"] = _variable(tf, "kernel_v2", _gates_v2(weights["kernel"], 0.0))
        inputs["b"] = _variable(tf, "bias_v2", _gates_v2(weights["bias"], forget_bias))
        outputs = tf.raw_ops.BlockLSTMV2(**inputs, cell_clip=max(o.cell_clip, 0.0), name="BlockLSTMV2")
    else:
        outputs = tf.raw_ops.BlockLSTM(**inputs, forget_bias=forget_bias, cell_clip=o.cell_clip, name="BlockLSTM")
    return outputs.cs, outputs.h, outputs.o


def zeros(tf, shape, form: str):
    """Zeros as TensorFlow 1 wrote them: a constant, or a Fill where that would be big."""
    if form == "const":
        return tf.constant(np.zeros(shape, np.float32), name="zeros")
    dims, value = tf.constant(shape, name="zeros/shape_as_tensor"), tf.constant(0.0, name="zeros/Const")
    return tf.raw_ops.Fill(dims=dims, value=value, name="zeros")


def _gates_v2(array: np.ndarray, forget_bias: float) -> np.ndarray:
    """BlockLSTM's gate order i, c, f, o to BlockLSTMV2's i, f, c, o, which has no forget bias of its own."""
    i, c, f, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, f + np.float32(forget_bias), c, o], axis=-1)


def _last(tf, data, index, batch, units, form):
    """data[index[b], b]: Gather over a Reshape up to about TensorFlow 1.11, GatherNd since."""
    if form == "gather_nd":
        return tf.raw_ops.GatherNd(params=data, indices=tf.stack([index, tf.range(batch)], axis=1), name="GatherNd")
    rows = tf.multiply(index, batch, name="mul")
    rows = tf.raw_ops.Add(x=rows, y=tf.range(batch), name="add")
    flat = tf.reshape(data, [-1, units])
    if form == "gather":
        return tf.raw_ops.Gather(params=flat, indices=rows, validate_indices=True, name="Gather")
    return tf.raw_ops.GatherV2(params=flat, indices=rows, axis=tf.constant(0, name="GatherV2/axis"), name="GatherV2")


def _variable(tf, name, value):
    return tf.identity(tf.constant(value, name=name), name=f"{name}/read")
