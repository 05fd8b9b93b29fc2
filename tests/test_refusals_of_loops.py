"""One near miss for each reason to leave a loop or a row of LSTM cells as it is that no other test asks for."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.sources import open_model
from tests.support.graph_edits import Edited, renamed

FIXTURES = Path(__file__).with_name("fixtures")


def quarter(graph):
    cell = graph.cells()[0]
    cell.split.op = "Unpack"


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


def of_cell(part, new):
    def edit(graph):
        getattr(graph.cells()[0], part).op = new

    return edit


def counted(graph, first=0, step=1):
    """The variable that is compared with the lengths begins at another number, or counts in other steps."""
    merge = graph.behind(graph.of_op("GreaterEqual")[0], 0)
    enter, after = (graph.source(merge, port) for port in (0, 1))
    enter.input[0] = graph.constant("other_first", np.int32(first))
    graph.source(after, 0).input[1] = graph.constant("other_step", np.int32(step))


def part_of(op: str, port: int, change: dict):
    """The range that is an input of a TensorArray's operation, with another limit or start."""

    def edit(graph):
        indices = graph.behind(graph.of_op(op)[0], port)
        for place, value in change.items():
            indices.input[place] = graph.constant(f"range_{place}", np.int32(value))

    return edit


def other_axis(graph):
    split = graph.cells()[0].split
    split.input[0] = graph.constant("other_axis", np.int32(0))


def turned(side: str):
    def edit(graph):
        graph.cells()[0].matmul.attr[f"transpose_{side}"].b = True

    return edit


def ones_past(graph):
    """What rows past their length give out is full of ones."""
    select = graph.source(graph.of_op("TensorArrayWriteV3")[0], 2)
    graph.behind(select, 1).input[1] = graph.constant("one", np.float32(1))


def other_axis_of_time(graph):
    """As many steps as there are rows: Shape(x)[1] where x is [T, B, …]."""
    bound = graph.behind(graph.of_op("Less")[0], 1)
    for port, value in ((1, 1), (2, 2)):
        bound.input[port] = graph.constant(f"axis_{port}", np.int32([value]))


def larger(graph):
    for number, array in enumerate(graph.of_op("TensorArrayV3")):
        array.input[0] = graph.constant(f"size_{number}", np.int32(77))


def many_terms(graph):
    gate = graph.cells()[0].output_gate
    term = graph.constant("term", np.float32(0.5))
    for number in range(40):
        gate.input[0] = graph.add(f"sum_{number}", "AddV2", gate.input[0], term).name


def many_operations(graph):
    cell = graph.cells()[0]
    port = [*cell.h.input].index(cell.output_gate.name)
    for number in range(40):
        cell.h.input[port] = graph.add(f"turned_{number}", "Neg", cell.h.input[port]).name


# Name → (what is changed in a dynamic_rnn of two layers with lengths, the reason).
LOOPS = {
    "cell state": (
        of_cell("c", "Sub"),
        "The cell state as a sum of what is kept and what is added was looked for, a Su",
    ),
    "activation": (of_cell("tanh", "Cos"), "An activation of the cell computes with a Cos"),
    "gate": (of_cell("output_gate", "Cos"), "An activation of the cell computes with a Cos"),
    "same gates": (same_quarter, "Two of the cell's four gates are one, as coupled gates are"),
    "gates": (quarter, "The gates as a product with a kernel plus a bias was looked for, a Unpack was found"),
    "product": (of_cell("matmul", "BatchMatMul"), "The gates as a product with a kernel plus a bias was looked for"),
    "products": (products, "The gates are a sum of 3 products, where those of x and h were looked for"),
    "x and h": (of_cell("concat", "AddN"), "The kernel's factor as [x, h] was looked for, a AddN was found"),
    "joined": (features, "x and h are not joined along their features"),
    "axis of the gates": (other_axis, "The four gates are not the four quarters of one product"),
    "kernel turned": (turned("b"), "The LSTM's kernel is transposed"),
    "x and h turned": (turned("a"), "The LSTM's kernel is transposed"),
    "time from 1 on": (partial(counted, first=1), "was looked for, its states end in AddV2"),
    "every other time": (partial(counted, step=2), "was looked for, its states end in AddV2"),
    "steps read from 1 on": (part_of("TensorArrayScatterV3", 1, {0: 1}), "does not read one step of a sequence after"),
    "steps taken from 1 on": (part_of("TensorArrayGatherV3", 1, {0: 1}), "output array is read by a TensorArrayGather"),
    "fewer steps taken": (part_of("TensorArrayGatherV3", 1, {1: 5}), "output array is read by a TensorArrayGather"),
    "rows for steps": (other_axis_of_time, "it runs for another number of steps than its sequence has"),
    "ones past the length": (ones_past, "it has a variable that is neither a state of its cells nor their output"),
    "terms": (many_terms, "The gates are a sum of more than 16 terms"),
    "operations": (many_operations, "was looked for, another product was found"),
    "type": (doubled, "The LSTM computes in float64"),
    "kernel": (lambda g: g.placeholder(g.behind(g.cells()[0].matmul, 1)), "The LSTM's kernel is not a constant"),
    "bias": (lambda g: g.placeholder(g.behind(g.cells()[0].bias_add, 1)), "The LSTM's bias is not a constant"),
    "two read": (both_first, "2 of its cells read the sequence"),
    "no chain": (no_chain, "its cells are not a chain"),
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


def test_the_node_at_fault_is_the_one_that_has_to_change():
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "layers.pb").read_bytes(), what="a test"))
    kernel = graph.behind(graph.cells()[0].matmul, 1)
    graph.placeholder(kernel)
    (refusal,) = recognise(GraphView.of(graph.graph)).refused
    assert refusal.node == kernel.name


