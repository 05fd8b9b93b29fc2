"""The foreign models run in TensorFlow and are what they say."""

import numpy as np
import pytest

from tests.graphs import foreign
from tests.support.reference import run_graph, session

pytestmark = pytest.mark.requires_tf


@pytest.mark.parametrize("name", foreign.STATELESS)
def test_stateless_models_run(name):
    graph = foreign.STATELESS[name]()
    (value,) = run_graph(graph.graph_def, graph.feeds(), list(graph.outputs))
    assert np.isfinite(value).all()
    assert value.std() > 0.01


@pytest.mark.parametrize("make", [*foreign.STATEFUL.values(), lambda: foreign.stacked_language_model(by_length=True)])
def test_stateful_models_remember_until_reset(make):
    graph = make()
    feeds = graph.feeds()
    with session(graph.graph_def) as run:
        run(graph.reset)
        first = run(graph.outputs[0], feeds)
        states = [run(f"{name}:0") for name in graph.states]
        second = run(graph.outputs[0], feeds)
        run(graph.reset)
        again = run(graph.outputs[0], feeds)
    assert all(np.abs(state).mean() > 0.01 for state in states)
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_array_equal(first, again)


def test_language_model_has_four_states_of_two_sizes(tf):
    graph = foreign.stacked_language_model()
    nodes = tf.compat.v1.GraphDef.FromString(graph.graph_def).node
    sizes = [node.attr["shape"].shape.dim[1].size for node in nodes if node.op == "VariableV2"]
    assert sorted(sizes) == [10, 10, 14, 14]
    assert sum(node.op == "BlockLSTM" for node in nodes) == 2
