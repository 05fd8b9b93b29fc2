"""Models that are not DeepSpeech: what a converter plugin must leave alone, or may handle by general passes."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.graphs.finish import finish


@dataclass(frozen=True)
class ForeignGraph:
    """`inputs`: tensor name → (numpy dtype, shape); `states`: the variables a run of `outputs` updates."""

    graph_def: bytes
    inputs: dict[str, tuple[type, tuple[int, ...]]]
    outputs: tuple[str, ...]
    reset: str | None = None
    states: tuple[str, ...] = field(default=())

    def feeds(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Random values for every input: normal floats, small non-negative integers."""
        rng = np.random.default_rng(seed)
        return {
            name: (rng.integers(0, 5, shape) if issubclass(kind, np.integer) else rng.standard_normal(shape)).astype(
                kind
            )
            for name, (kind, shape) in self.inputs.items()
        }

    def save(self, path) -> Path:
        path = Path(path)
        path.write_bytes(self.graph_def)
        return path


def _foreign(build):
    """Turns `build(tf, weights, placeholder)`, which returns the output names (and more), into a cached maker."""

    @functools.lru_cache(maxsize=8)
    @functools.wraps(build)
    def make(**options) -> ForeignGraph:
        from tests.support.reference import tensorflow

        tf = tensorflow()
        rng = np.random.default_rng(7)
        inputs = {}

        def placeholder(name, shape, dtype=np.float32):
            inputs[f"{name}:0"] = (dtype, tuple(shape))
            return tf.compat.v1.placeholder(dtype, shape, name=name)

        def weights(*shape, name=None):
            value = rng.standard_normal(shape) / np.sqrt(shape[0] if len(shape) == 2 else 4)
            return tf.constant(value.astype(np.float32), name=name or "weights")

        with tf.Graph().as_default() as graph:
            result = build(tf, weights, placeholder, **options)
        outputs, reset, states = result if isinstance(result, tuple) else (result, None, ())
        keep = [*outputs, *([reset] if reset else [])]
        graph_def = finish(graph.as_graph_def(), keep)
        tensors = tuple(f"{name}:0" for name in outputs)
        return ForeignGraph(graph_def.SerializeToString(deterministic=True), inputs, tensors, reset, tuple(states))

    return make


@_foreign
def classifier(tf, weights, placeholder, decays=False):
    """Three steps of an `LSTMCell` by `static_rnn`, the last one classified. decays: half of each state reaches the
    next step, so that the steps are no LSTMSequence, and stay cells."""
    from tests.graphs.rnn import cell_of

    cell = cell_of(tf, weights(11, 28), weights(28))
    frames = tf.unstack(placeholder("frames", [2, 3, 4]), axis=1)
    if decays:
        state = tf.zeros([2, 7]), tf.zeros([2, 7])
        for frame in frames:
            last, state = cell(frame, [0.5 * each for each in state])
    else:
        steps, _ = tf.compat.v1.nn.static_rnn(cell, frames, dtype=tf.float32)
        last = steps[-1]
    dense = tf.nn.bias_add(tf.matmul(last, weights(7, 5)), weights(5), name="dense")
    tf.nn.softmax(dense, name="scores")
    return ["scores"]


@_foreign
def cnn(tf, weights, placeholder):
    x = placeholder("image", [2, 16, 16, 3])
    x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, weights(3, 3, 3, 8), 1, "SAME"), weights(8)))
    x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    x = tf.reshape(x, [-1, 8 * 8 * 8])
    tf.nn.softmax(tf.matmul(x, weights(8 * 8 * 8, 5)), name="classes")
    return ["classes"]


@_foreign
def mlp(tf, weights, placeholder):
    x = placeholder("features", [3, 12])
    x = tf.nn.relu(tf.matmul(x, weights(12, 20)) + weights(20))
    tf.nn.sigmoid(tf.matmul(x, weights(20, 4)), name="scores")
    return ["scores"]


@_foreign
def gru(tf, weights, placeholder):
    """Unrolled in plain operations."""
    x, h = placeholder("frames", [5, 2, 6]), placeholder("state", [2, 9])
    gate_w, gate_b, new_w, new_b = weights(15, 18), weights(18), weights(15, 9), weights(9)
    for t in range(5):
        r, u = tf.split(tf.sigmoid(tf.matmul(tf.concat([x[t], h], 1), gate_w) + gate_b), 2, 1)
        candidate = tf.tanh(tf.matmul(tf.concat([x[t], r * h], 1), new_w) + new_b)
        h = u * h + (1 - u) * candidate
    tf.identity(h, name="new_state")
    return ["new_state"]


@_foreign
def gru_block(tf, weights, placeholder):
    """The fused GRU cell, two steps."""
    x, h = placeholder("frames", [2, 3, 6]), placeholder("state", [3, 9])
    parts = weights(15, 18), weights(15, 9), weights(18), weights(9)
    for t in range(2):
        h = tf.raw_ops.GRUBlockCell(x=x[t], h_prev=h, w_ru=parts[0], w_c=parts[1], b_ru=parts[2], b_c=parts[3]).h
    tf.identity(h, name="new_state")
    return ["new_state"]


