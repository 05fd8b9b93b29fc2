"""Frozen DeepSpeech graphs as upstream's exporters wrote them, release by release, with random weights.

The nodes are made in the order in which upstream's exporter makes them, so that TensorFlow gives them the
same names; what no output needs is cut off afterwards, as freezing did.
"""

import functools

import numpy as np

from tests.graphs.cell import fused_cell, zeros
from tests.graphs.features import feature_nodes, metadata_constants, metadata_noop
from tests.graphs.finish import finish
from tests.graphs.options import DeepSpeechGraph, Names, Options
from tests.graphs.releases import RELEASES, VERSIONS, Release
from tests.graphs.rnn import cell_of
from tests.graphs.weights import alphabet_of, make_weights

__all__ = ["VERSIONS", "build", "like_release"]


def build(version: str = "0.9", **options) -> DeepSpeechGraph:
    """The graph of a release (`VERSIONS`) with distinct sizes; `options.Options` says what can be varied."""
    return _build(Options(version=version, **options))


def like_release(version: str = "0.9", **options) -> DeepSpeechGraph:
    """The same with a released model's 26 MFCCs, 19 frames and batch 1, but narrow layers."""
    return _build(Options(version=version, **{"n_input": 26, "n_context": 9, "batch": 1, **options}))


@functools.lru_cache(maxsize=64)
def _build(options: Options) -> DeepSpeechGraph:
    from tests.support.reference import tensorflow

    tf = tensorflow()
    release = RELEASES[options.version]
    alphabet = alphabet_of(options)
    classes = options.classes or len(alphabet) + 1
    weights = make_weights(options, classes)
    with tf.Graph().as_default() as graph:
        nodes = _Nodes(tf, options, release, weights, classes)
        outputs = nodes.create()
        if release.metadata == "const":
            outputs += metadata_constants(tf, options, release, alphabet)
    graph_def = finish(graph.as_graph_def(), outputs, release.on_cpu)
    graph_def.version = release.graph_version if release.metadata == "noop" else 0
    if release.metadata == "noop":
        metadata_noop(graph_def, options)
    names = nodes.names({node.name for node in graph_def.node})
    return DeepSpeechGraph(graph_def.SerializeToString(deterministic=True), options, names, classes, alphabet, weights)


