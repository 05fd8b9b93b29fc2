"""LSTM loops as `dynamic_rnn`, `bidirectional_dynamic_rnn` and `static_rnn` write them, and near misses of them.

Frozen graphs with random weights, biases included, and with sizes that all differ.
"""

import contextlib
import functools
from dataclasses import dataclass, field

import numpy as np

from tests.graphs.cuts import CUTS

INPUT, HIDDEN = 5, (4, 7)


@dataclass(frozen=True)
class RnnGraph:
    """time_major: the layout of `x`. states: names of the tensors of last states. lengths: the type of the input
    `lengths`, '' without one; initial: names of state inputs and their sizes; steps: the only T, 0 for any."""

    graph_def: bytes
    time_major: bool
    lengths: str
    states: tuple[str, ...]
    initial: dict[str, int] = field(default_factory=dict)
    steps: int = 0

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("out:0", *self.states)

    def feeds(self, steps: int, lengths: list[int], seed: int = 3) -> dict[str, np.ndarray]:
        """len(lengths) rows of noise."""
        rng = np.random.default_rng(seed)
        shape = (steps, len(lengths), INPUT) if self.time_major else (len(lengths), steps, INPUT)
        feeds = {"x:0": rng.standard_normal(shape).astype(np.float32)}
        if self.lengths:
            feeds["lengths:0"] = np.array(lengths, self.lengths)
        for name, size in self.initial.items():
            feeds[f"{name}:0"] = rng.standard_normal((len(lengths), size)).astype(np.float32)
        return feeds


@functools.lru_cache(maxsize=32)
def dynamic(
    *,
    cell: str = "basic",
    layers: int = 1,
    lengths: bool | str = False,
    time_major: bool = False,
    both: bool = False,
    given: bool = False,
    control_flow: str = "v1",
    static: int = 0,
    cut: str = "unstack",
    pick: tuple[int, ...] = (),
    reversed_input: bool = False,
) -> RnnGraph:
    """cell: 'basic' (BasicLSTMCell), 'lstm' (LSTMCell), another of `_cell`, or one of
    `own_cells.STEPS`. lengths: with an input of them, or its type ('int32' if True). both: bidirectional. given: the
    initial state is an input. control_flow: 'v1' (Enter, Merge, Switch…) or 'v2' (While). static: static_rnn over so
    many steps instead of a loop, `cut` as in CUTS. pick: of these only some go to the output.
    reversed_input: time runs backwards, in the output too."""
    from tests.support.reference import tensorflow

    tf = tensorflow()
    tf1 = tf.compat.v1
    initial = {}
    with control_flow_as(control_flow), tf.Graph().as_default() as graph:
        tf1.set_random_seed(4)
        steps, axis = static or None, 0 if time_major else 1
        shape = [steps, None, INPUT] if time_major else [None, steps, INPUT]
        x = tf1.placeholder(tf.float32, shape, "x")
        kind = "int32" if lengths is True else lengths or ""
        rows = tf1.placeholder(kind, [None], name="lengths") if kind else None
        state = None
        if given:
            size = HIDDEN[1] if both else HIDDEN[0]
            initial = {f"initial_{part}": size for part in "ch"}
            parts = [tf1.placeholder(tf.float32, [None, size], name=name) for name in initial]
            state = lstm_cells().LSTMStateTuple(*parts)
        with tf1.variable_scope("net", initializer=tf1.random_normal_initializer(stddev=0.5)):
            cells = [_cell(tf, cell, HIDDEN[number]) for number in range(layers)]
            stack = cells[0] if layers == 1 else lstm_cells().MultiRNNCell(cells)
            options = {"sequence_length": rows, "dtype": tf.float32}
            if both:
                other = _cell(tf, cell, HIDDEN[1])
                if given:
                    options["initial_state_bw"] = state
                out, last = tf1.nn.bidirectional_dynamic_rnn(stack, other, x, time_major=time_major, **options)
                out = tf.concat(out, 2)
            elif static:
                parts = CUTS[cut](tf, x, static, axis)
                out, last = tf1.nn.static_rnn(stack, parts, initial_state=state, **options)
                out = tf.stack([out[step] for step in pick or range(static)], axis)
            else:
                if reversed_input:
                    x = tf.reverse(x, [0 if time_major else 1])
                out, last = tf1.nn.dynamic_rnn(stack, x, initial_state=state, time_major=time_major, **options)
        tf.identity(out, name="out")
        states = tf.nest.flatten(last)
        for number, each in enumerate(states):
            tf.identity(each, name=f"state_{number}")
        names = tuple(f"state_{number}" for number in range(len(states)))
        graph_def = freeze(tf1, graph, ["out", *names])
    return RnnGraph(graph_def, time_major, kind, tuple(f"{name}:0" for name in names), initial, static)


