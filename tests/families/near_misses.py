"""Cells that are nearly an LSTM's."""

import numpy as np

from tests.families import Family, Graph
from tests.graphs import rnn
from tests.graphs.near_cells import STEPS, near_miss

SECTION = "Near misses"


def near(kind: str) -> Graph:
    """Two calls of three rows."""
    x = [np.random.default_rng(seed).standard_normal((3, STEPS, rnn.INPUT)).astype(np.float32) for seed in (1, 2)]
    return Graph(near_miss(kind), tuple({"x:0": each} for each in x), ("out:0",))


ALONE = "`mo` or `ovc` converts it"
FAMILIES = (
    Family(
        "coupled gates (`CoupledInputForgetGateLSTMCell`)", SECTION, lambda: near("coupled"),
        reason="Two of the cell's four gates are one, as coupled gates are", instead=ALONE,
    ),
    Family(
        "`IndyLSTMCell`", SECTION, lambda: near("independent"),
        reason="The gates as a product with a kernel plus a bias was looked for, a Mul was found", instead=ALONE,
    ),
    Family(
        "layer norms of the gates (`LayerNormBasicLSTMCell`)", SECTION, lambda: near("normalised"),
        reason="The gates as a product with a kernel plus a bias was looked for, a Sub was found",
        instead="`ovc` converts it",
    ),
    Family(
        "`GLSTMCell`", SECTION, lambda: near("grouped"),
        reason="The gates as a product with a kernel plus a bias was looked for, a ConcatV2 was found", instead=ALONE,
    ),
    Family(
        "`GRUBlockCell`", SECTION, lambda: near("gru_block"), why="it is another cell", instead=ALONE,
    ),
    Family(
        "a decoder, whose input depends on its last output", SECTION, lambda: near("fed_back"),
        reason="they read what is computed from a step before",
        instead="nothing of OpenVINO's: its own fusion of LSTM cells makes a circle of the graph",
    ),
)  # fmt: skip
