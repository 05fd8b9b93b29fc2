"""LSTM loops of TensorFlow 1 and 2 become LSTMSequences; every other loop stays as it is, with the reason."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recognise.graph import recognise
from tests.rnn_check import assert_same, assert_sequences, convert

FIXTURES = Path(__file__).with_name("fixtures") / "rnn"

# Options of tests.graphs.rnn.dynamic → (LSTMSequences, those that run backwards).
CASES = {
    "plain": ({}, 1, 0),
    "lengths": ({"lengths": True, "cell": "lstm"}, 1, 0),
    "time_major": ({"time_major": True, "lengths": True, "given": True}, 1, 0),
    "layers": ({"layers": 2, "lengths": True}, 2, 0),
    "both": ({"both": True}, 2, 1),
    "both_lengths": ({"both": True, "lengths": True, "time_major": True}, 2, 1),
    "static": ({"static": 6}, 1, 0),
    "static_layers": ({"static": 6, "layers": 2, "cell": "lstm"}, 2, 0),
    "static_time_major": ({"static": 6, "time_major": True, "given": True}, 1, 0),
    "while": ({"control_flow": "v2", "given": True}, 1, 0),
    "while_layers": ({"control_flow": "v2", "layers": 2, "lengths": True, "cell": "lstm"}, 2, 0),
    "while_both": ({"control_flow": "v2", "both": True, "lengths": True}, 2, 1),
}


def make(**options):
    from tests.graphs.rnn import dynamic

    return dynamic(**options)


def references(graph, calls=((9, [9, 4, 0]), (6, [6, 6]), (1, [1, 0, 1, 1]))):
    """Feeds and expected values of calls with other sizes each."""
    if graph.steps:
        calls = [(graph.steps, lengths) for _, lengths in calls]
    from tests.reference import run_graph

    for seed, (steps, lengths) in enumerate(calls):
        feeds = graph.feeds(steps, lengths, seed)
        yield feeds, dict(zip(graph.outputs, run_graph(graph.graph_def, feeds, list(graph.outputs)), strict=True))


@pytest.mark.requires_tf
@pytest.mark.parametrize("case", CASES)
def test_loops_become_sequences(case):
    options, count, backwards = CASES[case]
    graph = make(**options)
    model, line = convert(graph.graph_def)
    assert_sequences(model, count, backwards)
    assert line.count(" become") == (2 if options.get("both") else 1)
    for feeds, expected in references(graph):
        assert_same(model, feeds, expected)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
@pytest.mark.parametrize("case", ["layers", "both_lengths", "while_both", "static_layers"])
def test_the_same_through_mo(tmp_path, case):
    from tests.mo_run import mo

    options, count, backwards = CASES[case]
    graph = make(**options)
    path = tmp_path / "model.pb"
    path.write_bytes(graph.graph_def)
    model, printed = mo(path)
    assert "LSTMSequence" in printed
    assert_sequences(model, count, backwards)
    for feeds, expected in references(graph):
        assert_same(model, feeds, expected)


@pytest.mark.parametrize(("name", "backwards"), [("layers", 0), ("both", 1), ("while", 1)])
def test_without_tensorflow(name, backwards):
    with np.load(FIXTURES / f"{name}.npz") as arrays:
        values = {key[:-2] + ":0": value for key, value in arrays.items()}
    model, _ = convert((FIXTURES / f"{name}.pb").read_bytes())
    assert_sequences(model, 2, backwards)
    inputs = {key: values.pop(key) for key in ("x:0", "lengths:0")}
    assert_same(model, inputs, values)


def test_inspect_lists_them(capsys):
    from deepspeech_recipe.cli import main

    assert main(["inspect", str(FIXTURES / "layers.pb")]) == 0
    assert (
        "LSTM loop 'net/rnn/while' (5 → 4 → 7) can become LSTMSequences; lengths 'lengths:0'" in capsys.readouterr().out
    )


@pytest.mark.requires_tf
def test_a_state_that_is_given_keeps_the_reversal():
    """Backwards the steps past a length come first, and would change a state that is not zero."""
    graph = make(both=True, lengths=True, given=True)
    model, line = convert(graph.graph_def)
    assert "backwards" not in line
    for feeds, expected in references(graph):
        assert_same(model, feeds, expected)


@pytest.mark.requires_tf
def test_a_reversed_sequence_that_is_returned_stays_reversed():
    graph = make(reversed_input=True, time_major=True)
    model, line = convert(graph.graph_def)
    assert "backwards" not in line
    for feeds, expected in references(graph):
        assert_same(model, feeds, expected)


@pytest.mark.requires_tf
def test_states_go_from_call_to_call():
    from tests.reference import run_graph

    graph = make(lengths=True, time_major=True, given=True)
    model, _ = convert(graph.graph_def)
    names = [f"{name}:0" for name in graph.initial]
    state = {name: np.zeros((3, 4), np.float32) for name in names}
    for seed, lengths in enumerate(([5, 2, 0], [3, 5, 5], [1, 0, 4])):
        feeds = {**graph.feeds(5, lengths, seed), **state}
        found = run_graph(graph.graph_def, feeds, list(graph.outputs))
        assert_same(model, feeds, dict(zip(graph.outputs, found, strict=True)))
        state = dict(zip(names, found[1:], strict=True))


@pytest.mark.requires_tf
def test_steps_that_are_read_one_by_one():
    from tests.reference import run_graph

    graph = make(static=6, pick=(1, 4, 5))
    model, _ = convert(graph.graph_def)
    assert_sequences(model, 1)
    feeds = graph.feeds(6, [6, 6])
    found = run_graph(graph.graph_def, feeds, list(graph.outputs))
    assert_same(model, feeds, dict(zip(graph.outputs, found, strict=True)))


@pytest.mark.requires_tf
def test_steps_with_lengths_are_left_alone_with_the_reason():
    found = recognise(GraphView.of(parse(GraphDef, make(static=4, lengths=True).graph_def, what="a test")))
    assert not found.static_rnns
    (refusal,) = found.refused
    assert "4 LSTM cells stand in conditions" in str(refusal)
    assert "use dynamic_rnn for lengths" in str(refusal)


REFUSALS = {
    "gru": r"is no plain LSTM: a hidden state σ\(o\) · tanh\(c\) was looked for, its states end in Add",
    "peephole": r"Something is added to gate \w before its sigmoid, as peephole connections are",
    "projection": r"a hidden state σ\(o\) · tanh\(c\) was looked for, its states end in AddV2 and MatMul",
    "clip": "The cell state is clipped",
    "relu": r"was looked for, its states end in AddV2 and Mul",
}


@pytest.mark.requires_tf
@pytest.mark.parametrize("control_flow", ["v1", "v2"])
@pytest.mark.parametrize("cell", REFUSALS)
def test_other_cells_are_left_alone_with_the_reason(cell, control_flow):
    graph = parse(GraphDef, make(cell=cell, control_flow=control_flow).graph_def, what="a test")
    found = recognise(GraphView.of(graph))
    assert not found.rnns
    (refusal,) = found.refused
    assert refusal.node
    with pytest.raises(RecipeError, match=REFUSALS[cell]) as caught:
        raise refusal
    assert "Only plain LSTM cells" in str(caught.value)


@pytest.mark.requires_tf
@pytest.mark.parametrize("kind", ["loop", "condition", "behind"])
def test_loops_inside_of_others_are_left_alone(kind):
    from tests.graphs.rnn import inside

    found = recognise(GraphView.of(parse(GraphDef, inside(kind), what="a test")))
    assert len(found.rnns) == (kind == "behind")
    reasons = [str(refusal) for refusal in found.refused]
    assert any("stands inside of another loop or of a condition" in reason for reason in reasons) == (kind != "behind")


@pytest.mark.requires_tf
@pytest.mark.parametrize("control_flow", ["v1", "v2"])
def test_attention_decoders_are_left_alone_with_the_reason(control_flow):
    from tests.graphs.rnn import attention_decoder

    found = recognise(GraphView.of(parse(GraphDef, attention_decoder(control_flow), what="a test")))
    assert not found.rnns
    (refusal,) = found.refused
    assert "its cell reads a Sum, not a step of a sequence" in str(refusal)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
def test_mo_leaves_a_gru_as_it_is(tmp_path):
    from tests.ir import op_counts
    from tests.mo_run import mo

    path = tmp_path / "gru.pb"
    path.write_bytes(make(cell="gru", time_major=True, control_flow="v2").graph_def)
    with_plugin, printed = mo(path)
    alone, _ = mo(path, plugin=False)
    said = [line for line in printed.splitlines() if line.startswith("[ deepspeech-recipe ]")]
    assert len(said) == 1
    assert "left as it is: The loop 'net/rnn/while' is no plain LSTM" in said[0]
    assert op_counts(with_plugin) == op_counts(alone)
