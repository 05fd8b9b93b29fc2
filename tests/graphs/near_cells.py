"""Cells that are nearly an LSTM's, and none: what `tf.contrib.rnn` and papers made of it."""

import functools

from tests.graphs.rnn import INPUT, control_flow_as, freeze, lstm_cells

UNITS, STEPS = 6, 3


@functools.lru_cache(maxsize=16)
def near_miss(kind: str) -> bytes:
    """x [3, STEPS, INPUT] → out, the last hidden state, step by step. kind: one of CELLS."""
    from tests.support.reference import tensorflow

    tf = tensorflow()
    tf1 = tf.compat.v1
    with control_flow_as("v1"), tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [3, STEPS, INPUT], "x")
        with tf1.variable_scope("net", initializer=tf1.random_normal_initializer(stddev=0.5, seed=4)):
            out, _ = tf1.nn.static_rnn(_cell(tf, CELLS[kind]), tf.unstack(x, STEPS, 1), dtype=tf.float32)
        tf.identity(out[-1], name="out")
        return freeze(tf1, graph, ["out"])


def _cell(tf, step):
    class Cell(lstm_cells().RNNCell):
        output_size, state_size = UNITS, (UNITS, UNITS)

        def __call__(self, x, states, scope=None):
            with tf.compat.v1.variable_scope("cell", reuse=tf.compat.v1.AUTO_REUSE):
                c, h = step(tf, x, *states)
            return h, (c, h)

    return Cell()


def _weights(tf, name: str, *sizes: int):
    return tf.compat.v1.get_variable(name, sizes)


def _gates(tf, x, h, count: int, name: str = "kernel"):
    product = tf.matmul(tf.concat([x, h], 1), _weights(tf, name, INPUT + UNITS, count * UNITS))
    return tf.nn.bias_add(product, _weights(tf, f"{name}_bias", count * UNITS))


def _out(tf, c, o):
    return c, tf.sigmoid(o) * tf.tanh(c)


def _coupled(tf, x, c, h):
    """Coupled gates: what is forgotten is what is written (CoupledInputForgetGateLSTMCell)."""
    f, j, o = tf.split(_gates(tf, x, h, 3), 3, 1)
    forget = tf.sigmoid(f)
    return _out(tf, c * forget + (1 - forget) * tf.tanh(j), o)


def _independent(tf, x, c, h):
    """Every unit sees its own hidden state alone (IndyLSTMCell)."""
    recurrent = tf.tile(h, [1, 4]) * _weights(tf, "recurrent", 4 * UNITS)
    product = tf.matmul(x, _weights(tf, "kernel", INPUT, 4 * UNITS)) + recurrent
    i, j, f, o = tf.split(tf.nn.bias_add(product, _weights(tf, "bias", 4 * UNITS)), 4, 1)
    return _out(tf, tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j), o)


def _normalised(tf, x, c, h):
    """Layer norms of the gates (LayerNormBasicLSTMCell)."""

    def norm(gate, name):
        mean, variance = tf.nn.moments(gate, [1], keepdims=True)
        offset, scale = (_weights(tf, f"{name}_{part}", UNITS) for part in ("beta", "gamma"))
        return tf.nn.batch_normalization(gate, mean, variance, offset, scale, 1e-12)

    gates = tf.split(_gates(tf, x, h, 4), 4, 1)
    i, j, f, o = (norm(gate, name) for gate, name in zip(gates, "ijfo", strict=True))
    return _out(tf, tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j), o)


def _grouped(tf, x, c, h):
    """Two groups with a kernel each over half of the state (GLSTMCell)."""
    parts = []
    for group, part in enumerate(tf.split(h, 2, 1)):
        product = tf.matmul(tf.concat([x, part], 1), _weights(tf, f"kernel_{group}", INPUT + UNITS // 2, 2 * UNITS))
        parts.append(tf.split(tf.nn.bias_add(product, _weights(tf, f"bias_{group}", 2 * UNITS)), 4, 1))
    i, j, f, o = (tf.concat(pair, 1) for pair in zip(*parts, strict=True))
    return _out(tf, tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j), o)


def _gru_block(tf, x, c, h):
    """GRUBlockCell: one operation, as an LSTMBlockCell is."""
    sizes = ((INPUT + UNITS, 2 * UNITS), (INPUT + UNITS, UNITS), (2 * UNITS,), (UNITS,))
    w_ru, w_c, b_ru, b_c = (_weights(tf, f"part_{number}", *size) for number, size in enumerate(sizes))
    return c, tf.raw_ops.GRUBlockCell(x=x, h_prev=h, w_ru=w_ru, w_c=w_c, b_ru=b_ru, b_c=b_c).h


def _fed_back(tf, x, c, h):
    """A plain LSTM whose next input depends on its last output, as a decoder's does."""
    x = tf.tanh(tf.matmul(h, _weights(tf, "feedback", UNITS, INPUT))) + x
    i, j, f, o = tf.split(_gates(tf, x, h, 4), 4, 1)
    return _out(tf, tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j), o)


CELLS = {
    "coupled": _coupled,
    "independent": _independent,
    "normalised": _normalised,
    "grouped": _grouped,
    "gru_block": _gru_block,
    "fed_back": _fed_back,
}