@pytest.mark.parametrize(("gate", "place"), [("output_gate", 3), ("forget", 0)])
def test_a_number_that_is_added_to_a_gate_is_part_of_its_bias(gate, place):
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "layers.pb").read_bytes(), what="a test"))
    before = biases(graph)
    sigmoid = graph.cells()[0].output_gate
    if gate == "forget":
        sigmoid = next(n for n in graph.of_op("Sigmoid") if graph.source(n, 0).op in ("Add", "AddV2"))
    more = graph.add("more", "AddV2", sigmoid.input[0], graph.constant("half", np.float32(0.5)))
    sigmoid.input[0] = more.name
    changed = np.flatnonzero(biases(graph) - before)
    assert changed.tolist() == list(range(place * 4, place * 4 + 4))
    np.testing.assert_allclose((biases(graph) - before)[changed], 0.5, rtol=1e-6)


def biases(graph) -> np.ndarray:
    """Of the first layer, for the gates f, i, c, o."""
    (lstm,) = recognise(GraphView.of(graph.graph)).lstms
    return lstm.cell.weights(lstm.inside or GraphView.of(graph.graph))[2].reshape(-1)


def test_a_kernel_of_another_size_is_named_with_its_sizes():
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "layers.pb").read_bytes(), what="a test"))
    cell = graph.cells()[0]
    graph.behind(cell.bias_add, 1).attr["value"].CopyFrom(
        graph.nodes[graph.constant("b", np.ones(12, "f"))].attr["value"]
    )
    assert "The LSTM's kernel [9, 16] does not fit its bias or state" in refused(graph.graph)


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_that_is_not_an_lstm_is_left_with_the_reason(name):
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


def last_first(graph):
    """With lengths this is not what running backwards computes: a short row would begin within its padding."""
    for node in graph.graph.node:
        for place, name in enumerate(node.input):
            if name in ("net/unstack", "net/unstack:2"):
                node.input[place] = "net/unstack" if name.endswith(":2") else "net/unstack:2"


def parts_of_features(graph):
    graph.of_op("Unpack")[0].attr["axis"].i = 2


def another_number(graph):
    graph.of_op("Unpack")[0].attr["num"].i = 4


@pytest.mark.parametrize("edit", [last_first, parts_of_features, another_number])
def test_steps_that_do_not_read_the_parts_of_one_sequence_in_their_order_are_packed(edit):
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "switch.pb").read_bytes(), what="a test"))
    edit(graph)
    (lstm,) = recognise(GraphView.of(graph.graph)).lstms
    order = (2, 1, 0) if edit is last_first else (0, 1, 2)
    assert lstm.packed == tuple(Tensor("net/unstack", port) for port in order)
    assert (lstm.direction, len(lstm.layers)) == ("forward", 2)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stack_of_the_hidden_states_along_another_axis_than_time_or_rows(axis):
    """What is stacked along the features keeps its Pack, which reads the steps."""
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "switch.pb").read_bytes(), what="a test"))
    (pack,) = (node for node in graph.of_op("Pack") if len(node.input) == 3)
    pack.attr["axis"].i = axis
    (lstm,) = recognise(GraphView.of(graph.graph)).lstms
    top = lstm.layers[-1]
    stacks = {0: top.sequence, 1: top.batch_major}
    assert {key: len(tensors) for key, tensors in stacks.items()} == {0: int(axis == 0), 1: int(axis == 1)}


@pytest.mark.requires_tf
def test_steps_that_stop_at_another_time():
    from tests.graphs.rnn import dynamic

    graph = Edited(parse(GraphDef, dynamic(static=4, lengths=True).graph_def, what="a test"))
    for node in (*graph.of_op("LessEqual"), *graph.of_op("Greater")):
        if graph.value(node, 1) == 2:
            node.input[1] = graph.constant(f"{node.name}/other", np.int32(7))
    assert "lengths of an LSTM that stands step by step do not hold for each of its steps alike" in refused(graph.graph)


@pytest.mark.requires_tf
@pytest.mark.parametrize(
    ("node", "port"), [("Merge_1", 1), ("cond/Merge_1", 1), ("cond/Select_1", 1), ("cond/Select_1", 2)]
)
def test_a_branch_that_hands_on_something_else(node, port):
    """Zeros, where every row is past its length, or every one within it; or in either kind of row where both are."""
    from tests.graphs.rnn import dynamic

    graph = Edited(parse(GraphDef, dynamic(static=4, lengths=True).graph_def, what="a test"))
    where = "net/rnn/cond_2/" + node.rpartition("/")[0]
    graph.add("zeros", "Switch", "net/rnn/zeros", f"{where.rstrip('/')}/pred_id")
    graph.nodes[f"net/rnn/cond_2/{node}"].input[port] = "zeros:1" if "Merge" in node else "zeros"
    assert "4 LSTM cells share a kernel, but do not hand on their states" in refused(graph.graph)


@pytest.mark.requires_tf
def test_steps_in_another_order():
    from tests.graphs.rnn import dynamic

    graph = Edited(parse(GraphDef, dynamic(static=3).graph_def, what="a test"))
    first, second, _ = (cell.concat for cell in graph.cells())
    first.input[0], second.input[0] = second.input[0], first.input[0]
    (lstm,) = recognise(GraphView.of(graph.graph)).lstms
    assert [tensor.port for tensor in lstm.packed] == [1, 0, 2]
