"""LSTMs that stand in a graph step by step."""

from tests.families import Family, Graph
from tests.graphs import rnn

SECTION = "Steps written one by one"


def static(**options) -> Graph:
    """`static_rnn` over six steps of three rows, or as many as `static` says."""
    graph = rnn.dynamic(**{"static": 6} | options)
    lengths = ([6, 2, 0], [1, 6, 5], [0, 3, 6])
    calls = tuple(graph.feeds(graph.steps, of_rows, seed) for seed, of_rows in enumerate(lengths))
    states = dict(zip((f"{name}:0" for name in graph.initial), graph.states, strict=False))
    return Graph(graph.graph_def, calls, graph.outputs, states)


FAMILIES = (
    Family("`static_rnn` over `tf.unstack`", SECTION, lambda: static(given=True), sequences=1),
    Family("`static_rnn` with lengths, two layers", SECTION, lambda: static(lengths=True, layers=2), sequences=2),
    Family(
        "… over `tf.split` and `tf.squeeze`, two layers", SECTION,
        lambda: static(cut="split_squeeze", layers=2), sequences=2,
    ),
    Family(
        "… over `tf.split` by sizes and `tf.reshape`", SECTION,
        lambda: static(cut="splitv_reshape", time_major=True, given=True), sequences=1,
    ),
    Family("… over `tf.split` of a reshaped sequence", SECTION, lambda: static(cut="split_rows"), sequences=1),
    Family(
        "… over `tf.split` of the features of all steps, with lengths", SECTION,
        lambda: static(cut="split_columns", lengths=True), sequences=1,
    ),
    Family("… over slices `x[:, t]`", SECTION, lambda: static(cut="slices", given=True), sequences=1),
    Family("… from the last step to the first", SECTION, lambda: static(cut="backwards"), sequences=1),
    Family("… with lengths", SECTION, lambda: static(cut="backwards", lengths=True), sequences=1),
    Family("… over any other steps", SECTION, lambda: static(cut="each_twice"), sequences=1),
    Family(
        "one step a call, two layers, the state zeros", SECTION,
        lambda: static(cut="split_squeeze", static=1, layers=2), sequences=2,
    ),
    Family(
        "one step a call, the state an input and an output", SECTION,
        lambda: static(cut="split_rows", static=1, given=True), sequences=1,
    ),
)  # fmt: skip
