"""One near miss for each reason to refuse a fused LSTM, a DeepSpeech model or a state that no other test asks for."""

import re
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe import convert_model
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.recipes.summary import one_line
from deepspeech_recipe.sources import open_model
from tests.support.compare import op_counts
from tests.support.contract import case
from tests.support.graph_edits import Edited, renamed

FIXTURES = Path(__file__).with_name("fixtures")


def weights(graph, kernel=(26, 44), bias=44):
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
            del node.input[1:]


def other_steps(graph):
    graph.of_op("BlockLSTM")[0].input[0] = graph.constant("five", np.int64(5))


def no_last_state(graph):
    cell_states = f"{graph.of_op('BlockLSTM')[0].name}:1"
    prepended = [graph.source(node, 0) for node in graph.of_op("GatherNd")]
    graph.remove(next(node for node in prepended if node.input[1] != cell_states))


def window(graph, frames, features):
    node = next(n for n in graph.of_op("Placeholder") if len(n.attr["shape"].shape.dim) == 4)
    node.attr["shape"].shape.dim[2].size, node.attr["shape"].shape.dim[3].size = frames, features


def of_lengths(*lengths):
    """Lengths that are frozen into the graph."""

    def edit(graph):
        node = graph.nodes["input_lengths"]
        graph.remove(node)
        graph.constant(node.name, np.int32(lengths))

    return edit


def axis_of_shape(axis: int):
    """Runs the LSTM for Shape(x)[axis] steps, x being [T, B, …]."""

    def edit(graph):
        lstm = graph.of_op("BlockLSTM")[0]
        graph.add("x_shape", "Shape", lstm.input[1])
        edges = [graph.constant(f"x_shape/{place}", np.int32([axis + place])) for place in (0, 1)]
        size = graph.add("x_size", "StridedSlice", "x_shape", *edges, graph.constant("x_shape/by", np.int32([1])))
        size.attr["shrink_axis_mask"].i = 1
        lstm.input[0] = graph.add("x_steps", "Cast", "x_size").name

    return edit


def input_of(op: str, port: int, value):
    """Another constant as an input of the nodes of an operation behind the LSTM."""

    def edit(graph):
        for node in last_states(graph, op):
            node.input[port] = graph.constant(f"{node.name}/other_{port}", np.asarray(value))

    return edit


def last_states(graph, op: str) -> list:
    """The nodes of an operation between the cell states and what picks the last of them."""
    scope = graph.of_op("BlockLSTM")[0].name.rpartition("/")[0]
    return [n for n in graph.of_op(op) if n.name.startswith(f"{scope}/") and "SequenceMask" not in n.name]


def exchanged(graph, op: str):
    for node in last_states(graph, op):
        node.input[0], node.input[1] = node.input[1], node.input[0]


def attribute(op: str, name: str, value: int):
    def edit(graph):
        for node in last_states(graph, op):
            node.attr[name].i = value

    return edit


def with_all_axes(begin_mask: int, end_mask: int):
    """S[-1, :, :] in place of S[-1], each axis with its bits in the masks."""

    def edit(graph):
        for node in last_states(graph, "StridedSlice"):
            for port, values in ((1, [-1, 0, 0]), (2, [0, 2, 4]), (3, [1, 1, 1])):
                node.input[port] = graph.constant(f"{node.name}/all_{port}", np.int32(values))
            node.attr["begin_mask"].i, node.attr["end_mask"].i = begin_mask, end_mask

    return edit