class _Nodes:
    def __init__(self, tf, options: Options, release: Release, weights, classes):
        self.tf, self.options, self.release, self.weights = tf, options, release, weights
        self.classes = classes
        self.mfccs = None
        self.lengths = None

    def create(self) -> list[str]:
        """Creates all nodes; returns the names of the outputs upstream froze the graph for."""
        tf, o, release = self.tf, self.options, self.release
        if release.audio:
            self.samples, self.mfccs = feature_nodes(tf, o, release)
        steps = o.n_steps if o.n_steps > 0 else None
        window = 2 * o.n_context + 1
        self.input = self._placeholder("input_node", tf.float32, [o.batch, steps, window, o.n_input])
        if o.use_seq_length:
            self.lengths = self._placeholder("input_lengths", tf.int32, [o.batch])
        self.states = None if o.no_state else self._states()
        self._network()
        outputs = self._heads_and_states()
        return outputs + (["mfccs"] if self.mfccs is not None else [])

    def _placeholder(self, name, dtype, shape):
        return self.tf.compat.v1.placeholder(dtype, shape, name=name)

    def _states(self):
        shape = [self.options.batch, self.options.n_hidden]
        if self.release.state == "placeholder":
            return tuple(self._placeholder(f"previous_state_{k}", self.tf.float32, shape) for k in "ch")
        self.variables = [_variable(self.tf, f"previous_state_{k}", shape) for k in "ch"]
        return tuple(
            self.tf.raw_ops.Identity(input=variable, name=f"{variable.op.name}/read") for variable in self.variables
        )

    def _network(self):
        tf, o, release = self.tf, self.options, self.release
        batch = o.batch
        if release.batch_from_input or batch is None:
            batch = tf.shape(self.input)[0]
        self.sizes = o.n_steps if release.static_reshape or o.unrolled else -1, batch
        x = tf.transpose(self.input, [1, 0, 2, 3])
        x = tf.reshape(x, [-1, (2 * o.n_context + 1) * o.n_input])
        for layer in (1, 2, 3, *([4] if o.dense_4 else [])):
            x = self._dense(layer, x)
        x = tf.reshape(x, [*self.sizes, o.dense_4 or o.dense_3])
        if o.unrolled:
            self._unrolled(x)
            return
        with tf.compat.v1.name_scope(release.cell_scope + "/"):
            sequence, self.new_c, self.new_h, cells = fused_cell(
                tf, x, self.lengths, self._initial(), self.weights, o, release
            )
        if o.cell_consumer == "mixed":
            sequence = sequence + 0.1 * cells
        elif o.cell_consumer == "output":
            tf.identity(cells, name="cell_sequence")
        self._behind(sequence)

    def _unrolled(self, x):
        """`rnn_impl_static_rnn` of mozilla/DeepSpeech v0.6 to v0.9 (training/deepspeech_training/train.py)."""
        tf, kernel, bias = (
            self.tf,
            self._weight("kernel", self.weights["kernel"]),
            self._weight("bias", self.weights["bias"]),
        )
        cell = cell_of(tf, kernel, bias, forget_bias=self.release.forget_bias)
        out, (self.new_c, self.new_h) = tf.compat.v1.nn.static_rnn(
            cell, [x[step] for step in range(x.shape[0])], initial_state=self._initial(), dtype=tf.float32
        )
        self._behind(tf.concat(out, 0))
        self.raw_logits = tf.squeeze(self.raw_logits, [1])

    def _behind(self, sequence):
        o = self.options
        x = self.tf.reshape(sequence, [-1, o.n_hidden])
        x = self._dense(5, x)
        x = self._dense(6, x, relu=False)
        self.raw_logits = self.tf.reshape(x, [*self.sizes, self.classes], name="raw_logits")

    def _initial(self):
        tf, kind = self.tf, self.options.initial_state
        if self.states is None:
            return None
        c, h = self.states
        if kind == "shared":
            return c, c
        if kind == "crossed":
            return h, c
        if kind == "zero_h":
            return c, tf.constant(np.zeros(h.shape, np.float32), name="no_state_h")
        if kind == "computed":
            return tf.multiply(c, 0.5, name="faded_state_c"), h
        return c, h

    def _dense(self, layer: int, x, relu: bool = True):
        tf, o = self.tf, self.options
        h, b = self.weights[f"h{layer}"], self.weights[f"b{layer}"]
        if (o.dense or self.release.dense) == "add":
            bias, weights = self._weight(f"b{layer}", b), self._weight(f"h{layer}", h)
            x = tf.raw_ops.Add(x=tf.matmul(x, weights), y=bias, name="Add")
        else:
            bias = self._weight(f"layer_{layer}/bias", b)
            weights = self._weight(f"layer_{layer}/weights", h)
            x = tf.nn.bias_add(tf.matmul(x, weights), bias)
        if relu:
            x = tf.minimum(tf.nn.relu(x), o.relu_clip)
        if relu and o.layer_norm:
            x = self._layer_norm(layer, x)
        return x

    def _layer_norm(self, layer: int, x):
        tf = self.tf
        beta = self._weight(f"layer_{layer}/LayerNorm/beta", self.weights[f"beta{layer}"])
        gamma = self._weight(f"layer_{layer}/LayerNorm/gamma", self.weights[f"gamma{layer}"])
        with tf.compat.v1.name_scope(f"layer_{layer}_1/LayerNorm/"):
            mean, variance = tf.nn.moments(x, [1], keepdims=True)
            return tf.nn.batch_normalization(x, mean, variance, offset=beta, scale=gamma, variance_epsilon=1e-12)

    def _weight(self, name: str, value):
        return self.tf.identity(self.tf.constant(value, name=name), name=f"{name}/read")

    def _heads_and_states(self) -> list[str]:
        tf, release = self.tf, self.release
        logits = self.raw_logits
        if release.head == "softmax":
            tf.nn.softmax(logits, name="logits")
        elif release.head == "identity":
            logits = tf.nn.softmax(logits)
        outputs = ["logits"]
        if self.options.cell_consumer == "output":
            outputs.append("cell_sequence")
        if release.state == "placeholder":
            if not self.options.no_state:
                tf.identity(self.new_c, name="new_state_c")
                tf.identity(self.new_h, name="new_state_h")
                outputs += ["new_state_c", "new_state_h"]
            return outputs
        if self.options.no_state:
            tf.identity(logits, name="logits")
            return outputs
        self._assigns(logits)
        return [*outputs, "initialize_state"]

    def _assigns(self, logits):
        tf, o = self.tf, self.options
        shape = (o.batch, o.n_hidden)
        if o.initialize_to:
            start = tf.fill(shape, tf.constant(o.initialize_to), name="zeros")
        else:
            start = zeros(tf, shape, o.zeros or self.release.zeros)
        resets = [self._assign(variable, start) for variable in self.variables]
        tf.group(*resets, name="initialize_state")
        pairs = zip("ch", self.variables, (self.new_c, self.new_h), strict=True)
        updates = [self._assign(variable, new) for k, variable, new in pairs if k not in o.missing_assign]
        with tf.control_dependencies(updates):
            tf.identity(logits, name="logits")

    def _assign(self, variable, value):
        return self.tf.raw_ops.Assign(
            ref=variable, value=value, validate_shape=True, use_locking=True, name="Assign"
        ).op

    def names(self, nodes: set[str]) -> Names:
        """Of the tensors that the finished graph still has."""
        o = self.options
        read = "" if self.release.state == "placeholder" else "/read"

        def tensor(name):
            return f"{name}:0" if name in nodes else None

        return Names(
            input="input_node:0",
            lengths=tensor("input_lengths"),
            state_c=tensor(f"previous_state_c{read}"),
            state_h=tensor(f"previous_state_h{read}"),
            logits="logits:0",
            raw_logits="raw_logits:0",
            new_c=tensor(self.new_c.op.name),
            new_h=tensor(self.new_h.op.name),
            lstm=f"{self.release.cell_scope}/{o.lstm_op}",
            initialize="initialize_state" if "initialize_state" in nodes else None,
            samples=tensor("input_samples"),
            mfccs=tensor("mfccs"),
        )


def _variable(tf, name: str, shape):
    return tf.raw_ops.VariableV2(shape=shape, dtype=tf.float32, container="", shared_name="", name=name)
