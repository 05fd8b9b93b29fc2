"""Fused cells of TensorFlow 1's contrib, which TensorFlow 2 does not have: LSTMBlockCell, CudnnCompatibleLSTMCell."""

from tests.graphs.rnn import lstm_cells

# What tensorflow/contrib/rnn and contrib/cudnn_rnn give the operation, and near misses.
KINDS = {
    "block": {"forget_bias": 1.0, "cell_clip": -1.0},
    "cudnn": {"forget_bias": 0.0, "cell_clip": -1.0},
    "block_peephole": {"forget_bias": 1.0, "cell_clip": -1.0, "use_peephole": True},
    "block_clip": {"forget_bias": 0.5, "cell_clip": 0.4},
}


def block_cell(tf, kind: str, units: int):
    """A cell for TensorFlow's functions that take cells, one LSTMBlockCell operation a step."""
    tf1, attributes = tf.compat.v1, KINDS[kind]

    class LSTMBlockCell(lstm_cells().RNNCell):
        output_size, state_size = units, lstm_cells().LSTMStateTuple(units, units)

        def __call__(self, x, states, scope=None):
            with tf1.variable_scope(scope or "lstm_cell", reuse=tf1.AUTO_REUSE):
                kernel = tf1.get_variable("kernel", [int(x.shape[1]) + units, 4 * units])
                bias = tf1.get_variable("bias", [4 * units])
                if attributes.get("use_peephole"):
                    peepholes = [tf1.get_variable(f"w_{gate}_diag", [units]) for gate in "ifo"]
                else:
                    peepholes = [tf.zeros([units])] * 3
            wci, wcf, wco = peepholes
            made = tf.raw_ops.LSTMBlockCell(
                x=x, cs_prev=states[0], h_prev=states[1], w=kernel, wci=wci, wcf=wcf, wco=wco, b=bias, **attributes
            )
            return made.h, lstm_cells().LSTMStateTuple(made.cs, made.h)

    return LSTMBlockCell()