PICKED, READ = "is taken at an index that is not a plain length", "cell states of all steps are also read by"
# Name → (case of fixtures/synthetic, what is changed in it, the reason).
DEEPSPEECH = {
    "inputs": ("v0.9", lambda g: g.of_op("BlockLSTM")[0].input.pop(), "BlockLSTM has 8 inputs instead of 9"),
    "matrix": (
        "v0.9",
        lambda g: g.placeholder(g.behind(g.of_op("BlockLSTM")[0], 4)),
        "weight matrix is not a constant",
    ),
    "fit": ("v0.9", lambda g: weights(g, bias=40), "weight matrix [26, 44] and bias [40] do not fit together"),
    "room": ("v0.9", lambda g: weights(g, (11, 44)), "weight matrix [11, 44] leaves no room for an input"),
    "steps": ("v0.9", no_length, "neither the largest length, nor a constant, nor the length of the sequence"),
    "rows for steps": (
        "no_lengths_v0.5",
        axis_of_shape(1),
        "neither the largest length, nor a constant, nor the length of",
    ),
    "unequal lengths": ("v0.9", of_lengths(7, 7, 5), "runs the LSTM for [7, 7, 5] steps, but its windows have 7 steps"),
    "other lengths": ("v0.9", of_lengths(6, 6, 6), "runs the LSTM for [6, 6, 6] steps, but its windows have 7 steps"),
    "lengths of any steps": ("steps_open", of_lengths(7, 7, 7), "but its windows have a dynamic number of steps"),
    "axis of the index": ("v0.9", attribute("Pack", "axis", 0), PICKED),
    "rows from 1 on": ("v0.9", input_of("Range", 0, np.int32(1)), PICKED),
    "every other row": ("v0.9", input_of("Range", 2, np.int32(2)), PICKED),
    "flat rows from 1 on": ("gather_v0.4", input_of("Range", 0, np.int32(1)), PICKED),
    "flat rows of another batch": ("gather_v0.4", input_of("Range", 1, np.int32(2)), PICKED),
    "features joined": ("v0.9", input_of("ConcatV2", 2, np.int32(2)), READ),
    "state at the end": ("v0.9", lambda g: exchanged(g, "ConcatV2"), READ),
    "state on another axis": ("v0.9", input_of("ExpandDims", 1, np.int32(1)), READ),
    "first step": ("no_lengths_v0.5", input_of("StridedSlice", 1, np.int32([0])), READ),
    "every other step": ("no_lengths_v0.5", input_of("StridedSlice", 3, np.int32([2])), READ),
    "steps kept": ("no_lengths_v0.5", attribute("StridedSlice", "shrink_axis_mask", 0), READ),
    "begin that does not count": ("no_lengths_v0.5", attribute("StridedSlice", "begin_mask", 1), READ),
    "new axis": ("no_lengths_v0.5", attribute("StridedSlice", "new_axis_mask", 1), READ),
    "ellipsis": ("no_lengths_v0.5", attribute("StridedSlice", "ellipsis_mask", 1), READ),
    "fewer rows": ("no_lengths_v0.5", with_all_axes(0b110, 0b100), READ),
    "fewer cells": ("no_lengths_v0.5", with_all_axes(0b110, 0b010), READ),
    "rows from the end on": ("no_lengths_v0.5", with_all_axes(0b010, 0b110), READ),
    "gather_nd": (
        "v0.9",
        renamed("GatherNd", "Slice"),
        "read by a Slice, where a Gather or GatherNd at the length was looked",
    ),
    "gather": (
        "gather_v0.4",
        renamed("Gather", "Slice"),
        "read by a Slice, where a Gather at length·batch + range was looked for",
    ),
    "window": ("v0.9", lambda g: window(g, 6, 11), "The windows have 6 frames of 11 features; an odd number of frames"),
    "no features": ("v0.9", lambda g: window(g, 5, 0), "numbers, 0 features a frame"),
    "features": ("v0.9", lambda g: window(g, 7, -1), "The windows have 7 frames of an unknown number of features"),
    "order": ("v0.9", order, "The windows are not brought into time-major order by a Transpose [1, 0, 2, 3]"),
    "sequence": (
        "v0.9",
        no_sequence,
        "The LSTM's input comes from a Tanh, where a Reshape to [time, batch, 15] was looked",
    ),
    "flat": ("v0.9", flat, "The last dense layer is not reshaped to [time, batch, classes]"),
    "other steps": (
        "no_lengths_v0.3",
        other_steps,
        "The graph runs the LSTM for 5 steps, but its windows have 7 steps",
    ),
    "last state": (
        "v0.9",
        no_last_state,
        "The last hidden state is not taken out of the sequence, so 'previous_state_h' cannot",
    ),
    "rate": (
        "v0.9",
        lambda g: g.placeholder(g.behind(g.of_op("Mfcc")[0], 1)),
        "The sample rate of the feature part is not a constant",
    ),
}


@pytest.mark.parametrize("name", DEEPSPEECH)
def test_near_misses_of_deepspeech_are_refused_with_reason_and_node(name):
    release, edit, reason = DEEPSPEECH[name]
    graph = Edited(parse(GraphDef, case(release).path.read_bytes(), what="a test"))
    edit(graph)
    with pytest.raises(Refusal) as caught:
        recognise(GraphView.of(graph.graph))
    assert reason in str(caught.value)
    assert caught.value.node


OWN_NAMES = """
from deepspeech_recipe.recipes import Model, Tensor

NAME = "mine"


def recognise(view):
    inputs = {name: Tensor(name) for name in ("input_node", "input_lengths", "previous_state_c", "previous_state_h")}
    outputs = {name: Tensor(name) for name in ("logits", "new_state_c", "new_state_h")}
    states = {f"previous_state_{part}": f"new_state_{part}" for part in "ch"}
    return Model(inputs, outputs, states)
"""


