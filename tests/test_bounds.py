"""What bounds the dense layers of an IR, which no recording shows."""

import functools
import json

import numpy as np
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.ir.layers import layer_ends
from deepspeech_recipe.ir.ov_api import opset, ov
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.verification import verify
from deepspeech_recipe.verification.bounds import check_bounds
from deepspeech_recipe.verification.diagnose import diagnose
from deepspeech_recipe.verification.find_original import find_original
from tests.support import verify_models as models
from tests.support.bundled import MODEL

BOUNDED = ("dense_1", "dense_2", "dense_3", "dense_5")
FORMS = [{}, {"weights": "fp16"}, {"weights": "int8"}, {"lengths": "input"}, {"audio": "attached"}]


@functools.cache
def original(name: str = "v0.9"):
    return find_original(open_model(models.graph(name)))


def rebounded(model, layer: str, change) -> None:
    """change: what a layer is before its bound, as ov.Output → what takes its place."""
    end = layer_ends(model)[layer]
    while end.get_node().get_type_name() not in ("Minimum", "Clamp"):  # moved behind it
        end = end.get_node().input_value(0)
    bounded = change(end.get_node().input_value(0))
    for reader in end.get_target_inputs():
        reader.replace_source_output(bounded)


def with_graph(path, tmp_path, change):
    """The model of a graph whose bounds `change` got: (nodes by name, the name of each Minimum)."""
    graph = parse(GraphDef, path.read_bytes(), what="the graph")
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op == "Minimum":
            change(nodes, node)
    (tmp_path / "m.pb").write_bytes(graph.SerializeToString())
    return tmp_path / "m.pb"


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_they_are_the_graphs_in_every_form(options):
    check = check_bounds(original(), models.ir("v0.9", **options))
    assert (check.passed, check.figure) == (True, 0)


@pytest.mark.parametrize("options", FORMS[:3], ids=str)
@pytest.mark.parametrize("layer", BOUNDED)
def test_another_one_is_seen_in_each_layer(options, layer):
    for value, shown in ((20.02, "20.02"), (6.0, "6"), (None, "none")):
        model = models.ir("v0.9", **options)
        bound = (lambda x: x) if value is None else lambda x, value=value: opset.minimum(x, np.float32(value)).output(0)
        rebounded(model, layer, bound)
        check = check_bounds(original(), model)
        assert not check.passed
        assert check.detail == f"{layer}: {shown} in the IR, 20 in the original"


def test_model_optimizers_clamp_is_read_too():
    for high, passed in ((20.0, True), (20.005, True), (20.02, False), (19.98, False)):
        model = models.ir("v0.9")
        for layer in BOUNDED:
            rebounded(model, layer, lambda x, high=high: opset.clamp(x, 0.0, high).output(0))
        assert check_bounds(original(), model).passed is passed, high


@pytest.mark.requires_mo
def test_they_are_the_graphs_by_mo(tmp_path):
    path = convert(models.graph("v0.9"), tmp_path, converter="mo", verify=False).files[0]
    model = ov.Core().read_model(path)
    check = check_bounds(original(), model)
    assert (check.passed, check.figure) == (True, 0)
    rebounded(model, "dense_5", lambda x: x)
    assert not check_bounds(original(), model).passed


def test_a_trained_model_without_a_bound_fails_though_no_number_tells(tmp_path, capsys):
    path = convert(MODEL, tmp_path, converter="openvino", verify=False).files[0]
    model = ov.Core().read_model(path)
    rebounded(model, "dense_5", lambda x: x)
    ov.save_model(model, tmp_path / "lost.xml", compress_to_fp16=False)
    assert main(["verify", str(MODEL), str(tmp_path / "lost.xml"), "--reference", "numpy", "--json"]) == 1
    printed = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # an infinity is no JSON
    assert next(check for check in printed["checks"] if check["name"] == "bounds")["figure"] is None
    failed = [check for check in verify(MODEL, model, reference="numpy").checks if not check.passed]
    assert [check.name for check in failed] == ["bounds"]
    found = diagnose(MODEL, model)
    assert (found.first, found.exit_code) == ("bounds", 1)
    assert found.advice == "dense_5: none in the IR, 20 in the original."


def test_bounds_that_graphs_write_in_other_ways(tmp_path):
    """ClipByValue, and Relu6, which says 6 by its name; the converted model has the same."""

    def clipped(nodes, node):
        value, bound = node.input
        zero = nodes[bound]
        node.op = "ClipByValue"
        node.input[:] = [value, "low", bound]
        assert zero.op == "Const"

    def six(nodes, node):
        relu = nodes[node.input[0]]
        relu.op, node.op = "Relu6", "Identity"
        del node.input[1:]

    for change, bound in ((clipped, 20), (six, 6)):
        path = with_graph(models.graph("v0.9"), tmp_path, change)
        graph = parse(GraphDef, path.read_bytes(), what="the graph")
        low = graph.node.add()
        low.CopyFrom(next(node for node in graph.node if node.name.endswith("/y") and node.op == "Const"))
        low.name = "low"
        low.attr["value"].tensor.CopyFrom(low.attr["value"].tensor.__class__(dtype=1, float_val=[0.0]))
        low.attr["value"].tensor.tensor_shape.SetInParent()
        path.write_bytes(graph.SerializeToString())
        found = find_original(open_model(path))
        model = ov.Core().read_model(convert(path, tmp_path, converter="openvino", verify=False).files[0])
        assert check_bounds(found, model).figure == 0
        rebounded(model, "dense_2", lambda x: opset.minimum(x, np.float32(30)).output(0))
        assert check_bounds(found, model).detail == f"dense_2: 30 in the IR, {bound} in the original"


def test_nothing_is_said_of_models_without_bounds_or_with_other_layers(tmp_path):
    def unbounded(nodes, node):
        node.op = "Identity"
        del node.input[1:]

    path = with_graph(models.graph("v0.9"), tmp_path, unbounded)
    bare = find_original(open_model(path))
    model = ov.Core().read_model(convert(path, tmp_path, converter="openvino", verify=False).files[0])
    assert check_bounds(bare, model) is None
    x = opset.parameter([1, 4], np.float32)
    assert check_bounds(original(), ov.Model([opset.relu(x)], [x], "no layers")) is None
    assert not check_bounds(bare, models.ir("v0.9")).passed
