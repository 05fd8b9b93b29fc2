"""LSTMs that run in a loop."""

from tests.families import Family, Graph
from tests.graphs import rnn

SECTION = "Loops"


def dynamic(**options) -> Graph:
    """`dynamic_rnn` over calls of different lengths."""
    graph = rnn.dynamic(**options)
    sizes = ((9, [9, 4, 0]), (5, [2, 5, 5]), (1, [1, 0, 1]))
    calls = tuple(graph.feeds(steps, lengths, seed) for seed, (steps, lengths) in enumerate(sizes))
    states = dict(zip((f"{name}:0" for name in graph.initial), graph.states, strict=False))
    return Graph(graph.graph_def, calls, graph.outputs, states)


FAMILIES = (
    Family(
        "`dynamic_rnn` of `BasicLSTMCell` or `LSTMCell`, with lengths", SECTION,
        lambda: dynamic(lengths=True, given=True), sequences=1,
    ),
    Family("`bidirectional_dynamic_rnn`", SECTION, lambda: dynamic(both=True, lengths=True), sequences=2),
    Family(
        "`LSTMCell` with a projection", SECTION, lambda: dynamic(cell="projection"),
        reason="its hidden state is projected: a MatMul follows σ(o) · tanh(c)",
        why="its hidden state goes through another matrix",
        instead="`ovc` converts it",
    ),
    Family(
        "GRU", SECTION, lambda: dynamic(cell="gru", time_major=True),
        reason="a hidden state σ(o) · tanh(c) was looked for", why="a GRU is another cell",
        instead="`mo` or `ovc` converts it",
    ),
)  # fmt: skip
