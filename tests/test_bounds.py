"""What bounds the dense layers of an IR, which no recording shows."""

import functools
import json

import numpy as np
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.graphdef.build import GraphBuilder
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
def original():
    return find_original(open_model(models.graph("v0.9")))


def with_bounds(change, path):
    """Writes v0.9 to the path, of which `change` gets (its nodes by name, each Minimum)."""
    builder = GraphBuilder()
    builder.graph.ParseFromString(models.graph("v0.9").read_bytes())
    builder.const("low", np.float32(0))
    nodes = {node.name: node for node in builder.graph.node}
    for node in nodes.values():
        if node.op == "Minimum":
            change(nodes, node)
    path.write_bytes(builder.graph.SerializeToString())
    return path


def unbounded(nodes, node):
    node.op = "Identity"
    del node.input[1:]


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
        models.rebounded(model, layer, bound)
        check = check_bounds(original(), model)
        assert not check.passed
        assert check.detail == f"{layer}: {shown} in the IR, 20 in the original"


def test_model_optimizers_clamp_is_read_too():
    for high, passed in ((20.0, True), (20.005, True), (20.02, False), (19.98, False)):
        model = models.ir("v0.9")
        for layer in BOUNDED:
            models.rebounded(model, layer, lambda x, high=high: opset.clamp(x, 0.0, high).output(0))
        assert check_bounds(original(), model).passed is passed, high


@pytest.mark.requires_mo
def test_they_are_the_graphs_by_mo(tmp_path):
    path = convert(models.graph("v0.9"), tmp_path, converter="mo", verify=False).files[0]
    model = ov.Core().read_model(path)
    check = check_bounds(original(), model)
    assert (check.passed, check.figure) == (True, 0)
    models.rebounded(model, "dense_5", lambda x: x)
    assert not check_bounds(original(), model).passed


def test_a_trained_model_without_a_bound_fails_though_no_number_tells(tmp_path, capsys):
    path = convert(MODEL, tmp_path, converter="openvino", verify=False).files[0]
    model = ov.Core().read_model(path)
    models.rebounded(model, "dense_5", lambda x: x)
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
        node.op = "ClipByValue"
        node.input.insert(1, "low")

    def six(nodes, node):
        nodes[node.input[0]].op = "Relu6"
        unbounded(nodes, node)

    for change, bound in ((clipped, 20), (six, 6)):
        path = with_bounds(change, tmp_path / "m.pb")
        found = find_original(open_model(path))
        model = ov.Core().read_model(convert(path, tmp_path, converter="openvino", verify=False).files[0])
        assert check_bounds(found, model).figure == 0
        models.rebounded(model, "dense_2", lambda x: opset.minimum(x, np.float32(30)).output(0))
        assert check_bounds(found, model).detail == f"dense_2: 30 in the IR, {bound} in the original"


def test_nothing_is_said_of_models_without_bounds_or_with_other_layers(tmp_path):
    path = with_bounds(unbounded, tmp_path / "m.pb")
    bare = find_original(open_model(path))
    model = ov.Core().read_model(convert(path, tmp_path, converter="openvino", verify=False).files[0])
    assert check_bounds(bare, model) is None
    x = opset.parameter([1, 4], np.float32)
    assert check_bounds(original(), ov.Model([opset.relu(x)], [x], "no layers")) is None
    assert not check_bounds(bare, models.ir("v0.9")).passed
