"""Somebody has a graph with a `keep_prob`, and wants it without dropout; or with the input, as it is."""

from contextlib import nullcontext

import numpy as np
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.conversion.convert import convert, convert_model
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import BOOL, FLOAT, INT32, DType, GraphBuilder, turn_into
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.rewrite.frozen_inputs import freeze_inputs
from deepspeech_recipe.verification import verify
from tests.graphs.one_lstm import F32, lstm_graph
from tests.support.compare import check_call, compiled, op_counts
from tests.support.limits import assert_close

FORMS = ("keep_prob", "rate")
X = np.random.default_rng(5).standard_normal((5, 2, 3)).astype(np.float32)


def with_dropout(form: str) -> GraphBuilder:
    """y of the LSTM behind dropout, as TensorFlow wrote it until 1.12 ('keep_prob'), and from 1.13 on ('rate')."""
    graph = GraphBuilder()
    graph.graph.CopyFrom(lstm_graph(5, 5))
    graph.node(form, "Placeholder", dtype=DType(FLOAT), shape=None)
    graph.node("sizes", "Shape", ["y"], T=DType(FLOAT), out_type=DType(INT32))
    graph.node("drawn", "RandomUniform", ["sizes"], T=DType(INT32), dtype=DType(FLOAT), seed=1, seed2=2)
    graph.const("one", 1, np.float32)
    if form == "keep_prob":
        graph.node("mask", "Floor", [graph.node("sum", "AddV2", ["keep_prob", "drawn"], **F32)], **F32)
        scaled = graph.node("scaled", "RealDiv", ["y", "keep_prob"], **F32)
    else:
        kept = graph.node("kept", "Sub", ["one", "rate"], **F32)
        scaled = graph.node("scaled", "Mul", ["y", graph.node("scale", "RealDiv", ["one", kept], **F32)], **F32)
        above = graph.node("above", "GreaterEqual", ["drawn", "rate"], **F32)
        graph.node("mask", "Cast", [above], SrcT=DType(10), DstT=DType(FLOAT))
    graph.node("out", "Mul", [scaled, "mask"], **F32)
    return graph


@pytest.fixture(params=FORMS)
def dropout(request, tmp_path):
    """(path, the input's name, the value that keeps everything)"""
    path = tmp_path / "dropout.pb"
    path.write_bytes(with_dropout(request.param).graph.SerializeToString())
    return path, request.param, 1.0 if request.param == "keep_prob" else 0.0


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    path = tmp_path_factory.mktemp("without") / "plain.pb"
    path.write_bytes(lstm_graph(5, 5).SerializeToString())
    return compiled(convert_model(path, converter="openvino"))([X])[0]


def test_dropout_that_keeps_everything_is_left_out(dropout, without, tmp_path):
    path, name, value = dropout
    result = convert(path, tmp_path / "out", converter="openvino", freeze={name: value}, verify=False)
    assert "dropout that keeps everything is left out" in result.notes
    assert [each["name"] for each in result.inputs] == ["x"]
    assert [each["name"] for each in result.outputs] == ["out"]
    model = convert_model(path, converter="openvino", freeze={f"{name}:0": value})
    assert "RandomUniform" not in op_counts(model)
    assert_close(compiled(model)([X])[0], without, 1e-6)
    # A later comparison is with the graph as it was frozen.
    assert result.metadata["frozen"] == {name: value}
    assert verify(path, result.files[0], reference="numpy").passed


def test_an_ir_is_compared_with_the_file_in_which_its_owner_froze_the_same(tmp_path):
    paths = {}
    for kind in ("Placeholder", "Const"):
        graph = GraphBuilder()
        graph.graph.CopyFrom(lstm_graph(5, 5))
        if kind == "Const":
            graph.const("gain", 2, np.float32)
        else:
            graph.placeholder("gain", FLOAT, ())
        graph.node("out", "Mul", ["y", "gain"], **F32)
        paths[kind] = tmp_path / f"{kind}.pb"
        paths[kind].write_bytes(graph.graph.SerializeToString())
    result = convert(paths["Placeholder"], tmp_path / "out", converter="openvino", freeze={"gain": 2}, verify=False)
    for path in paths.values():
        assert verify(path, result.files[0], reference="numpy").passed


def test_another_probability_still_drops(dropout, without):
    path, name, _ = dropout
    found = compiled(convert_model(path, converter="openvino", freeze={name: 0.5}))([X])[0]
    dropped = found == 0
    assert 0 < dropped.mean() < 1
    assert_close(found[~dropped], 2 * without[~dropped], 1e-6)


