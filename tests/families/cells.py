"""Cells with more than an LSTMSequence has, in other words, and those that only look like an LSTM's."""

from tests.families import Family, Graph
from tests.families.keras import calls
from tests.families.loops import dynamic
from tests.families.steps import static
from tests.graphs import keras

OTHERS, OWN = "Other cells", "Cells written by hand"
PLAIN = "`mo` or `ovc` converts it"
COUPLED = "two of the four gates are one"
INDEPENDENT = "each cell reads its own hidden state alone"
NORMALISED = "the gates are normalised before their activations"
GROUPED = "groups of cells have kernels of their own"


def keras_3(**options) -> Graph:
    return calls(keras.keras(lowered=False, **options))


def near_miss(name: str, cell: str, reason: str, why: str) -> Family:
    return Family(
        f"{name}, in a loop", OWN, lambda: dynamic(cell=cell, time_major=True), reason=reason, instead=PLAIN, why=why
    )


FAMILIES = (
    Family(
        "`LSTMCell` with peepholes, with lengths",
        OTHERS,
        lambda: dynamic(cell="peephole", lengths=True, given=True),
        loops=1,
    ),
    Family(
        "`LSTMCell` with a clipped cell state, in both directions",
        OTHERS,
        lambda: dynamic(cell="clip", both=True, lengths=True),
        loops=2,
    ),
    Family("`LSTMCell` with another activation, two layers", OTHERS, lambda: dynamic(cell="relu", layers=2), loops=2),
    Family(
        "`static_rnn` of `LSTMCell` with peepholes, with lengths",
        OTHERS,
        lambda: static(cell="peephole", lengths=True),
        loops=1,
    ),
    Family(
        "Keras 3 `LSTM`, `recurrent_activation='hard_sigmoid'`",
        OTHERS,
        lambda: keras_3(recurrent_activation="hard_sigmoid"),
        loops=1,
    ),
    Family(
        "Keras 3 `LSTM`, `activation='softsign'`, backwards",
        OTHERS,
        lambda: keras_3(model="backwards", activation="softsign"),
        loops=1,
    ),
    Family(
        "Keras 3 `LSTM`, `activation='linear'`",
        OTHERS,
        lambda: keras_3(activation="linear", recurrent_initializer="orthogonal"),
        loops=1,
    ),
    Family("each gate with its own weights", OWN, lambda: dynamic(cell="by_hand", lengths=True), sequences=1),
    Family("each gate with its own weights, step by step", OWN, lambda: static(cell="by_hand"), sequences=1),
    Family(
        "`[h, x] · W` cut by slices, a bias for each of x and h", OWN, lambda: dynamic(cell="state_first"), sequences=1
    ),
    Family(
        "scaled tanh, `relu6` gates, no activation of the candidate",
        OWN,
        lambda: dynamic(cell="scaled", lengths=True),
        loops=1,
    ),
    Family("`swish` and `leaky_relu`", OWN, lambda: dynamic(cell="silu"), loops=1),
    near_miss("coupled gates (CIFG)", "coupled", "as coupled gates are", COUPLED),
    near_miss("IndyLSTM", "indy", "The kernel's factor as [x, h] was looked for", INDEPENDENT),
    near_miss(
        "layer normalisation in the cell", "layer_norm",
        "The gates as a product with a kernel plus a bias was looked for, a Mul", NORMALISED,
    ),
    near_miss("GLSTM", "grouped", "its states end in ConcatV2", GROUPED),
)  # fmt: skip
