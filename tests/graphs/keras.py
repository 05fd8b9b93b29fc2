"""Recurrent layers of Keras in frozen graphs: of Keras 3 as TensorFlow 2 freezes it, and as TensorFlow 1 wrote it.

Random weights, biases included, and sizes that all differ.
"""

import functools
from dataclasses import dataclass, field

import numpy as np

INPUT, UNITS, OTHER = 5, 7, 4


@dataclass(frozen=True)
class KerasGraph:
    """inputs: tensor name → its size behind batch and time, or behind the batch if it is a state. states: such an input
    → the output that it is fed next."""

    graph_def: bytes
    outputs: tuple[str, ...]
    inputs: dict[str, int] = field(default_factory=lambda: {"x:0": INPUT})
    states: dict[str, str] = field(default_factory=dict)

    def feeds(self, batch: int, steps: int, seed: int = 3) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {
            name: rng.standard_normal((batch, size) if name in self.states else (batch, steps, size)).astype(np.float32)
            for name, size in self.inputs.items()
        }


# What stands behind the input x in a model of Keras 3; layer: makes an LSTM of Keras, keras: the package.
MODELS = {
    "plain": lambda keras, layer, x: layer(UNITS, return_sequences=True)(x),
    "last": lambda keras, layer, x: layer(UNITS)(x),
    "backwards": lambda keras, layer, x: layer(UNITS, return_sequences=True, go_backwards=True)(x),
    "both": lambda keras, layer, x: keras.layers.Bidirectional(layer(UNITS, return_sequences=True))(x),
    "stacked": lambda keras, layer, x: layer(OTHER)(layer(UNITS, return_sequences=True)(x)),
    "no_bias": lambda keras, layer, x: layer(UNITS, return_sequences=True, use_bias=False)(x),
    "distributed": lambda keras, layer, x: layer(UNITS)(
        keras.layers.TimeDistributed(keras.layers.Dense(3, activation="relu"))(x)
    ),
    "masked": lambda keras, layer, x: layer(UNITS)(keras.layers.Masking()(x)),
    "gru": lambda keras, layer, x: keras.layers.GRU(UNITS, return_sequences=True)(x),
    "conv": lambda keras, layer, x: keras.layers.Flatten()(
        keras.layers.ConvLSTM1D(2, 3, padding="same")(keras.ops.expand_dims(x, -1))
    ),
}


@functools.lru_cache(maxsize=32)
def keras(model: str = "plain", *, lowered: bool = True, **options) -> KerasGraph:
    """A model of `MODELS`, or 'given': the initial states are inputs and the last ones outputs.

    lowered: as `convert_variables_to_constants_v2` freezes it if it is told nothing; else with While. options: of the
    LSTMs.
    """
    from tests.support.reference import tensorflow

    tf = tensorflow()
    import keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    keras.utils.set_random_seed(9)
    spread = keras.initializers.RandomNormal(stddev=0.5)
    parts = dict.fromkeys(("kernel_initializer", "recurrent_initializer", "bias_initializer"), spread)
    options = {**parts, "unit_forget_bias": False, **options}
    layer = functools.partial(keras.layers.LSTM, **options)
    x = keras.Input((None, INPUT))
    states = {}
    if model == "given":
        c, h = keras.Input((UNITS,)), keras.Input((UNITS,))
        y = layer(UNITS, return_sequences=True, return_state=True)(x, initial_state=[h, c])
        network, names = keras.Model([x, h, c], y), ("x", "h", "c")
        states = {"h:0": "Identity_1:0", "c:0": "Identity_2:0"}
    else:
        network, names = keras.Model(x, MODELS[model](keras, layer, x)), ("x",)
    shapes = [(None, None, INPUT), (None, UNITS), (None, UNITS)]
    specs = [tf.TensorSpec(shape, tf.float32, name=name) for shape, name in zip(shapes, names, strict=False)]
    function = tf.function(lambda *args: network(list(args) if len(args) > 1 else args[0])).get_concrete_function(
        *specs
    )
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=lowered)
    graph_def = frozen.graph.as_graph_def().SerializeToString(deterministic=True)
    outputs = tuple(tensor.name for tensor in frozen.outputs)
    return KerasGraph(graph_def, outputs, {f"{n}:0": s[-1] for n, s in zip(names, shapes, strict=False)}, states)


@functools.lru_cache(maxsize=32)
def keras_1(
    *,
    control_flow: str = "v1",
    steps: int | None = None,
    training: bool | None = None,
    masked: bool = False,
    **options,
) -> KerasGraph:
    """An LSTM layer of TensorFlow 1's tf.keras, which TensorFlow 2 keeps. options: of the layer.

    steps: unrolled over so many. training: None leaves it to the input 'keras_learning_phase', if there is dropout.
    masked: steps of zeros do not count.
    """
    from tests.graphs.rnn import control_flow_as, freeze
    from tests.support.reference import tensorflow

    tf = tensorflow()
    from tensorflow.python.keras.layers.recurrent import LSTM

    options = {"return_sequences": True, "unroll": bool(steps), **options}
    with control_flow_as(control_flow), tf.Graph().as_default() as graph:
        tf.compat.v1.set_random_seed(4)
        x = tf.compat.v1.placeholder(tf.float32, [None, steps, INPUT], "x")
        mask = tf.reduce_any(tf.not_equal(x, 0), -1) if masked else None
        found = LSTM(UNITS, name="lstm", **options)(x, training=training, mask=mask)
        found = found if isinstance(found, list) else [found]
        names = [f"out{number}" for number in range(len(found))]
        for name, tensor in zip(names, found, strict=True):
            tf.identity(tensor, name=name)
        graph_def = freeze(tf.compat.v1, graph, names)
    return KerasGraph(graph_def, tuple(f"{name}:0" for name in names))
