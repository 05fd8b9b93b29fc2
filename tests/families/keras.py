"""Recurrent layers of Keras."""

from tests.families import Family, Graph
from tests.graphs import keras

FROZEN, FIRST = "Keras, frozen by TensorFlow 2's `convert_variables_to_constants_v2`", "tf.keras of TensorFlow 1"


def calls(graph: keras.KerasGraph, steps: int | None = None) -> Graph:
    """Three calls, each of another number of steps and rows, unless states go from one to the next."""
    sizes = ((3, 6), (3, 2), (3, 9)) if graph.states else ((2, 6), (1, 1), (4, 8))
    feeds = tuple(graph.feeds(batch, steps or own, seed) for seed, (batch, own) in enumerate(sizes))
    return Graph(graph.graph_def, feeds, graph.outputs, graph.states)


def lowered(name: str, model: str, sequences: int = 1, **others) -> Family:
    return Family(name, FROZEN, lambda: calls(keras.keras(model)), sequences=sequences, **others)


def first(name: str, sequences: int = 1, loops: int = 0, steps: int | None = None, **options) -> Family:
    options = {"recurrent_activation": "sigmoid", **options}
    return Family(name, FIRST, lambda: calls(keras.keras_1(steps=steps, **options), steps), sequences, loops)


FAMILIES = (
    lowered("`LSTM`, all steps", "plain"),
    lowered("`LSTM`, the last step", "last"),
    lowered("`LSTM` that goes backwards", "backwards"),
    lowered("`Bidirectional`", "both", 2),
    lowered("two `LSTM`s", "stacked", 2),
    lowered("`LSTM` with initial and last states", "given"),
    lowered("`LSTM` behind `TimeDistributed` over an open number of steps", "distributed", loops=1),
    lowered(
        "`LSTM` behind `Masking`", "masked", 0, reason="a mask decides which steps count",
        instead="`mo` or `ovc` converts it, to a loop; leave `Masking` out if no step is masked",
    ),
    lowered(
        "`ConvLSTM`", "conv", 0, reason="a Conv2D was found", why="its gates are convolutions",
        instead="`mo` or `ovc` converts it, to a loop",
    ),
    first("`implementation=1`", implementation=1, return_state=True),
    first("`implementation=1`, unrolled", implementation=1, steps=4),
    first("`implementation=1`, backwards, no bias", implementation=1, go_backwards=True, use_bias=False),
    first("`dropout` and `recurrent_dropout`, for inference", training=False, dropout=0.3, recurrent_dropout=0.2),
    first("`implementation=2`", implementation=2, return_state=True),
    first("`recurrent_activation='hard_sigmoid'`, its default", 0, 1, recurrent_activation="hard_sigmoid"),
)  # fmt: skip
