"""Someone wants a part of a graph: `convert --input NAME --output NAME`, as `mo` cuts it."""

import re

import numpy as np
import pytest

from deepspeech_recipe import cli, convert_model
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, GraphBuilder
from deepspeech_recipe.graphdef.cut import cut_graph
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.ir.names import stem
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.rewrite.reachability import needed
from tests.graphs.one_lstm import lstm_graph
from tests.support.compare import compiled, op_counts
from tests.support.limits import assert_close

F = {"T": DType(FLOAT)}
X = np.random.default_rng(2).standard_normal((5, 2, 3)).astype(np.float32)
EXACT = 1e-6


@pytest.fixture
def path(tmp_path):
    """raw [5, 2, 3] → Relu x → an LSTM → y → Tanh → Split in two → sum → z; y → side; another way of its own."""
    builder = GraphBuilder()
    builder.graph.CopyFrom(lstm_graph(5, 5))
    next(node for node in builder.graph.node if node.name == "x").name = "raw"
    builder.node("x", "Relu", ["raw"], **F)
    builder.node("tanh", "Tanh", ["y"], **F)
    builder.const("axis", 2, np.int32)
    builder.node("split", "Split", ["axis", "tanh"], num_split=2, **F)
    builder.node("sum", "AddV2", ["split", "split:1"], **F)
    builder.node("z", "Neg", ["sum"], **F)
    builder.node("side", "Abs", ["y"], **F)
    builder.placeholder("other", INT32, (1,))
    builder.node("of_other", "Neg", ["other"], T=DType(INT32))
    (tmp_path / "model.pb").write_bytes(builder.graph.SerializeToString())
    return tmp_path / "model.pb"


@pytest.fixture
def cut(path):
    """`cut(inputs, outputs)`: an ov.Model, by OpenVINO's frontend."""
    return lambda inputs=(), outputs=(): convert_model(path, converter="openvino", inputs=inputs, outputs=outputs)


def inputs_of(model) -> list[str]:
    return [stem(port.get_any_name()) for port in model.inputs]


def test_outputs_in_the_middle_one_of_them_behind_another(cut):
    model = cut(outputs=["z", "split:1", "y"])
    assert (inputs_of(model), len(model.outputs)) == (["raw"], 3)
    found = compiled(model)([X])
    halves = np.split(np.tanh(found["y:0"]), 2, 2)
    assert_close(found["split:1"], halves[1], EXACT)
    assert_close(found["z:0"], -(halves[0] + halves[1]), EXACT)


def test_an_input_in_the_middle_takes_away_what_is_in_front(cut):
    model = cut(["x[5,2,3]"], "z")
    assert inputs_of(model) == ["x"]
    assert not op_counts(model)["Relu"]
    whole = compiled(cut(outputs="z"))([X])
    assert_close(compiled(model)([np.maximum(X, 0)])["z:0"], whole["z:0"], EXACT)


def test_a_shape_of_another_size(cut):
    model = cut(["raw[5,7,3]", "zero[7,4]"], "z")
    assert list(model.output(0).shape) == [5, 7, 2]


def test_what_goes_into_one_reader_alone(cut):
    """The state is zeros for the hidden state only."""
    model = cut(["raw", "0:tanh[5,2,4]"])
    assert inputs_of(model) == ["raw", "tanh/placeholder_port_0"]
    found = compiled(model)([X, np.ones((5, 2, 4), np.float32)])
    assert_close(found["z:0"], np.full((5, 2, 2), -2 * np.tanh(1)), EXACT)
    np.testing.assert_array_equal(found["side:0"], compiled(cut(outputs="side"))([X])["side:0"])


