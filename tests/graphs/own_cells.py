"""Recurrent cells that people write themselves: LSTMs in other words, and what only looks like one."""

from collections.abc import Callable


def cell(kind: str, units: int):
    """An RNNCell whose step is that of `STEPS`, for TensorFlow's functions that take cells."""
    from tests.graphs.rnn import lstm_cells
    from tests.support.reference import tensorflow

    tf = tensorflow()

    class Cell(lstm_cells().RNNCell):
        output_size, state_size = units, (units, units)

        def __call__(self, x, states, scope=None):
            with tf.compat.v1.variable_scope(kind, reuse=tf.compat.v1.AUTO_REUSE):
                c, h = STEPS[kind](tf, _variable(tf), x, *states)
            return h, (c, h)

    return Cell()


def with_dropout(cell):
    """What DropoutWrapper makes of a cell, its input, output and hidden state dropped; an input 'keep_prob' decides."""
    from tests.graphs.rnn import lstm_cells
    from tests.support.reference import tensorflow

    tf = tensorflow()
    keep = tf.compat.v1.placeholder(tf.float32, None, "keep_prob")

    def dropped(x):
        return tf.compat.v1.nn.dropout(x, keep_prob=keep)

    class Cell(lstm_cells().RNNCell):
        output_size, state_size = cell.output_size, cell.state_size

        def __call__(self, x, states, scope=None):
            h, (c, state) = cell(dropped(x), states, scope)
            return dropped(h), lstm_cells().LSTMStateTuple(c, dropped(state))

    return Cell()


def _variable(tf) -> Callable:
    return lambda name, *shape: tf.compat.v1.get_variable(name, shape)


def _gates(tf, variable, x, h, names: str) -> list:
    """z of each gate, each with weights of its own."""
    units = int(h.shape[-1])
    return [
        tf.matmul(h, variable(f"r_{n}", units, units)) + tf.matmul(x, variable(f"w_{n}", int(x.shape[-1]), units))
        + variable(f"bias_{n}", units)
        for n in names
    ]  # fmt: skip


def by_hand(tf, variable, x, c, h):
    i, f, g, o = _gates(tf, variable, x, h, "ifgo")
    c = tf.sigmoid(i) * tf.tanh(g) + c * tf.sigmoid(f)
    return c, tf.tanh(c) * tf.sigmoid(o)


def state_first(tf, variable, x, c, h):
    """[h, x] · W, cut by slices; a bias for each of h and x, as PyTorch has them."""
    units = int(h.shape[-1])
    z = tf.matmul(tf.concat([h, x], 1), variable("w", units + int(x.shape[-1]), 4 * units))
    z = z + variable("bias_x", 4 * units) + variable("bias_h", 4 * units)
    o, f, g, i = (z[:, start * units : (start + 1) * units] for start in range(4))
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return c, tf.sigmoid(o) * tf.tanh(c)


def scaled(tf, variable, x, c, h):
    """Other activations: LeCun's tanh, gates of relu6, a linear candidate."""
    i, f, g, o = _gates(tf, variable, x, h, "ifgo")
    c = tf.nn.relu6(f + 3.0) / 6.0 * c + tf.nn.relu6(i + 3.0) / 6.0 * g
    return c, tf.sigmoid(o) * (1.7159 * tf.tanh(2 / 3 * c))


def silu(tf, variable, x, c, h):
    i, f, g, o = _gates(tf, variable, x, h, "ifgo")
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * (g * tf.sigmoid(g))
    return c, tf.sigmoid(o) * tf.nn.leaky_relu(c, 0.3)


def coupled(tf, variable, x, c, h):
    """What the input gate lets in, the forget gate lets go."""
    i, g, o = _gates(tf, variable, x, h, "igo")
    c = (1 - tf.sigmoid(i)) * c + tf.sigmoid(i) * tf.tanh(g)
    return c, tf.sigmoid(o) * tf.tanh(c)


def indy(tf, variable, x, c, h):
    """IndyLSTM: each cell reads its own hidden state alone."""
    units = int(h.shape[-1])
    i, f, g, o = (
        tf.matmul(x, variable(f"w_{n}", int(x.shape[-1]), units)) + h * variable(f"u_{n}", units) for n in "ifgo"
    )
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return c, tf.sigmoid(o) * tf.tanh(c)


def layer_norm(tf, variable, x, c, h):
    """LayerNormBasicLSTMCell: each gate is normalised over the cells."""

    def normed(z, name):
        mean, variance = tf.nn.moments(z, [1], keepdims=True)
        return (z - mean) * tf.math.rsqrt(variance + 1e-3) * variable(f"gamma_{name}", int(z.shape[-1]))

    i, f, g, o = (normed(z, name) for z, name in zip(_gates(tf, variable, x, h, "ifgo"), "ifgo", strict=True))
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return c, tf.sigmoid(o) * tf.tanh(normed(c, "c"))


def grouped(tf, variable, x, c, h):
    """GLSTMCell: two halves that do not see each other."""
    parts = []
    halves = zip((x[:, :2], x[:, 2:]), tf.split(h, 2, 1), tf.split(c, 2, 1), strict=True)
    for name, (part_x, part_h, part_c) in enumerate(halves):
        i, f, g, o = _gates(tf, lambda key, *shape, n=name: variable(f"{key}_{n}", *shape), part_x, part_h, "ifgo")
        new = tf.sigmoid(f) * part_c + tf.sigmoid(i) * tf.tanh(g)
        parts.append((new, tf.sigmoid(o) * tf.tanh(new)))
    return tuple(tf.concat(both, 1) for both in zip(*parts, strict=True))


def crossed(tf, variable, x, c, h):
    """What looks like a peephole connection, but is of tanh(c)."""
    i, f, g, o = _gates(tf, variable, x, h, "ifgo")
    c = tf.sigmoid(f + tf.tanh(c) * variable("p", int(c.shape[-1]))) * c + tf.sigmoid(i) * tf.tanh(g)
    return c, tf.sigmoid(o) * tf.tanh(c)


STEPS = {
    step.__name__: step for step in (by_hand, state_first, scaled, silu, coupled, indy, layer_norm, grouped, crossed)
}
