"""A BlockLSTM and nothing else."""

import numpy as np

from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder

F32 = {"T": DType(FLOAT)}


def lstm_graph(steps: int, run_for: int):
    """x [steps, 2, 3] → BlockLSTM of 4 cells for `run_for` steps → y."""
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (steps, 2, 3))
    rng = np.random.default_rng(3)
    graph.const("zero", np.zeros((2, 4)), np.float32)
    graph.const("none", np.zeros(4), np.float32)
    graph.const("w", rng.standard_normal((7, 16)), np.float32)
    graph.const("b", rng.standard_normal(16), np.float32)
    graph.const("steps", run_for, np.int64)
    inputs = ["steps", "x", "zero", "zero", "w", "none", "none", "none", "b"]
    graph.node("lstm", "BlockLSTM", inputs, **F32, forget_bias=1.0, cell_clip=-1.0, use_peephole=False)
    graph.node("y", "Identity", ["lstm:6"], **F32)
    return graph.graph