@functools.lru_cache(maxsize=4)
def first_release(
    *, prefix: str = "", decoder: bool = True, context: int = 9, n_input: int = 3, relu_clip=20.0,
    widths: tuple[int, ...] = (14, 13, 12, 8, 11), deviation: float = 0.5,
) -> bytes:  # fmt: skip
    """DeepSpeech v0.1's inference graph: `input_node` `[B, T, (2·context+1)·n_input]`, `input_lengths` → `logits`.

    Node for node what `BiRNN` and the export of mozilla/DeepSpeech v0.1 make. widths: of dense 1, 2, 3, the cells and
    dense 5, narrow ones by default; deviation: of the cells' random weights.
    """
    from tests.support.reference import tensorflow

    tf = tensorflow()
    tf1 = tf.compat.v1
    rng = np.random.default_rng(11)
    size = (2 * context + 1) * n_input
    one, two, three, units, five = widths
    with control_flow_as("v1"), tf.Graph().as_default() as graph:
        tf1.set_random_seed(5)
        scope = tf1.name_scope(prefix) if prefix else contextlib.nullcontext()
        with scope:
            batch_x = tf1.placeholder(tf.float32, [None, None, size], name="input_node")
            lengths = tf1.placeholder(tf.int32, [None], name="input_lengths")
            batch = tf.shape(batch_x)
            x = tf.reshape(tf.transpose(batch_x, [1, 0, 2]), [-1, size])

            def dense(x, rows, columns, clipped=True):
                weights = tf.identity(tf.constant(rng.standard_normal((rows, columns)).astype(np.float32) / rows**0.5))
                bias = tf.identity(tf.constant(rng.standard_normal(columns).astype(np.float32)))
                x = tf.add(tf.matmul(x, weights), bias)
                return tf.minimum(tf.nn.relu(x), relu_clip) if clipped else x

            x = dense(dense(dense(x, size, one), one, two), two, three)
            x = tf.reshape(x, [-1, batch[0], three])
            with tf1.variable_scope("net", initializer=tf1.random_normal_initializer(stddev=deviation)):
                cells = [lstm_cells().BasicLSTMCell(units, forget_bias=1.0, state_is_tuple=True) for _ in range(2)]
                out, _ = tf1.nn.bidirectional_dynamic_rnn(
                    *cells, inputs=x, dtype=tf.float32, time_major=True, sequence_length=tf.cast(lengths, tf.int64)
                )
            x = tf.reshape(tf.concat(out, 2), [-1, 2 * units])
            x = dense(dense(x, 2 * units, five), five, 10, clipped=False)
            logits = tf.reshape(x, [-1, batch[0], 10], name="logits")
            if decoder:
                decoded, _ = tf1.nn.ctc_beam_search_decoder(logits, lengths, merge_repeated=False)
                tf.convert_to_tensor([tf1.sparse_tensor_to_dense(each) for each in decoded], name="output_node")
        name = "output_node" if decoder else "logits"
        return freeze(tf1, graph, [f"{prefix}/{name}" if prefix else name])


