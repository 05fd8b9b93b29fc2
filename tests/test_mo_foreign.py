"""Graphs that hold no DeepSpeech model: left alone, or handled by the general passes."""

import numpy as np
import pytest

from tests.graphs import foreign, fused
from tests.support.compare import check_call, compiled, op_counts
from tests.support.limits import assert_close
from tests.support.mo_run import MOError, mo
from tests.support.reference import run_graph, session

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]


def said(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("[ deepspeech-recipe ]")]


def run_ir(model, feeds: dict) -> np.ndarray:
    request = compiled(model).create_infer_request()
    request.infer(feeds)
    return request.get_output_tensor(0).data.copy()


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["cnn", "mlp", "gru", "gru_block", "attention_step"])
def test_models_without_a_fused_lstm_are_left_alone(tmp_path, name):
    """Measured against mo without the plugin: the same operations, the same numbers, and one line."""
    graph = foreign.STATELESS[name]()
    path = graph.save(tmp_path / "model.pb")
    with_plugin, printed = mo(path)
    alone, _ = mo(path, plugin=False)
    assert len(said(printed)) == 1
    assert "left as it is" in said(printed)[0]
    assert op_counts(with_plugin) == op_counts(alone)
    feeds = {name.removesuffix(":0") + ":0": value for name, value in graph.feeds().items()}
    np.testing.assert_array_equal(run_ir(with_plugin, feeds), run_ir(alone, feeds))


def test_foreign_lstm_becomes_one_sequence(tmp_path):
    graph = foreign.embedding_lstm()
    model, printed = mo(graph.save(tmp_path / "model.pb"))
    assert op_counts(model)["LSTMSequence"] == 1
    assert not op_counts(model).keys() & {"TensorIterator", "Loop"}
    assert "becomes an LSTMSequence" in said(printed)[0]
    feeds = graph.feeds()
    (expected,) = run_graph(graph.graph_def, feeds, list(graph.outputs))
    assert_close(run_ir(model, feeds), expected, 3e-7)


def test_foreign_lstm_that_cannot_be_expressed_gets_one_line(tmp_path, capfd):
    path = foreign.gates_consumed().save(tmp_path / "model.pb")
    with pytest.raises(MOError) as alone:
        mo(path, plugin=False)
    with pytest.raises(MOError) as with_plugin:
        mo(path)
    # MO's own pass went on, and refuses as it does by itself.
    assert str(with_plugin.value) == str(alone.value)


def test_two_stacked_stateful_cells_of_another_model(tmp_path):
    """The general passes at work: variables become inputs and outputs, each cell one LSTMSequence."""
    graph = foreign.stacked_language_model()
    model, printed = mo(graph.save(tmp_path / "model.pb"))
    assert op_counts(model)["LSTMSequence"] == 2
    for name in graph.states:
        assert name in said(printed)[0]
        assert {name, f"{name}/read"} <= model.input(name).get_names()  # all of the framework's names
        model.output(f"new_{name}")
    request = compiled(model).create_infer_request()
    states = {name: np.zeros(model.input(name).get_shape(), np.float32) for name in graph.states}
    with session(graph.graph_def) as run:
        run(graph.reset)
        for seed in range(8):
            feeds = graph.feeds(seed)
            expected = run(graph.outputs[0], feeds)
            request.infer({**feeds, **states})
            assert_close(request.get_tensor(graph.outputs[0]).data, expected, 1e-6)
            states = {name: request.get_tensor(f"new_{name}").data.copy() for name in graph.states}
            for name in graph.states:
                assert_close(states[name], run(f"{name}:0"), 5e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("decays", [False, True])
@pytest.mark.parametrize("named", [(), ("scores",), ("dense",), ("dense", "scores")])
def test_a_classifiers_outputs_are_the_graphs_or_those_that_are_named(tmp_path, decays, named):
    """Model Optimizer gives each LSTMCell that it makes outputs of its own."""
    graph = foreign.classifier(decays=decays)
    model, _ = mo(graph.save(tmp_path / "model.pb"), *(["--output", ",".join(named)] if named else []))
    assert op_counts(model)["LSTMCell"] == (3 if decays else 0)
    wanted = [f"{name}:0" for name in named or ("scores",)]
    assert len(model.outputs) == len(wanted)
    feeds = graph.feeds()
    check_call(model, feeds, dict(zip(wanted, run_graph(graph.graph_def, feeds, wanted), strict=True)))


def test_lengths_of_another_model_that_may_differ_are_refused(tmp_path):
    """Lengths that are an input may differ from the time length: the state would be lost, so it is an error."""
    path = foreign.stacked_language_model(by_length=True).save(tmp_path / "model.pb")
    with pytest.raises(MOError, match="would be lost"):
        mo(path)


FREEZE = ("--freeze_placeholder_with_value", "frame_counts->[{}]")


def frozen(graph, folder, lengths: str):
    path, (option, value) = graph.save(folder / "model.pb"), FREEZE
    return mo(path, option, value.format(lengths))[0]


@pytest.mark.parametrize(("lengths", "features"), [("6 6 6", [5, 10]), ("4 0 6", [6, 11])])
def test_somebody_freezes_the_lengths_of_a_fused_lstm(tmp_path, lengths, features):
    """They are no input then; a feature more than the sequence has means that rows are stopped."""
    graph = fused.two_layers(taken="GatherNd")
    model = frozen(graph, tmp_path, lengths)
    assert "frame_counts" not in set().union(*(port.get_names() for port in model.inputs))
    lstms = [node for node in model.get_ops() if node.get_type_name() == "LSTMSequence"]
    assert sorted(node.get_input_shape(0)[2] for node in lstms) == features
    feeds = graph.feeds(1)
    given = {**feeds, "frame_counts:0": np.array(lengths.split(), np.int32)}
    with session(graph.graph_def) as run:
        expected = dict(zip(graph.outputs, run(list(graph.outputs), given), strict=True))
    del feeds["frame_counts:0"]
    check_call(model, feeds, expected)


def test_hidden_states_that_are_read_past_a_rows_own_length_are_not_an_lstm_sequences(tmp_path):
    graph = fused.two_layers(taken="GatherNd", masked=False, kept="variables")
    path = graph.save(tmp_path / "model.pb")
    with pytest.raises(MOError, match=r"'memory_0_c' would be lost: its states past a row's own length are read by"):
        mo(path)
    # As the message says.
    model = frozen(graph, tmp_path, "6 6 6")
    assert op_counts(model)["LSTMSequence"] == 2
    feeds = graph.feeds(2)
    states = {name: np.zeros(model.input(name).shape, np.float32) for name in graph.states}
    with session(graph.graph_def) as run:
        run(graph.reset)
        expected = run(graph.outputs[0], {**feeds, "frame_counts:0": [6, 6, 6]})
    check_call(model, {"frames": feeds["frames:0"], **states}, {"scores": expected})
    # Another number of steps than those of the frames would be another graph.
    with pytest.raises(MOError, match="runs the LSTM for 4 steps, but its sequence has 6 steps"):
        frozen(graph, tmp_path, "4 4 4")