@pytest.mark.parametrize("name", ["sequence", "flat"])
def test_a_near_miss_is_converted_as_another_model_by_a_recipe_as_the_message_says(name, tmp_path):
    _, edit, reason = DEEPSPEECH[name]
    graph = Edited(parse(GraphDef, case("v0.9").path.read_bytes(), what="a test"))
    edit(graph)
    model, recipe = tmp_path / "model.pb", tmp_path / "recipe.py"
    model.write_bytes(graph.graph.SerializeToString())
    recipe.write_text(OWN_NAMES)
    with pytest.raises(Refusal, match=re.escape(reason) + r".*recipe of your own \(--recipe\)"):
        convert_model(model)
    converted = convert_model(model, recipe=recipe)
    assert op_counts(converted)["LSTMSequence"] == 1
    assert read_metadata(converted)["states"] == {f"previous_state_{part}": f"new_state_{part}" for part in "ch"}


SAME = {
    "constant lengths": ("v0.9", of_lengths(7, 7, 7)),
    "one length for all": ("v0.9", of_lengths(7)),
    "steps of the sequence": ("no_lengths_v0.5", axis_of_shape(0)),
    "all axes": ("no_lengths_v0.5", with_all_axes(0b110, 0b110)),
}


@pytest.mark.parametrize(
    ("path", "lstm", "state"),
    [
        ("synthetic/v0.9.pb", "LSTM 11", "placeholders"),
        ("synthetic/v0.4.pb", "LSTM 11", "variables → inputs"),
        ("synthetic/no_state.pb", "LSTM 11", "none (constant initial state: c zeros, h zeros)"),
        ("old_tensorflow/v0.1.pb", "bidirectional LSTM 8", "none"),
    ],
)
def test_the_line_about_a_model_says_where_its_state_is(path, lstm, state):
    model = recognise(GraphView.of(parse(GraphDef, (FIXTURES / path).read_bytes(), what="a test"))).acoustic
    line = one_line(model, steps=None, batch=2)
    assert f", {lstm}, dense " in line
    assert f"; T = dynamic, batch 2, state in {state}; " in line


def test_what_is_done_to_the_states_of_one_model_is_not_done_to_another():
    """A recipe for a fork begins with such a model, and may take from its states."""
    view = GraphView.of(parse(GraphDef, case("v0.9").path.read_bytes(), what="a test"))
    recognise(view).acoustic.states.clear()
    assert list(recognise(view).acoustic.states) == ["previous_state_c", "previous_state_h"]


def test_windows_of_one_feature_are_windows():
    graph = Edited(parse(GraphDef, case("v0.9").path.read_bytes(), what="a test"))
    window(graph, 5, 1)
    model = recognise(GraphView.of(graph.graph)).acoustic
    assert (model.window_frames, model.n_input) == (5, 1)


def folded_zeros(graph, axis=0):
    """Zeros as initial state, stored in front of the sequence with the shape that they have there."""
    (lstm,) = graph.of_op("BlockLSTM")
    shape = [11, 3] if axis else [3, 11]
    for port, node in enumerate(graph.of_op("ConcatV2")):
        node.input[0] = graph.constant(f"folded_{port}", np.zeros(np.insert(shape, axis, 1), np.float32))
        lstm.input[2 + port] = graph.constant(f"zeros_{port}", np.zeros((3, 11), np.float32))


def test_zeros_in_front_of_the_states_may_be_folded():
    graph = Edited(parse(GraphDef, case("v0.9").path.read_bytes(), what="a test"))
    folded_zeros(graph)
    model = recognise(GraphView.of(graph.graph)).acoustic
    assert (model.state_c.kind, model.state_h.kind) == ("constant", "constant")
    assert len(model.state_c.new) == 1
    folded_zeros(graph := Edited(parse(GraphDef, case("v0.9").path.read_bytes(), what="a test")), axis=1)
    with pytest.raises(Refusal, match="also read by"):
        recognise(GraphView.of(graph.graph))


@pytest.mark.parametrize("name", SAME)
def test_other_ways_to_say_the_same_are_known(name):
    release, edit = SAME[name]
    graph = Edited(parse(GraphDef, case(release).path.read_bytes(), what="a test"))
    edit(graph)
    model = recognise(GraphView.of(graph.graph)).acoustic
    assert model.lengths is None
    assert (model.state_c.name, model.state_h.name) == ("previous_state_c", "previous_state_h")


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
