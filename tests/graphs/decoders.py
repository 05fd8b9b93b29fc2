"""Models of other families, small: decoders whose LSTM reads what it made itself, and a transformer's block.

Frozen graphs with random weights: `memory` `[2, 3, 6]`, what an encoder made → `out`.
"""

import functools

from tests.graphs.rnn import control_flow_as, freeze, lstm_cells

BATCH, MEMORY, WIDTH, STEPS = 2, 3, 6, 5


@functools.lru_cache(maxsize=8)
def decoder(kind: str, control: str = "v1") -> bytes:
    """kind: 'gnmt' or 'tacotron'; control: 'v1' (TensorFlow 1's control flow) or 'v2' (While)."""
    from tests.support.reference import tensorflow

    tf = tensorflow()
    tf1 = tf.compat.v1
    with control_flow_as(control), tf.Graph().as_default() as graph:
        memory = tf1.placeholder(tf.float32, [BATCH, MEMORY, WIDTH], "memory")
        with tf1.variable_scope("net", initializer=tf1.random_normal_initializer(stddev=0.5)):
            step, width = {"gnmt": _gnmt, "tacotron": _tacotron}[kind](tf, memory)
            size = tf.constant(0), tf.zeros([BATCH, width]), (_zeros(tf, 4), _zeros(tf, 7))

            def body(time, fed, states, outputs):
                out, states = step(fed, states)
                return time + 1, out, states, outputs.write(time, out)

            first = *size, tf.TensorArray(tf.float32, STEPS, element_shape=[BATCH, width])
            outputs = tf1.while_loop(lambda time, *_: time < STEPS, body, first)[3]
        tf.identity(outputs.stack(), name="out")
        return freeze(tf1, graph, ["out"])


@functools.lru_cache(maxsize=1)
def transformer() -> bytes:
    """A block of a transformer: attention with three heads and dense layers, each with a layer norm; no recurrence."""
    from tests.support.reference import tensorflow

    tf = tensorflow()
    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [BATCH, MEMORY, WIDTH], "memory")
        with tf1.variable_scope("net", initializer=tf1.random_normal_initializer(stddev=0.5)):
            heads = [
                tf.transpose(tf.reshape(_dense(tf, x, WIDTH, name), [BATCH, MEMORY, 3, 2]), [0, 2, 1, 3])
                for name in ("query", "key", "value")
            ]
            scores = tf.nn.softmax(tf.matmul(heads[0], heads[1], transpose_b=True) / 2**0.5)
            joined = tf.reshape(tf.transpose(tf.matmul(scores, heads[2]), [0, 2, 1, 3]), [BATCH, MEMORY, WIDTH])
            x = _norm(tf, x + _dense(tf, joined, WIDTH, "joined"), "attention")
            x = _norm(tf, x + _dense(tf, tf.nn.relu(_dense(tf, x, 11, "wide")), WIDTH, "narrow"), "dense")
        tf.identity(x, name="out")
        return freeze(tf1, graph, ["out"])


def _gnmt(tf, memory):
    """The first of two cells attends; each reads the context, the second the first's output too, and passes it by."""
    first, second = (lstm_cells().BasicLSTMCell(units, name=f"lstm_{units}") for units in (4, 7))

    def step(fed, states):
        context = _attend(tf, memory, fed[:, :4])
        h, one = first(tf.concat([fed, context], 1), states[0])
        out, two = second(tf.concat([h, context], 1), states[1])
        return out + _dense(tf, h, 7, "residual"), (one, two)

    return step, 7


def _tacotron(tf, memory):
    """The frame made last goes through a prenet to the attending cell, and from a second cell comes the next frame."""
    attending, making = (lstm_cells().LSTMCell(units, name=f"lstm_{units}") for units in (4, 7))

    def step(frame, states):
        prenet = tf.nn.relu(_dense(tf, tf.nn.relu(_dense(tf, frame, 8, "prenet")), 5, "prenet_1"))
        context = _attend(tf, memory, states[0][1])
        h, one = attending(tf.concat([prenet, context], 1), states[0])
        out, two = making(tf.concat([h, context], 1), states[1])
        return _dense(tf, tf.concat([out, context], 1), 9, "frame"), (one, two)

    return step, 9


def _zeros(tf, units: int):
    return lstm_cells().LSTMStateTuple(tf.zeros([BATCH, units]), tf.zeros([BATCH, units]))


def _attend(tf, memory, query):
    scores = tf.reduce_sum(memory * tf.expand_dims(_dense(tf, query, WIDTH, "query"), 1), 2)
    return tf.reduce_sum(tf.expand_dims(tf.nn.softmax(scores), 2) * memory, 1)


def _dense(tf, x, units: int, name: str):
    return tf.tensordot(x, tf.compat.v1.get_variable(name, [x.shape[-1], units]), 1)


def _norm(tf, x, name: str):
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    scale = tf.compat.v1.get_variable(f"{name}_scale", [x.shape[-1]])
    return (x - mean) * tf.math.rsqrt(variance + 1e-5) * scale
