"""One near miss for each reason to leave an LSTM as it is that no other test asks for."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recognise.graph import recognise
from deepspeech_recipe.sources import open_model
from tests.graph_edits import Edited

FIXTURES = Path(__file__).with_name("fixtures")


def quarter(graph):
    cell = graph.cells()[0]
    graph.add("relu", "Relu", cell.output_gate.input[0])
    cell.output_gate.input[0] = "relu"


def same_quarter(graph):
    cell = graph.cells()[0]
    cell.output_gate.input[0] = cell.split.name


def products(graph):
    cell = graph.cells()[0]
    graph.add("two", "AddV2", cell.matmul.name, cell.matmul.name)
    graph.add("three", "AddV2", "two", cell.matmul.name)
    cell.bias_add.input[0] = "three"


def doubled(graph):
    kernel = graph.behind(graph.cells()[0].matmul, 1)
    kernel.attr["value"].tensor.dtype = 2
    kernel.attr["value"].tensor.tensor_content = kernel.attr["value"].tensor.tensor_content * 2


def features(graph):
    axis = graph.constant("axis", np.int32(0))
    graph.cells()[0].concat.input[2] = axis


def both_first(graph):
    one, two = graph.cells()
    two.concat.input[0] = one.concat.input[0]


def no_chain(graph):
    two = graph.cells()[1]
    two.concat.input[0] = two.h.name


def unstopped(graph):
    select = next(node for node in graph.of_op("NextIteration") if graph.source(node, 0).op == "Select")
    select.input[0] = graph.source(select, 0).input[2]


def two_limits(graph):
    bounds = [graph.of_op("Less")[0]]
    graph.add("other", "Less", bounds[0].input[0], graph.constant("five", np.int32(5)))
    both = graph.add("both", "LogicalAnd", bounds[0].name, "other")
    graph.of_op("LoopCond")[0].input[0] = both.name
    bounds[0].input[1] = graph.constant("three", np.int32(3))


def time_read(graph):
    """The variable that counts the steps: Merge → Switch → Add 1 → NextIteration."""
    merge = graph.source(graph.of_op("Less")[0], 0)
    switch = next(node for node in graph.of_op("Switch") if graph.source(node, 0) is merge)
    graph.add("time_end", "Exit", switch.name)
    graph.add("time_read", "Identity", "time_end")


def output_of_c(graph):
    write = graph.of_op("TensorArrayWriteV3")[0]
    graph.source(write, 2).input[2] = graph.cells()[1].c.name


def renamed(op, new):
    def edit(graph):
        for node in graph.of_op(op):
            node.op = new

    return edit


def of_cell(part, new):
    def edit(graph):
        getattr(graph.cells()[0], part).op = new

    return edit


def larger(graph):
    for number, array in enumerate(graph.of_op("TensorArrayV3")):
        array.input[0] = graph.constant(f"size_{number}", np.int32(77))


# Name → (what is changed in a dynamic_rnn of two layers with lengths, the reason).
LOOPS = {
    "cell state": (
        of_cell("c", "Sub"),
        "The cell state as a sum of what is kept and what is added was looked for, a Su",
    ),
    "gate": (quarter, "Gate o as a quarter of one product was looked for, a Relu was found"),
    "gates": (same_quarter, "The four gates are not the four quarters of one product"),
    "product": (of_cell("matmul", "BatchMatMul"), "The gates as a product with a kernel plus a bias was looked for"),
    "products": (products, "The gates are a sum of 3 products, where those of x and h were looked for"),
    "x and h": (of_cell("concat", "Concat"), "The kernel's factor as [x, h] was looked for, a Concat was found"),
    "joined": (features, "x and h are not joined along their features"),
    "type": (doubled, "The LSTM computes in float64"),
    "kernel": (lambda g: g.placeholder(g.behind(g.cells()[0].matmul, 1)), "The LSTM's kernel is no constant"),
    "bias": (lambda g: g.placeholder(g.behind(g.cells()[0].bias_add, 1)), "The LSTM's bias is no constant"),
    "two read": (both_first, "2 of its cells read the sequence"),
    "no chain": (no_chain, "its cells are no chain"),
    "lengths": (unstopped, "its lengths do not hold for every state and output"),
    "condition": (renamed("Less", "LessEqual"), "a condition time < number of steps was looked for"),
    "limits": (two_limits, "it runs for 3 and for 5 steps"),
    "time": (time_read, "its number of steps is read behind it"),
    "output": (output_of_c, "it has a variable that is neither a state of its cells nor their output"),
    "array": (renamed("TensorArrayGatherV3", "TensorArrayConcatV3"), "its output array is read by a TensorArrayConcat"),
    "size": (larger, "its output array has another size than its sequence"),
}


def refused(graph) -> str:
    """What is said of the only loop or row of steps that is refused."""
    (refusal,) = recognise(GraphView.of(graph)).refused
    assert refusal.node
    assert refusal.remedy
    return str(refusal)


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name):
    edit, reason = LOOPS[name]
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "layers.pb").read_bytes(), what="a test"))
    edit(graph)
    assert reason in refused(graph.graph)


def more_room(graph):
    """In the array of one step in which Keras keeps the last output."""
    for array in graph.of_op("TensorListReserve"):
        if graph.value(array, 1) == 1:
            array.input[1] = graph.constant("two", np.int32(2))


def other_reader(graph):
    """Of that array's only step."""
    for node in graph.of_op("StridedSlice"):
        if graph.behind(node, 0).op == "TensorListStack":
            node.op = "Relu"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (more_room, "its output array has room for more than the one step it holds"),
        (other_reader, "its last output is read by a Relu"),
    ],
)
def test_keras_loops_that_keep_the_last_output(edit, reason):
    graph = Edited(open_model(FIXTURES / "keras" / "keras.zip").graph)
    edit(graph)
    assert reason in refused(graph.graph)


@pytest.mark.requires_tf
def test_steps_that_stop_at_another_time():
    from tests.graphs.rnn import dynamic

    graph = Edited(parse(GraphDef, dynamic(static=4, lengths=True).graph_def, what="a test"))
    for node in (*graph.of_op("LessEqual"), *graph.of_op("Greater")):
        if graph.value(node, 1) == 2:
            node.input[1] = graph.constant(f"{node.name}/other", np.int32(7))
    assert "lengths of an LSTM that stands step by step do not hold for each of its steps alike" in refused(graph.graph)


@pytest.mark.requires_tf
def test_steps_in_another_order():
    from tests.graphs.rnn import dynamic

    graph = Edited(parse(GraphDef, dynamic(static=3).graph_def, what="a test"))
    first, second, _ = (cell.concat for cell in graph.cells())
    first.input[0], second.input[0] = second.input[0], first.input[0]
    assert "The steps of an LSTM are not the parts of one sequence, in their order" in refused(graph.graph)


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
    "matrix": ({}, lambda g: g.placeholder(g.behind(g.of_op("BlockLSTM")[0], 4)), "weight matrix is no constant"),
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
        "The sample rate of the feature part is no constant",
    ),
}


@pytest.mark.requires_tf
@pytest.mark.parametrize("name", DEEPSPEECH)
def test_deepspeech(deepspeech, name):
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
    graph.remove(keras_variable(graph)[1])


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
def test_state_variables(edit, reason):
    graph = Edited(open_model(FIXTURES / "keras" / "tf_keras_unrolled.zip").graph)
    edit(graph)
    with pytest.raises(Refusal) as caught:
        recognise(GraphView.of(graph.graph))
    assert reason in str(caught.value)
    assert caught.value.remedy
