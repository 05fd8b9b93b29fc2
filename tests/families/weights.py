"""Weights that are expressions of constants, and graphs that another tool went over."""

from dataclasses import replace

from tests.families import Family, Graph
from tests.families.loops import dynamic
from tests.families.steps import static
from tests.graphs.rewritten import obfuscated, optimised, stored

SECTION = "Graphs that went through another tool"


def weights(kind: str) -> Graph:
    """A loop with lengths whose weights are stored in another way."""
    graph = dynamic(lengths=True, given=True)
    return replace(graph, graph_def=stored(graph.graph_def, kind, least=8))


def grappler(graph: Graph) -> Graph:
    """What TensorFlow's optimiser makes of it."""
    keep = [name.removesuffix(":0") for name in (*graph.calls[0], *graph.states, *graph.outputs)]
    return replace(graph, graph_def=optimised(graph.graph_def, tuple(keep)))


def nameless() -> Graph:
    graph = static(layers=2)
    keep = [name.removesuffix(":0") for name in (*graph.calls[0], *graph.outputs)]
    return replace(graph, graph_def=obfuscated(graph.graph_def, keep))


FAMILIES = (
    Family("weights of half precision", SECTION, lambda: weights("half"), sequences=1),
    Family("weights in bfloat16", SECTION, lambda: weights("bfloat16"), sequences=1),
    Family("weights that are normalised (`WeightNormLSTMCell`)", SECTION, lambda: weights("norm"), sequences=1),
    Family("weights of 8 bits (`quantize_weights`)", SECTION, lambda: weights("MIN_FIRST"), sequences=1),
    Family("weights of 8 bits, scaled", SECTION, lambda: weights("SCALED"), sequences=1),
    Family("weights with a fake quantisation", SECTION, lambda: weights("fake"), sequences=1),
    Family("partitioned variables", SECTION, lambda: weights("parts"), sequences=1),
    Family("weights that are packed, turned, reshaped, sliced", SECTION, lambda: weights("turned"), sequences=1),
    Family(
        "optimised by TensorFlow (grappler), a loop", SECTION,
        lambda: grappler(dynamic(lengths=True, layers=2)), sequences=2,
    ),
    Family("optimised by TensorFlow, step by step", SECTION, lambda: grappler(static(given=True)), sequences=1),
    Family("with obfuscated names", SECTION, nameless, sequences=2),
)  # fmt: skip
