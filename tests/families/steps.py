"""LSTMs that stand in a graph step by step."""

from tests.families import Family, Graph
from tests.graphs import rnn

SECTION = "Steps written one by one"


def static(**options) -> Graph:
    """`static_rnn` over six steps of three rows."""
    graph = rnn.dynamic(static=6, **options)
    lengths = ([6, 2, 0], [1, 6, 5], [0, 3, 6])
    calls = tuple(graph.feeds(6, of_rows, seed) for seed, of_rows in enumerate(lengths))
    states = dict(zip((f"{name}:0" for name in graph.initial), graph.states, strict=False))
    return Graph(graph.graph_def, calls, graph.outputs, states)


FAMILIES = (
    Family("`static_rnn` over `tf.unstack`", SECTION, lambda: static(given=True), sequences=1),
    Family("`static_rnn` with lengths, two layers", SECTION, lambda: static(lengths=True, layers=2), sequences=2),
)