@functools.lru_cache(maxsize=2)
def inside(kind: str) -> bytes:
    """A dynamic_rnn inside of another 'loop', or of a 'condition'; 'behind' a condition."""
    from tests.support.reference import tensorflow

    tf = tensorflow()
    tf1 = tf.compat.v1
    with control_flow_as("v1"), tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [None, 2, INPUT], "x")
        flag = tf1.placeholder(tf.bool, [], "flag")
        with tf1.variable_scope("net", initializer=tf1.random_normal_initializer(stddev=0.5)):
            cell = lstm_cells().BasicLSTMCell(HIDDEN[0])

            def run(x):
                return tf1.nn.dynamic_rnn(cell, x, dtype=tf.float32, time_major=True)[0]

            if kind == "loop":
                first = tf.constant(0), tf.zeros([])

                def step(time, total):
                    return time + 1, total + tf.reduce_sum(run(x * total))

                out = tf1.while_loop(lambda time, _: time < 3, step, first)[1]
            elif kind == "condition":
                out = tf1.cond(flag, lambda: run(x), lambda: tf.zeros([1, 2, HIDDEN[0]]))
            else:
                out = run(tf1.cond(flag, lambda: x * 2, lambda: x))
        tf.identity(out, name="out")
        return freeze(tf1, graph, ["out"])


def lstm_cells():
    from tensorflow.python.keras.layers.legacy_rnn import rnn_cell_impl

    return rnn_cell_impl


def cell_of(tf, kernel, bias, forget_bias=1.0):
    """A BasicLSTMCell of these weights, tensors or variables, for TensorFlow's functions that take cells."""
    units = int(bias.shape[0]) // 4

    class Cell(lstm_cells().RNNCell):
        output_size, state_size = units, (units, units)

        def __call__(self, x, states, scope=None):
            i, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([x, states[1]], 1), kernel), bias), 4, 1)
            c = tf.sigmoid(f + forget_bias) * states[0] + tf.sigmoid(i) * tf.tanh(j)
            h = tf.sigmoid(o) * tf.tanh(c)
            return h, (c, h)

    return Cell()


def _cell(tf, kind: str, units: int):
    from tests.graphs import own_cells

    make = lstm_cells()
    if kind in own_cells.STEPS:
        return own_cells.cell(kind, units)
    if kind == "dropout":
        return own_cells.with_dropout(make.LSTMCell(units))
    if kind == "gru":
        return make.GRUCell(units)
    if kind == "basic":
        return make.BasicLSTMCell(units, forget_bias=0.75)
    if kind.startswith(("block", "cudnn")):
        from tests.graphs.block_cells import block_cell

        return block_cell(tf, kind, units)
    options = {
        "lstm": {},
        "peephole": {"use_peepholes": True},
        "projection": {"num_proj": 3},
        "clip": {"cell_clip": 1.5},
        "relu": {"activation": tf.nn.relu},
    }[kind]
    return make.LSTMCell(units, **options)


@contextlib.contextmanager
def control_flow_as(kind: str):
    """TensorFlow 1's circles of nodes, or While with functions."""
    from tensorflow.python.ops import control_flow_util

    before = control_flow_util.ENABLE_CONTROL_FLOW_V2
    control_flow_util.ENABLE_CONTROL_FLOW_V2 = kind == "v2"
    try:
        yield
    finally:
        control_flow_util.ENABLE_CONTROL_FLOW_V2 = before


def freeze(tf1, graph, outputs: list[str]) -> bytes:
    config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with tf1.Session(graph=graph, config=config) as session:
        session.run(tf1.global_variables_initializer())
        rng = np.random.default_rng(6)
        for each in tf1.global_variables():  # zeros would hide the order of the gates
            if "bias" in each.name:
                each.load(rng.standard_normal(each.shape).astype(np.float32), session)
        frozen = tf1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), outputs)
    return frozen.SerializeToString(deterministic=True)
