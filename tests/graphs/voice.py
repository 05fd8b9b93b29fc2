"""A voice activity detector, its state in variables: frames of 13 MFCCs → the probability of speech in each."""

from tests.graphs.foreign import _assign, _foreign, _variable
from tests.graphs.fused import wrapped
from tests.graphs.rnn import cell_of, control_flow_as

UNITS, STEPS = 9, 8


@_foreign
def voice_detector(tf, weights, placeholder, form="fused"):
    """form: 'fused' (BlockLSTM) or 'loop' (`dynamic_rnn`)."""
    x = tf.transpose(placeholder("mfccs", [1, STEPS, 13]), [1, 0, 2])
    kept = [_variable(tf, f"vad/{part}", [1, UNITS]) for part in "ch"]
    c, h = (tf.raw_ops.Identity(input=each, name=f"{each.op.name}/read") for each in kept)
    if form == "fused":
        out, *new = wrapped(tf, weights, x, UNITS, c, h)
    else:
        with control_flow_as("v1"):
            cell = cell_of(tf, weights(13 + UNITS, 4 * UNITS), weights(4 * UNITS))
            out, new = tf.compat.v1.nn.dynamic_rnn(cell, x, initial_state=(c, h), time_major=True)
    flat = tf.matmul(tf.reshape(out, [-1, UNITS]), weights(UNITS, 1))
    with tf.control_dependencies([_assign(tf, each, value) for each, value in zip(kept, new, strict=True)]):
        tf.sigmoid(tf.reshape(flat, [STEPS]), name="speech")
    tf.group(*(_assign(tf, each, tf.zeros(each.shape)) for each in kept), name="reset")
    return ["speech"], "reset", [each.op.name for each in kept]
