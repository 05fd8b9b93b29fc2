"""Models in the manner of others that carry a state, small: LSTM cells in plain operations, all sizes different."""

import numpy as np

from tests.graphs.foreign import _assign, _foreign, _variable
from tests.graphs.rnn import cell_of, control_flow_as


def _cell(tf, weights, x, c, h, *, projection=None, name):
    """One step as TensorFlow 1's LSTMCell writes it; weights: (kernel, bias)."""
    kernel, bias = weights
    with tf.name_scope(name):
        i, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([x, h], 1), kernel), bias), 4, 1)
        c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * tf.tanh(c)
        return c, h if projection is None else tf.matmul(h, projection)


@_foreign
def packed_language_model(tf, weights, placeholder, steps=2):
    """Two layers with a projection, c and h of each side by side in one variable `[B, C + P]` (lm_1b is like that)."""
    x = placeholder("tokens/embedded", [2, steps, 5])
    inputs = [x[:, step] for step in range(steps)]
    cells, projected = (9, 7), (4, 3)
    updates, resets, names = [], [], []
    for layer, (units, size) in enumerate(zip(cells, projected, strict=True)):
        name = f"lstm/lstm_{layer}"
        variable = _variable(tf, f"{name}/state", [2, units + size])
        read = tf.raw_ops.Identity(input=variable, name=f"{name}/state/read")
        c, h = tf.slice(read, [0, 0], [-1, units]), tf.slice(read, [0, units], [-1, size])
        matrices = weights(int(inputs[0].shape[1]) + size, 4 * units), weights(4 * units)
        projection = weights(units, size)
        outputs = []
        for step, frame in enumerate(inputs):
            c, h = _cell(tf, matrices, frame, c, h, projection=projection, name=f"{name}/step_{step}")
            outputs.append(h)
        updates.append(_assign(tf, variable, tf.concat([c, h], 1)))
        resets.append(_assign(tf, variable, tf.zeros([2, units + size])))
        names.append(variable.op.name)
        inputs = outputs
    scores = tf.matmul(tf.concat(inputs, 0), weights(projected[-1], 6))
    tf.group(*resets, name="reset")
    with tf.control_dependencies(updates):
        tf.nn.softmax(scores, name="softmax_out")
    return ["softmax_out"], "reset", names


@_foreign
def keyword_spotter(tf, weights, placeholder, same=False):
    """One frame a call, the LSTM's state is fed by the caller. same: the frame is as wide as the state."""
    units = 8
    x = placeholder("input_audio", [1, units if same else 5])
    c, h = placeholder("lstm/input_state1", [1, units]), placeholder("lstm/input_state2", [1, units])
    matrices = weights(int(x.shape[1]) + units, 4 * units), weights(4 * units)
    new_c, new_h = _cell(tf, matrices, x, c, h, name="lstm/cell")
    tf.identity(new_c, name="output_state1")
    tf.identity(new_h, name="output_state2")
    tf.nn.softmax(tf.matmul(new_h, weights(units, 3)) + weights(3), name="scores")
    return ["scores", "output_state1", "output_state2"]


@_foreign
def stacked_states(tf, weights, placeholder):
    """All layers' states in one input `[1, layers, units, 2]`, as DTLN has them (h before c)."""
    units, layers = 7, 3
    x, states = placeholder("frames", [1, 5]), placeholder("in_states", [1, layers, units, 2])
    new_h, new_c = [], []
    for layer in range(layers):
        h, c = states[:, layer, :, 0], states[:, layer, :, 1]
        kernel, recurrent, bias = weights(int(x.shape[1]), 4 * units), weights(units, 4 * units), weights(4 * units)
        z = tf.nn.bias_add(tf.matmul(x, kernel) + tf.matmul(h, recurrent), bias)
        i, f, g, o = tf.split(z, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        x = h = tf.sigmoid(o) * tf.tanh(c)
        new_h.append(h)
        new_c.append(c)
    tf.sigmoid(tf.matmul(x, weights(units, 4)), name="mask")
    parts = [tf.reshape(tf.stack(part, 0), [1, layers, units]) for part in (new_h, new_c)]
    tf.stack(parts, -1, name="out_states")
    return ["mask", "out_states"]


@_foreign
def stopped_steps(tf, weights, placeholder, steps=4):
    """`static_rnn` with lengths, its states in variables."""
    units = 7
    x, lengths = placeholder("frames", [3, steps, 5]), placeholder("lengths", [3], np.int32)
    variables = [_variable(tf, name, [3, units]) for name in "ch"]
    initial = tuple(tf.raw_ops.Identity(input=each, name=f"{each.op.name}/read") for each in variables)
    with control_flow_as("v1"):
        cell = cell_of(tf, weights(5 + units, 4 * units), weights(4 * units))
        out, last = tf.compat.v1.nn.static_rnn(
            cell, tf.unstack(x, steps, 1), initial_state=initial, sequence_length=lengths
        )
    tf.group(*(_assign(tf, each, tf.zeros([3, units])) for each in variables), name="reset")
    with tf.control_dependencies([_assign(tf, each, new) for each, new in zip(variables, last, strict=True)]):
        tf.stack(out, 1, name="out")
    return ["out"], "reset", list("ch")


def looped_cell(kind: str, *, cut_off: bool = False):
    """A loop of `dynamic_rnn` that keeps its state in variables. kind: 'v1', 'v1, resources' or 'v2, resources': the
    control flow, and the variables. cut_off: freeze it for an output that does not need the assignments.

    Returns (the graph with all variables frozen, frames and what TensorFlow makes of them call after call, variable →
    its value before)."""
    from tests.graphs.rnn import lstm_cells
    from tests.support.reference import tensorflow

    tf = tensorflow()
    tf1, cells, resource = tf.compat.v1, lstm_cells(), kind.endswith("resources")
    with control_flow_as(kind[:2]), tf.Graph().as_default() as graph, tf1.Session() as session:
        tf1.set_random_seed(1)
        x = tf1.placeholder(tf.float32, [2, None, 5], "frames")
        begin = tf1.random_uniform_initializer(-0.5, 0.5)
        states = [tf1.get_variable(f"net/{part}", [2, 7], use_resource=resource, initializer=begin) for part in "ch"]
        first = cells.LSTMStateTuple(*(tf.identity(state) for state in states))
        with tf1.variable_scope("", initializer=tf1.random_normal_initializer(stddev=0.5)):
            out, last = tf1.nn.dynamic_rnn(cells.BasicLSTMCell(7), x, initial_state=first)
        with tf.control_dependencies([tf1.assign(state, new) for state, new in zip(states, last, strict=True)]):
            tf.identity(out, name="out")
        kept = out.op.name if cut_off else "out"
        session.run(tf1.global_variables_initializer())
        initial = {state.op.name: session.run(state) for state in states}
        frozen = tf1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [kept])
        frames = np.random.default_rng(0).standard_normal((4, 2, 3, 5)).astype(np.float32)
        outputs = [session.run("out:0", {"frames:0": each}) for each in frames]
    return frozen.SerializeToString(), frames, outputs, initial