def test_an_input_of_unknown_rank_is_a_scalar_if_dropout_reads_it(dropout, without):
    path, name, value = dropout
    network = compiled(convert_model(path, converter="openvino"))
    found = network({"x": X, name: np.float32(value)})
    assert_close(found[0], without, 1e-6)


def test_another_input_of_unknown_rank_is_refused_with_the_way_out(tmp_path, without):
    graph = GraphBuilder()
    graph.graph.CopyFrom(lstm_graph(5, 5))
    graph.node("gain", "Placeholder", dtype=DType(FLOAT), shape=None)
    graph.node("out", "Mul", ["y", "gain"], **F32)
    path = tmp_path / "gain.pb"
    path.write_bytes(graph.graph.SerializeToString())
    with pytest.raises(RecipeError, match=r"input 'gain' has no shape.*--freeze gain=NUMBER"):
        convert_model(path, converter="openvino")
    found = compiled(convert_model(path, converter="openvino", freeze={"gain": 3}))([X])[0]
    assert_close(found, 3 * without, 1e-6)


@pytest.mark.parametrize(
    ("frozen", "reason"),
    [
        ("teapot=1", "'teapot' is not an input, so it cannot be frozen. Inputs are x, keep_prob."),
        ("y=1", "'y' is not an input"),
        ("keep_prob=nan", "is of the type float32, which cannot hold nan"),
        ("keep_prob", "'keep_prob' is not of the form INPUT=NUMBER"),
        ("keep_prob=1,=2", "'=2' is not of the form INPUT=NUMBER"),
    ],
)
def test_what_cannot_be_frozen_is_one_line(tmp_path, capsys, frozen, reason):
    path = tmp_path / "dropout.pb"
    path.write_bytes(with_dropout("keep_prob").graph.SerializeToString())
    command = ["convert", str(path), "-o", str(tmp_path / "out"), "--converter", "openvino", "--freeze", frozen]
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert reason in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_open_sizes_cannot_be_frozen(tmp_path):
    graph = GraphBuilder()
    graph.graph.CopyFrom(lstm_graph(5, 5))
    graph.placeholder("gain", FLOAT, (-1, 4))
    graph.node("out", "Mul", ["y", "gain"], **F32)
    path = tmp_path / "gain.pb"
    path.write_bytes(graph.graph.SerializeToString())
    with pytest.raises(RecipeError, match=r"has the shape \[-1, 4\], so it is not known how many numbers"):
        convert_model(path, converter="openvino", freeze={"gain": 1})


@pytest.mark.parametrize(("count", "fits"), [(2**20, True), (2**20 + 1, False)])
def test_an_input_of_a_million_numbers_can_be_frozen(count, fits):
    graph = GraphBuilder()
    graph.placeholder("gain", FLOAT, (count,))
    with nullcontext() if fits else pytest.raises(RecipeError, match=r"has the shape \[1048577\]"):
        assert freeze_inputs(graph.graph, {"gain": 2.5}) == ["input 'gain' is 2.5 for good"]
        assert GraphView.of(graph.graph).constant(Tensor("gain")).sum() == 2.5 * count


@pytest.mark.requires_mo
@pytest.mark.requires_tf
def test_plain_mo_makes_a_model_that_compiles(dropout, without):
    from tests.support.mo_run import mo

    path, name, value = dropout
    network = compiled(mo(path)[0])
    assert_close(network({"x": X, name: np.float32(value)})[0], without, 1e-6)


@pytest.mark.parametrize("value", [np.inf, np.nan, 0.5, 2**40])
def test_a_whole_number_holds_whole_numbers(tmp_path, value):
    graph = GraphBuilder()
    graph.graph.CopyFrom(lstm_graph(5, 5))
    graph.placeholder("count", INT32, ())
    graph.node("times", "Cast", ["count"], SrcT=DType(INT32), DstT=DType(FLOAT))
    graph.node("out", "Mul", ["y", "times"], **F32)
    path = tmp_path / "count.pb"
    path.write_bytes(graph.graph.SerializeToString())
    with pytest.raises(RecipeError, match="The input 'count' is of the type int32, which cannot hold"):
        convert_model(path, converter="openvino", freeze={"count": value})


