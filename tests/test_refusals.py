"""One near miss for each reason to refuse a fused LSTM, a DeepSpeech model or a state that no other test asks for."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.sources import open_model
from tests.support.graph_edits import Edited, renamed

FIXTURES = Path(__file__).with_name("fixtures")


def weights(graph, kernel=(43, 128), bias=128):
    graph.of_op("BlockLSTM")[0].input[4] = graph.constant("kernel", np.ones(kernel, np.float32))
    graph.of_op("BlockLSTM")[0].input[8] = graph.constant("bias", np.ones(bias, np.float32))


def no_length(graph):
    node = graph.placeholder(graph.nodes[graph.constant("steps", np.int64(3))])
    graph.of_op("BlockLSTM")[0].input[0] = node.name


def no_sequence(graph):
    lstm = graph.of_op("BlockLSTM")[0]
    graph.add("squashed", "Tanh", lstm.input[1])
    lstm.input[1] = "squashed"


def order(graph):
    node = next(n for n in graph.of_op("Transpose") if graph.source(n, 0).op == "Placeholder")
    node.input[1] = graph.constant("order", np.int32([0, 1, 3, 2]))


def flat(graph):
    for node in graph.of_op("Reshape"):
        if graph.behind(node, 0).op in ("Add", "AddV2", "BiasAdd"):
            node.op = "Neg"


def other_steps(graph):
    graph.of_op("BlockLSTM")[0].input[0] = graph.constant("five", np.int64(5))


def no_last_state(graph):
    cell_states = f"{graph.of_op('BlockLSTM')[0].name}:1"
    prepended = [graph.source(node, 0) for node in graph.of_op("GatherNd")]
    graph.remove(next(node for node in prepended if node.input[1] != cell_states))


def window(graph, frames, features):
    node = next(n for n in graph.of_op("Placeholder") if len(n.attr["shape"].shape.dim) == 4)
    node.attr["shape"].shape.dim[2].size, node.attr["shape"].shape.dim[3].size = frames, features


# Name → (options of the graph, what is changed in it, the reason).
DEEPSPEECH = {
    "inputs": ({}, lambda g: g.of_op("BlockLSTM")[0].input.pop(), "BlockLSTM has 8 inputs instead of 9"),
    "matrix": ({}, lambda g: g.placeholder(g.behind(g.of_op("BlockLSTM")[0], 4)), "weight matrix is not a constant"),
    "fit": ({}, lambda g: weights(g, bias=120), "weight matrix [43, 128] and bias [120] do not fit together"),
    "room": ({}, lambda g: weights(g, (32, 128)), "weight matrix [32, 128] leaves no room for an input"),
    "steps": ({}, no_length, "neither the largest length, nor a constant, nor the length of the sequence"),
    "gather_nd": (
        {},
        renamed("GatherNd", "Slice"),
        "read by a Slice, where a Gather or GatherNd at the length was looked",
    ),
    "gather": (
        {"last_state": "gather"},
        renamed("Gather", "Slice"),
        "read by a Slice, where a Gather at length·batch + range was looked for",
    ),
    "window": ({}, lambda g: window(g, 6, 11), "The windows have 6 frames of 11 features; an odd number of frames"),
    "features": ({}, lambda g: window(g, 7, -1), "The windows have 7 frames of an unknown number of features"),
    "order": ({}, order, "The windows are not brought into time-major order by a Transpose [1, 0, 2, 3]"),
    "sequence": (
        {},
        no_sequence,
        "The LSTM's input comes from a Tanh, where a Reshape to [time, batch, 44] was looked",
    ),
    "flat": ({}, flat, "The last dense layer is not reshaped to [time, batch, classes]"),
    "other steps": (
        {"version": "0.4", "use_seq_length": False},
        other_steps,
        "The graph runs the LSTM for 5 steps, but its windows have 16 steps",
    ),
    "last state": (
        {},
        no_last_state,
        "The last hidden state is not taken out of the sequence, so 'previous_state_h' cannot",
    ),
    "rate": (
        {},
        lambda g: g.placeholder(g.behind(g.of_op("Mfcc")[0], 1)),
        "The sample rate of the feature part is not a constant",
    ),
}


@pytest.mark.requires_tf
@pytest.mark.parametrize("name", DEEPSPEECH)
def test_near_misses_of_deepspeech_are_refused_with_reason_and_node(deepspeech, name):
    options, edit, reason = DEEPSPEECH[name]
    graph = Edited(parse(GraphDef, deepspeech(**{"version": "0.9"} | options).graph_def, what="a test"))
    edit(graph)
    with pytest.raises(Refusal) as caught:
        recognise(GraphView.of(graph.graph))
    assert reason in str(caught.value)
    assert caught.value.node


@pytest.mark.requires_tf
def test_directions_with_lengths_of_their_own():
    from tests.graphs.rnn import first_release

    graph = Edited(parse(GraphDef, first_release(), what="a test"))
    graph.placeholder(graph.nodes[graph.constant("other_lengths", np.int32([3]))])
    graph.nodes["net/bidirectional_rnn/fw/fw/Cast"].input[0] = "other_lengths"
    with pytest.raises(Refusal, match="The two directions of the LSTM have different lengths"):
        recognise(GraphView.of(graph.graph))


def keras_variable(graph) -> tuple[object, object]:
    """(a state's variable, what assigns it)"""
    assign = graph.of_op("AssignVariableOp")[0]
    return graph.behind(assign, 0), assign


def read_later(graph):
    variable, assign = keras_variable(graph)
    read = graph.add("later", "ReadVariableOp", variable.name, f"^{assign.name}")
    read.attr["dtype"].type = 1
    graph.add("used", "Identity", "later")


def of_type(graph):
    keras_variable(graph)[0].attr["dtype"].type = 2


def added_to(graph):
    keras_variable(graph)[1].op = "AssignAddVariableOp"


def other_value(graph):
    assign = keras_variable(graph)[1]
    graph.add("other", "Neg", assign.input[1])
    assign.input[1] = "other"


def unassigned(graph):
    """As the graph is before it is frozen: without an assignment a frozen variable is a constant."""
    variable, assign = keras_variable(graph)
    shape = variable.attr["value"].tensor.tensor_shape
    variable.op = "VarHandleOp"
    variable.attr["shape"].shape.CopyFrom(shape)
    del variable.attr["value"]
    graph.remove(assign)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (read_later, "that holds a state is read after it is assigned"),
        (of_type, "is not of type float32"),
        (added_to, "is changed by AssignAddVariableOp"),
        (other_value, "is assigned 'other:0', which is not its last state of the cell"),
        (unassigned, "but nothing assigns it the last state of the cell"),
    ],
)
def test_states_that_would_be_lost_are_refused_with_a_remedy(edit, reason):
    graph = Edited(open_model(FIXTURES / "keras" / "tf_keras_unrolled.zip").graph)
    edit(graph)
    with pytest.raises(Refusal) as caught:
        recognise(GraphView.of(graph.graph))
    assert reason in str(caught.value)
    assert caught.value.remedy
