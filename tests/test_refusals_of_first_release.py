"""One near miss for each thing that the recipe of v0.1 looks for, and what it passes over."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.errors import NoMatch
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes import deepspeech_v01
from tests.support.graph_edits import Edited

GRAPH = Path(__file__).with_name("fixtures") / "old_tensorflow" / "v0.1.pb"


@pytest.fixture
def graph():
    return Edited(parse(GraphDef, GRAPH.read_bytes(), what="a test"))


def input_of(name: str, port: int, value):
    def edit(graph):
        graph.nodes[name].input[port] = graph.constant(f"{name}/other", np.int32(value))

    return edit


def exchanged(graph):
    join = graph.nodes["concat"]
    join.input[0], join.input[1] = join.input[1], join.input[0]


def rank(graph):
    graph.nodes["input_node"].attr["shape"].shape.dim.add(size=3)


def no_size(graph):
    graph.nodes["input_node"].attr["shape"].shape.dim[2].size = -1


def dense(name: str):
    """One layer more behind a node."""

    def edit(graph):
        readers = [node for node in graph.graph.node if name in node.input]
        extra = graph.add("extra", "MatMul", name, graph.constant("extra/weights", np.eye(4, dtype=np.float32)))
        for node in readers:
            node.input[list(node.input).index(name)] = extra.name

    return edit


MISSES = {
    "rows joined": (input_of("concat", 2, 1), "both directions side by side were looked for behind the loops"),
    "backward first": (exchanged, "both directions side by side were looked for behind the loops"),
    "order": (input_of("transpose", 1, [0, 1, 2]), "a Transpose of 'input_node' into time-major order"),
    "rank": (rank, "no placeholder of rank 3"),
    "size": (no_size, "no placeholder of rank 3"),
    "four layers before": (dense("Minimum"), "three dense layers and a Reshape before the loops were looked for, 4"),
    "three layers behind": (dense("Reshape_2"), "two dense layers behind both directions were looked for, 3 found"),
}


@pytest.mark.parametrize("name", MISSES)
def test_near_misses_are_told_by_what_was_looked_for(graph, name):
    edit, reason = MISSES[name]
    edit(graph)
    with pytest.raises(NoMatch) as caught:
        deepspeech_v01.recognise(GraphView.of(graph.graph))
    assert reason in caught.value.reason


def test_attributes_of_products_may_be_stripped_and_other_products_do_not_count(graph):
    sizes = deepspeech_v01.recognise(GraphView.of(graph.graph)).dense_sizes
    for node in graph.of_op("MatMul"):
        node.attr.pop("transpose_b", None)
    graph.add("square", "MatMul", "Reshape_2", "Reshape_2").attr["transpose_b"].b = True
    model = deepspeech_v01.recognise(GraphView.of(graph.graph))
    assert model.dense_sizes == sizes
    assert len(set(sizes)) == len(sizes)


@pytest.mark.parametrize("axes", [[0], [2], []])
def test_a_squeeze_of_other_axes_than_the_batchs_is_not_part_of_the_head(graph, axes):
    graph.add("squeezed", "Squeeze", "logits").attr["squeeze_dims"].list.i.extend(axes)
    graph.add("probabilities", "Softmax", "squeezed")
    assert deepspeech_v01.recognise(GraphView.of(graph.graph)).logits.node == "logits"


def test_softmax_counts_once(graph):
    graph.add("probabilities", "Softmax", "logits")
    graph.add("again", "Softmax", "probabilities")
    model = deepspeech_v01.recognise(GraphView.of(graph.graph))
    assert (model.head, model.logits.node) == ("probabilities", "probabilities")
