"""Cells that are nearly an LSTM's."""

import numpy as np

from tests.families import Family, Graph
from tests.families.cells import COUPLED, GROUPED, INDEPENDENT, NORMALISED, PLAIN
from tests.graphs import rnn
from tests.graphs.near_cells import STEPS, near_miss

SECTION = "Near misses"


def near(kind: str) -> Graph:
    """Two calls of three rows."""
    x = [np.random.default_rng(seed).standard_normal((3, STEPS, rnn.INPUT)).astype(np.float32) for seed in (1, 2)]
    return Graph(near_miss(kind), tuple({"x:0": each} for each in x), ("out:0",))


FAMILIES = (
    Family(
        "coupled gates (`CoupledInputForgetGateLSTMCell`), step by step", SECTION, lambda: near("coupled"),
        reason="Two of the cell's four gates are one, as coupled gates are", instead=PLAIN, why=COUPLED,
    ),
    Family(
        "`IndyLSTMCell`, step by step", SECTION, lambda: near("independent"),
        reason="The gates as a product with a kernel plus a bias was looked for, a Mul was found", instead=PLAIN,
        why=INDEPENDENT,
    ),
    Family(
        "layer norms of the gates (`LayerNormBasicLSTMCell`), step by step", SECTION, lambda: near("normalised"),
        reason="The gates as a product with a kernel plus a bias was looked for, a Sub was found",
        instead="`ovc` converts it", why=NORMALISED,
    ),
    Family(
        "`GLSTMCell`, step by step", SECTION, lambda: near("grouped"),
        reason="The gates as a product with a kernel plus a bias was looked for, a ConcatV2 was found", instead=PLAIN,
        why=GROUPED,
    ),
    Family(
        "`GRUBlockCell`", SECTION, lambda: near("gru_block"), why="a GRU is another cell", instead=PLAIN,
    ),
    Family(
        "a decoder, whose input depends on its last output", SECTION, lambda: near("fed_back"),
        reason="they read what is computed from a step before",
        why="a step's input is computed from the step before",
        instead="nothing of OpenVINO's: its own fusion of LSTM cells makes a circle of the graph",
    ),
)  # fmt: skip
