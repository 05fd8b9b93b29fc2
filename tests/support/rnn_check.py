"""Runs an IR made of an LSTM loop and compares it with the framework's numbers."""

import numpy as np

from deepspeech_recipe.converters import openvino
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.recipes.recognition import recognise
from tests.support.compare import check_call


def convert(graph_def: bytes):
    """(ov.Model, the line about it), by OpenVINO's own frontend."""
    graph = parse(GraphDef, graph_def, what="a test")
    view = GraphView.of(graph)
    prepared = openvino.prepare(graph, view, recognise(view), Options())
    return prepared.convert(), prepared.notes[0]


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
        check_call(model, feeds, dict(zip(graph.outputs, found, strict=True)))
        state = dict(zip(names, found[1:], strict=True))