def _as_before_2_12(graph_def: bytes) -> bytes:
    """SelectV2(u >= rate, x, 0) as x · Cast(u >= rate)."""
    graph = parse(GraphDef, graph_def, what="a test")
    builder = GraphBuilder()
    builder.graph = graph
    for node in [node for node in graph.node if node.op == "SelectV2"]:
        above, scaled, _ = node.input
        mask = builder.node(f"{node.name}/mask", "Cast", [above], SrcT=DType(10), DstT=DType(FLOAT))
        turn_into(node, "Mul", [scaled, mask], **F32)
    return graph.SerializeToString()


def condition(*, other: bool = False, read: bool = False) -> GraphDef:
    """out: −x, or |x| if `training` holds, as TensorFlow 1 writes conditions. other: it is another input that decides;
    read: which of both it was is read, too."""
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (2,))
    decides = [graph.placeholder(name, BOOL, ()) for name in ("training", "unknown")][other]
    graph.node("switch", "Switch", ["x", decides], **F32)
    graph.node("no", "Neg", ["switch"], **F32)
    graph.node("yes", "Abs", ["switch:1"], **F32)
    graph.node("merge", "Merge", ["no", "yes"], N=2, **F32)
    graph.node("out", "Identity", ["merge"], **F32)
    if read:
        graph.node("which", "Identity", ["merge:1"], T=DType(INT32))
    return graph.graph


@pytest.mark.parametrize(("value", "branch"), [(0, "no"), (1, "yes")])
def test_a_condition_that_is_known_leaves_its_branch(value, branch):
    graph = condition()
    freeze_inputs(graph, {"training": value})
    nodes = {node.name: (node.op, list(node.input)) for node in graph.node}
    assert nodes["merge"] == ("Identity", [f"{branch}:0"])
    assert nodes[branch][1] == ["x:0"]
    assert {"switch", "yes", "no"} & {*nodes} == {branch}


@pytest.mark.parametrize("left", ["other", "read"])
def test_a_condition_that_is_not_known_or_is_read_by_others_stays(left):
    graph = condition(**{left: True})
    freeze_inputs(graph, {"training": 1})
    assert next(node.op for node in graph.node if node.name == "merge") == "Merge"


@pytest.mark.sampled
@pytest.mark.requires_tf
@pytest.mark.parametrize("form", ["SelectV2", "Cast"])
@pytest.mark.parametrize("static", [0, 4])
def test_dropout_wrappers_leave_an_lstm_sequence(tmp_path, static, form):
    """Inside of the loop, around the cell: input, state and output."""
    from tests.graphs.rnn import dynamic
    from tests.support.reference import run_graph

    graph = dynamic(cell="dropout", lengths=True, static=static)
    content = graph.graph_def if form == "SelectV2" else _as_before_2_12(graph.graph_def)
    (tmp_path / "model.pb").write_bytes(content)
    (keep,) = (node.name for node in parse(GraphDef, content, what="a test").node if "keep_prob" in node.name)
    with pytest.raises(RecipeError, match=f"Dropout is in the graph; to leave it out: --freeze {keep}=1"):
        convert_model(tmp_path / "model.pb")
    model = convert_model(tmp_path / "model.pb", freeze={keep: 1})
    assert (op_counts(model)["LSTMSequence"], op_counts(model)["RandomUniform"]) == (1, 0)
    feeds = graph.feeds(static or 6, [4, 0, 2])
    wanted = run_graph(content, {**feeds, f"{keep}:0": np.float32(1)}, list(graph.outputs))
    check_call(model, feeds, dict(zip(graph.outputs, wanted, strict=True)))


@pytest.mark.requires_tf
@pytest.mark.parametrize("implementation", [1, 2])
def test_keras_learning_phase_decides_conditions(tmp_path, implementation):
    from tests.graphs.keras import keras_1
    from tests.support.reference import run_graph

    options = {"recurrent_activation": "sigmoid", "dropout": 0.3, "recurrent_dropout": 0.2}
    graph = keras_1(implementation=implementation, **options)
    (tmp_path / "model.pb").write_bytes(graph.graph_def)
    with pytest.raises(RecipeError, match="Dropout is in the graph; to leave it out: --freeze keras_learning_phase=0"):
        convert_model(tmp_path / "model.pb")
    model = convert_model(tmp_path / "model.pb", freeze={"keras_learning_phase": 0})
    assert op_counts(model)["LSTMSequence"] == 1
    feeds = graph.feeds(2, 5)
    wanted = run_graph(graph.graph_def, {**feeds, "keras_learning_phase:0": np.array(False)}, list(graph.outputs))
    check_call(model, feeds, dict(zip(graph.outputs, wanted, strict=True)))
