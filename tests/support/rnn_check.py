"""Runs an IR made of an LSTM loop and compares it with the framework's numbers."""

import numpy as np

from deepspeech_recipe.converters import openvino
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.recipes.recognition import recognise
from tests.support.ir import compiled, op_counts

# Measured: 3e-7.
TOLERANCE = 1e-6
LOOPS = {"Loop", "TensorIterator", "If", "ReverseSequence", "Reverse"}


def convert(graph_def: bytes):
    """(ov.Model, the line about it), by OpenVINO's own frontend."""
    graph = parse(GraphDef, graph_def, what="a test")
    view = GraphView.of(graph)
    prepared = openvino.prepare(graph, view, recognise(view), Options())
    return prepared.convert(), prepared.notes[0]


def assert_sequences(model, count: int, backwards: int = 0) -> None:
    """So many LSTMSequences, so many of which run backwards, and nothing left of loops and reversals."""
    assert not op_counts(model).keys() & LOOPS
    directions = [
        str(node.get_attributes()["direction"]) for node in model.get_ops() if node.get_type_name() == "LSTMSequence"
    ]
    assert sorted(directions) == ["forward"] * (count - backwards) + ["reverse"] * backwards


def assert_same(model, feeds: dict, expected: dict) -> None:
    """feeds, expected: tensor name ('x:0') → value."""
    network = compiled(model)
    found = network({port: value for port in network.inputs for name, value in feeds.items() if name in port.names})
    for name, want in expected.items():
        np.testing.assert_allclose(found[name], want, rtol=0, atol=TOLERANCE, err_msg=name)


def make(**options):
    """A graph of `tests.graphs.rnn.dynamic`, which needs TensorFlow."""
    from tests.graphs.rnn import dynamic

    return dynamic(**options)


def references(graph, calls=((9, [9, 4, 0]), (6, [6, 6]), (1, [1, 0, 1, 1]))):
    """Feeds and TensorFlow's values of calls with other sizes each: steps (if the graph leaves them open), lengths."""
    from tests.support.reference import run_graph

    for seed, (steps, lengths) in enumerate(calls):
        feeds = graph.feeds(graph.steps or steps, lengths, seed)
        yield feeds, dict(zip(graph.outputs, run_graph(graph.graph_def, feeds, list(graph.outputs)), strict=True))


def assert_states_are_carried(graph, lengths: list[list[int]], steps: int) -> None:
    """Chained calls through TensorFlow and through the IR, each with lengths of its own, the last states fed back."""
    from tests.support.reference import run_graph

    model, _ = convert(graph.graph_def)
    names = [f"{name}:0" for name in graph.initial]
    state = {name: np.zeros((3, 4), np.float32) for name in names}
    for seed, of_rows in enumerate(lengths):
        feeds = {**graph.feeds(steps, of_rows, seed), **state}
        found = run_graph(graph.graph_def, feeds, list(graph.outputs))
        assert_same(model, feeds, dict(zip(graph.outputs, found, strict=True)))
        state = dict(zip(names, found[1:], strict=True))
