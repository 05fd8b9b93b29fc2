"""LSTMs in one operation, BlockLSTM."""

from tests.families import Family, Graph
from tests.graphs import fused

SECTION = "Fused LSTMs"


def two_layers(**options) -> Graph:
    """Ten calls, lengths of 0 to 4 steps of 6 among them."""
    graph = fused.two_layers(**options)
    names = [f"{layer}_{part}:0" for layer in (0, 1) for part in "ch"]
    states = {f"memory_{name}": f"after_{name}" for name in names}
    calls = (graph.feeds(seed) for seed in range(10))
    calls = tuple({name: value for name, value in feeds.items() if name not in states} for feeds in calls)
    first = {name: value * 0 for name, value in graph.feeds().items() if name in states}
    return Graph(graph.graph_def, ({**first, **calls[0]}, *calls[1:]), graph.outputs, states)


FAMILIES = (
    Family(
        "`LSTMBlockFusedCell` with an input of lengths and states as inputs, two layers", SECTION,
        lambda: two_layers(taken="GatherNd"), sequences=2,
    ),
    Family("`LSTMBlockFusedCell` without lengths", SECTION, two_layers, sequences=2),
    Family(
        "`LSTMBlockFusedCell` with peepholes and a clipped cell state, with lengths", SECTION,
        lambda: two_layers(taken="GatherNd", use_peephole=True, cell_clip=0.5), sequences=1, loops=1,
    ),
)  # fmt: skip