def test_one_output_of_a_node_as_an_input(cut):
    model = cut(["raw", "split:1[5,2,2]"], ["z", "y"])
    assert inputs_of(model) == ["raw", "split/placeholder_out_port_1"]
    found = compiled(model)([X, np.ones((5, 2, 2), np.float32)])
    assert_close(found["z:0"], -(np.tanh(found["y:0"])[:, :, :2] + 1), EXACT)


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        ([], ["tanhh"], "The graph has no node 'tanhh'. Names like it: tanh"),
        (["qqqqq"], [], "The graph has no node 'qqqqq'. Its inputs are raw, other"),
        (["7:tanh[1]"], [], r"'tanh' \(Tanh\) has 1 inputs, so there is no '7:tanh'"),
        (["tanh"], [], r"does not say the shape of 'tanh'. Give it: 'tanh\[1,16,\?\]'"),
        (["x[a,b]"], [], "is not a list of sizes"),
        (["x[1][2]"], [], "is not a name"),
        (["other"], ["z"], "The input 'other' leads to none of the outputs"),
        (["z[5,2,2]"], ["tanh"], r"The input 'z\[5,2,2\]' leads to none of the outputs"),
        (["z[5,2,2]"], [], r"The input 'z\[5,2,2\]' leads to none of the outputs"),
        ([], ["tanh:1"], r"'tanh' \(Tanh\) has 1 outputs, so there is no 'tanh:1'"),
    ],
)
def test_names_that_are_wrong_are_one_line(path, cut, inputs, outputs, reason):
    with pytest.raises(RecipeError, match=reason) as caught:
        cut(inputs, outputs)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shaped", "reason"),
    [
        ("raw[5,2,7]", "The LSTM gets a sequence of 7 features, and its weights are for 3"),
        ("raw[4,2,3]", "The graph runs the LSTM for 5 steps, but its sequence has 4 steps"),
    ],
)
def test_shapes_that_the_graph_does_not_take_are_named(cut, shaped, reason):
    said = (
        f"The graph does not take the shapes that were given, {shaped}: it is converted with any sizes in their place"
    )
    with pytest.raises(RecipeError, match=f"{re.escape(said)}.*{reason}"):
        cut([shaped], "z")


def test_shapes_are_not_blamed_for_an_operation_that_openvino_does_not_know(path, tmp_path):
    graph = GraphBuilder()
    graph.graph.MergeFromString(path.read_bytes())
    graph.node("other_end", "Betainc", ["z", "z", "z"], **F)
    (tmp_path / "other.pb").write_bytes(graph.graph.SerializeToString())
    with pytest.raises(RecipeError, match="Betainc") as caught:
        convert_model(tmp_path / "other.pb", inputs=["raw[5,2,3]"], outputs="other_end")
    assert "shapes that were given" not in str(caught.value)


def test_the_command(path, capsys):
    folder = path.parent / "out"
    options = ["--input", "x[5,2,3]", "--output", "split:1", "--output", "y", "--converter", "openvino"]
    assert cli.main(["convert", str(path), *options, "-o", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in ("x", "y"))
    model = ov.Core().read_model(folder / "model.xml")
    assert {"y:0", "split:1"} <= {name for port in model.outputs for name in port.get_names()}


@pytest.mark.requires_tf
def test_states_stay_where_an_output_is_cut(tmp_path):
    from tests.graphs import foreign

    graph = foreign.stacked_language_model()
    model = convert_model(graph.save(tmp_path / "model.pb"), converter="openvino", outputs=graph.outputs[0])
    new = [port for port in model.outputs if any(name.startswith("new_") for name in port.get_names())]
    assert len(new) == len(graph.states) > 0


def test_the_feature_part_of_a_deepspeech_graph(tmp_path):
    from tests.support.contract import case

    model = convert_model(case("v0.9").path, converter="openvino", inputs="input_samples[?]", outputs="mfccs")
    assert inputs_of(model) == ["input_samples"]
    assert "mfccs:0" in model.output(0).get_names()


def test_a_variable_that_is_read_keeps_what_assigns_it_and_when():
    """Nothing of the output needs the assignment, but it is a state; control edges between what stays say the order."""
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (2,))
    graph.node("state", "VariableV2", dtype=DType(FLOAT), shape=(2,), container="", shared_name="")
    graph.node("read", "Identity", ["state"], **F)
    graph.node("y", "AddV2", ["read", "x", "^elsewhere"], **F)
    graph.node("keep", "Assign", ["state", "y", "^read"], **F)
    graph.node("elsewhere", "NoOp")
    graph.node("z", "Neg", ["y"], **F)
    found = {node.name: list(node.input) for node in cut_graph(graph.graph, [], ["y"]).node}
    assert found == {
        "x": [], "state": [], "read": ["state"], "y/inside": ["read", "x"], "y": ["y/inside"],
        "keep": ["state", "y/inside", "^read"],
    }  # fmt: skip


def test_what_an_output_needs_ends_where_the_graph_was_cut():
    inputs = {"out": (Tensor("sum"), Tensor("away")), "sum": (Tensor("x"), Tensor("x")), "x": (), "other": ()}
    assert needed(inputs, ["out", "gone"]) == {"out", "sum", "x"}
