"""LSTM loops of TensorFlow 1 and 2 become LSTMSequences; every other loop stays as it is, with the reason."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert as convert_file
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.rewrite.general import rewrite_general
from tests.support.compare import check_call, check_structure, op_counts
from tests.support.graph_edits import Edited
from tests.support.rnn_check import assert_states_are_carried, convert, make, references

FIXTURES = Path(__file__).with_name("fixtures") / "rnn"

# Options of tests.graphs.rnn.dynamic → (LSTMSequences, those that run backwards).
CASES = {
    "plain": ({}, 1, 0),
    "lengths": ({"lengths": True, "cell": "lstm"}, 1, 0),
    "time_major": ({"time_major": True, "lengths": True, "given": True}, 1, 0),
    "layers": ({"layers": 2, "lengths": True}, 2, 0),
    "both": ({"both": True}, 2, 1),
    "both_lengths": ({"both": True, "lengths": True, "time_major": True}, 2, 1),
    "while": ({"control_flow": "v2", "given": True}, 1, 0),
    "while_layers": ({"control_flow": "v2", "layers": 2, "lengths": True, "cell": "lstm"}, 2, 0),
    "while_both": ({"control_flow": "v2", "both": True, "lengths": True}, 2, 1),
}


@pytest.mark.sampled
@pytest.mark.requires_tf
@pytest.mark.parametrize("case", CASES)
def test_loops_become_sequences(case):
    options, count, backwards = CASES[case]
    graph = make(**options)
    model, line = convert(graph.graph_def)
    check_structure(model, count, backwards)
    assert line.count(" become") == (2 if options.get("both") else 1)
    for feeds, expected in references(graph):
        check_call(model, feeds, expected)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.parametrize("case", ["layers", "both_lengths", "while_both"])
def test_the_same_through_mo(tmp_path, case):
    from tests.support.mo_run import mo

    options, count, backwards = CASES[case]
    graph = make(**options)
    path = tmp_path / "model.pb"
    path.write_bytes(graph.graph_def)
    model, printed = mo(path)
    assert "LSTMSequence" in printed
    check_structure(model, count, backwards)
    # A node that turned time round must not lend its name to what went into it.
    assert not [name for port in model.inputs for name in port.get_names() if "Reverse" in name]
    for feeds, expected in references(graph):
        check_call(model, feeds, expected)


@pytest.mark.parametrize(("name", "backwards"), [("layers", 0), ("both", 1), ("while", 1), ("switch", 0), ("if", 0)])
def test_committed_loops_compute_what_tensorflow_did(name, backwards):
    with np.load(FIXTURES / f"{name}.npz") as arrays:
        values = {key[:-2] + ":0": value for key, value in arrays.items()}
    model, _ = convert((FIXTURES / f"{name}.pb").read_bytes())
    check_structure(model, 2, backwards)
    inputs = {key: values.pop(key) for key in ("x:0", "lengths:0")}
    check_call(model, inputs, values)


@pytest.mark.parametrize("name", ["layers", "while", "switch", "if"])
def test_recognition_changes_nothing_of_the_graph(name):
    view = GraphView.of(parse(GraphDef, (FIXTURES / f"{name}.pb").read_bytes(), what="a test"))
    before = dict(view.nodes)
    recognise(view)
    assert view.nodes == before


def test_inspect_lists_them(capsys):
    from deepspeech_recipe.cli import main

    assert main(["inspect", str(FIXTURES / "layers.pb")]) == 0
    assert (
        "LSTM loop 'net/rnn/while' (5 → 4 → 7) can become 2 LSTMSequences; lengths 'lengths:0'"
        in capsys.readouterr().out
    )


def other_lengths(graph, node):
    """One less than the layer stops at."""
    one = graph.constant(f"{node.name}/one", np.int32(1))
    node.input[1] = graph.add(f"{node.name}/less", "Sub", node.input[1], one).name
    graph.nodes[node.input[1]].attr["T"].type = 3


def whole_rows(graph, node):
    node.op = "ReverseV2"
    node.input[1] = graph.constant(f"{node.name}/axis", np.int32([0]))
    node.attr["Tidx"].type = 3
    for key in ("seq_dim", "batch_dim", "Tlen"):
        del node.attr[key]


def time_and_rows_exchanged(graph, node):
    """Lengths of rows reverse the batch then; as many steps as rows make it run."""
    node.attr["seq_dim"].i, node.attr["batch_dim"].i = 1, 0


def begins_with_ones(graph, node):
    for state in graph.of_op("Fill"):
        if "bw/BasicLSTMCellZeroState" in state.name:
            state.input[1] = graph.constant(f"{state.name}/one/{node.name}", np.float32(1))


OTHER_REVERSALS = [other_lengths, whole_rows, time_and_rows_exchanged, begins_with_ones]


def with_other_reversals(edit) -> bytes:
    graph = Edited(parse(GraphDef, (FIXTURES / "both.pb").read_bytes(), what="a test"))
    for node in list(graph.of_op("ReverseSequence")):
        edit(graph, node)
    return graph.graph.SerializeToString()


@pytest.mark.parametrize("edit", OTHER_REVERSALS)
def test_a_reversal_that_running_backwards_does_not_replace_stays(edit):
    found = recognise(GraphView.of(parse(GraphDef, with_other_reversals(edit), what="a test")))
    assert [(lstm.direction, lstm.reversals) for lstm in found.lstms] == [("forward", ())] * 2


@pytest.mark.parametrize("edit", OTHER_REVERSALS)
def test_what_stays_computes_what_tensorflow_does(tf, edit):
    from tests.support.reference import run_graph

    graph = with_other_reversals(edit)
    feeds = {"x:0": np.random.default_rng(7).standard_normal((3, 3, 5)).astype(np.float32)}
    feeds["lengths:0"] = np.array([3, 1, 2], np.int32)
    outputs = ["out:0", "state_2:0", "state_3:0"]
    check_call(convert(graph)[0], feeds, dict(zip(outputs, run_graph(graph, feeds, outputs), strict=True)))


def test_what_turned_time_back_is_a_copy_that_reads_no_lengths():
    view = GraphView.of(parse(GraphDef, (FIXTURES / "both.pb").read_bytes(), what="a test"))
    edits = rewrite_general(view, recognise(view), {}, freeze="").edits
    assert next(node for node in edits.replace if node.name == "net/ReverseSequence").inputs == (
        Tensor("net/bidirectional_rnn/bw/bw/while/sequence"),
    )


@pytest.mark.requires_tf
def test_a_state_that_is_given_keeps_the_reversal():
    """Backwards the steps past a length come first, and would change a state that is not zero."""
    graph = make(both=True, lengths=True, given=True)
    model, line = convert(graph.graph_def)
    assert "backwards" not in line
    for feeds, expected in references(graph):
        check_call(model, feeds, expected)


@pytest.mark.requires_tf
def test_a_reversed_sequence_that_is_returned_stays_reversed():
    graph = make(reversed_input=True, time_major=True)
    model, line = convert(graph.graph_def)
    assert "backwards" not in line
    for feeds, expected in references(graph):
        check_call(model, feeds, expected)


@pytest.mark.requires_tf
def test_states_go_from_call_to_call():
    graph = make(lengths=True, time_major=True, given=True)
    assert_states_are_carried(graph, [[5, 2, 0], [3, 5, 5], [1, 0, 4]], steps=5)


REFUSALS = {
    "gru": r"is not a known LSTM: a hidden state σ\(o\) · tanh\(c\) was looked for, its states end in Add",
    "projection": r"its hidden state is projected: a MatMul follows σ\(o\) · tanh\(c\)",
    "crossed": "A Mul is added to a gate that is not a peephole connection of the cell state",
}


@pytest.mark.requires_tf
@pytest.mark.parametrize("control_flow", ["v1", "v2"])
@pytest.mark.parametrize("cell", REFUSALS)
def test_other_cells_are_left_alone_with_the_reason(cell, control_flow):
    graph = parse(GraphDef, make(cell=cell, control_flow=control_flow).graph_def, what="a test")
    found = recognise(GraphView.of(graph))
    assert not found.lstms
    (refusal,) = found.refused
    assert refusal.node
    with pytest.raises(RecipeError, match=REFUSALS[cell]) as caught:
        raise refusal
    assert "Only LSTM cells" in str(caught.value)


@pytest.mark.requires_tf
@pytest.mark.parametrize("kind", ["loop", "condition", "behind"])
def test_loops_inside_of_others_are_left_alone(kind):
    from tests.graphs.rnn import inside

    found = recognise(GraphView.of(parse(GraphDef, inside(kind), what="a test")))
    assert len(found.lstms) == (kind == "behind")
    reasons = [str(refusal) for refusal in found.refused]
    assert any("stands inside of another loop or of a condition" in reason for reason in reasons) == (kind != "behind")


@pytest.mark.requires_tf
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.pb")), ids=lambda path: path.stem)
def test_each_is_compared_with_tensorflow(path, tmp_path):
    """Batches that are open in several inputs are one batch, whatever axis they are."""
    result = convert_file(path, tmp_path, converter="openvino", verify=True)
    assert result.verification.passed, "\n".join(result.verification.lines())


@pytest.mark.requires_tf
@pytest.mark.parametrize("implementation", [1, 2])
def test_last_values_of_a_loop_that_are_the_graphs_outputs_stay_outputs(implementation):
    """`return_state` of TensorFlow 1's Keras, frozen for the tensors that the model names."""
    from tests.graphs.keras import keras_1
    from tests.support.reference import run_graph

    graph = keras_1(implementation=implementation, recurrent_activation="sigmoid", return_state=True)
    content = parse(GraphDef, graph.graph_def, what="a test")
    copies = [node for node in content.node if node.name in ("out1", "out2")]
    outputs = ["out0:0", *(f"{node.input[0]}:0" for node in copies)]
    for node in copies:
        content.node.remove(node)
    model, _ = convert(content.SerializeToString())
    ops = op_counts(model)
    assert (ops["LSTMSequence"], ops["Loop"], ops["TensorIterator"]) == (1, 0, 0)
    feeds = graph.feeds(2, 5)
    check_call(model, feeds, dict(zip(outputs, run_graph(content.SerializeToString(), feeds, outputs), strict=True)))


@pytest.mark.requires_tf
def test_the_first_step_of_a_masked_loop_is_not_an_lstm_of_its_own():
    """Keras writes it down for its sizes, with weights that it cuts out anew."""
    from tests.graphs.keras import keras_1

    content = keras_1(implementation=1, recurrent_activation="sigmoid", masked=True).graph_def
    found = recognise(GraphView.of(parse(GraphDef, content, what="a test")))
    assert not found.lstms
    assert "a mask decides which steps count" in str(found.refused[0])