@_foreign
def attention_step(tf, weights, placeholder):
    """One step of an attention decoder."""
    query, memory = placeholder("query", [2, 10]), placeholder("memory", [2, 7, 10])
    keys = tf.reshape(tf.matmul(tf.reshape(memory, [-1, 10]), weights(10, 10)), [2, 7, 10])
    scores = tf.matmul(keys, tf.expand_dims(query, 2))
    context = tf.reduce_sum(tf.nn.softmax(scores, 1) * memory, 1)
    tf.nn.softmax(tf.matmul(tf.concat([context, query], 1), weights(20, 6)), name="next_token")
    return ["next_token"]


def _block_lstm(tf, weights, x, units, c=None, h=None, name="BlockLSTM", forget_bias=1.0):
    steps, batch, width = x.shape
    zero = tf.constant(np.zeros((batch, units), np.float32), name="zero_state")
    none = tf.constant(np.zeros(units, np.float32), name="no_peephole")
    return tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(int(steps), tf.int64), x=x, cs_prev=zero if c is None else c,
        h_prev=zero if h is None else h, w=weights(width + units, 4 * units), wci=none, wcf=none, wco=none,
        b=weights(4 * units), forget_bias=forget_bias, cell_clip=-1.0, use_peephole=False, name=name,
    )  # fmt: skip


@_foreign
def embedding_lstm(tf, weights, placeholder):
    """A tagger: embedding, BlockLSTM from a constant zero state, dense."""
    tokens = placeholder("tokens", [3, 8], np.int32)
    x = tf.transpose(tf.gather(weights(20, 6, name="embedding"), tokens), [1, 0, 2])
    hidden = _block_lstm(tf, weights, x, 10, name="tagger/lstm").h
    x = tf.matmul(tf.reshape(tf.transpose(hidden, [1, 0, 2]), [-1, 10]), weights(10, 4))
    tf.reshape(tf.nn.softmax(x), [3, 8, 4], name="tags")
    return ["tags"]


@_foreign
def gates_consumed(tf, weights, placeholder):
    """A BlockLSTM whose input gate and cell activations are read: no LSTMSequence has these outputs."""
    x = placeholder("frames", [8, 3, 6])
    cell = _block_lstm(tf, weights, x, 10, name="probe/lstm")
    tf.add(cell.h, cell.i * cell.co, name="probe")
    return ["probe"]


@_foreign
def stacked_language_model(tf, weights, placeholder, units=(10, 14), by_length=False):
    """Two stacked cells, each with its state in two variables; `by_length` takes the last state by GatherNd."""
    tf1 = tf.compat.v1
    x = placeholder("lm/input", [6, 2, 7])
    lengths = placeholder("lm/lengths", [2], np.int32) if by_length else None
    updates, resets, names = [], [], []
    for layer, size in enumerate(units):
        with tf1.name_scope(f"lm/layer_{layer}/"):
            variables = [_variable(tf, f"memory_{part}", [2, size]) for part in ("cell", "out")]
            c, h = (tf.raw_ops.Identity(input=v, name=f"{v.op.name.split('/')[-1]}/read") for v in variables)
            cell = _block_lstm(tf, weights, x, size, c, h, forget_bias=1.0 - layer)
            finals = [_final(tf, sequence, start, lengths) for sequence, start in ((cell.cs, c), (cell.h, h))]
            updates += [_assign(tf, v, value) for v, value in zip(variables, finals, strict=True)]
            resets += [_assign(tf, v, tf.zeros([2, size])) for v in variables]
            names += [v.op.name for v in variables]
        x = cell.h
    flat = tf.matmul(tf.reshape(x, [-1, units[-1]]), weights(units[-1], 5))
    scores = tf.reshape(flat, [6, 2, 5])
    tf.group(*resets, name="lm/reset")
    with tf.control_dependencies(updates):
        tf.identity(scores, name="lm/scores")
    return ["lm/scores"], "lm/reset", names


def _final(tf, sequence, start, lengths):
    if lengths is None:
        return sequence[-1]
    data = tf.concat([tf.expand_dims(start, 0), sequence], 0)
    return tf.raw_ops.GatherNd(params=data, indices=tf.stack([lengths, tf.range(2)], axis=1))


@_foreign
def running_mean(tf, weights, placeholder):
    """A variable state that is no LSTM's."""
    x = placeholder("signal", [2, 6])
    variable = _variable(tf, "average", [2, 6])
    value = tf.raw_ops.Identity(input=variable, name="average/read")
    new = 0.9 * value + 0.1 * x
    tf.group(_assign(tf, variable, tf.zeros([2, 6])), name="restart")
    with tf.control_dependencies([_assign(tf, variable, new)]):
        tf.identity(x - new, name="centred")
    return ["centred"], "restart", ["average"]


def _variable(tf, name, shape):
    return tf.raw_ops.VariableV2(shape=shape, dtype=tf.float32, container="", shared_name="", name=name)


def _assign(tf, variable, value):
    return tf.raw_ops.Assign(ref=variable, value=value, validate_shape=True, use_locking=True, name="Assign").op


STATELESS = {
    "cnn": cnn, "mlp": mlp, "gru": gru, "gru_block": gru_block, "attention_step": attention_step,
    "embedding_lstm": embedding_lstm, "gates_consumed": gates_consumed,
}  # fmt: skip
STATEFUL = {"stacked_language_model": stacked_language_model, "running_mean": running_mean}
