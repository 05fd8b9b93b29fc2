"""convert_model: the model in memory is the one that `convert` writes, and TensorFlow's numbers."""

import gc

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.ov_api import ov
from tests.graphs.one_lstm import lstm_graph
from tests.support import compare, contract

FORMS = {
    "plain": {},
    "other sizes": {"time_steps": "dynamic", "batch": 2},
    "internal state, raw": {"state": "internal", "head": "raw"},
    "lengths": {"lengths": "input"},
    "attached": {"audio": "attached"},
    "streaming": {"audio": "attached", "state": "internal", "batch": 1},
    "half": {"weights": "fp16", "audio": "attached"},
    "int8": {"weights": "int8", "keep_fp16": ["dense_1"], "activations": "fp32"},
}


@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_it_is_the_model_that_convert_writes(tmp_path, options):
    path = contract.case("v0.9").path
    written = deepspeech_recipe.convert(path, tmp_path, converter="openvino", verify=False, name="a", **options)
    model = deepspeech_recipe.convert_model(path, converter="openvino", **options)
    assert isinstance(model, ov.Model)
    assert read_metadata(model) == written.metadata
    ov.save_model(model, tmp_path / "b.xml", compress_to_fp16=False)
    assert (tmp_path / "b.bin").read_bytes() == written.files[1].read_bytes()
    assert [sorted(port.get_names()) for port in model.inputs] == [sorted(each["names"]) for each in written.inputs]
    assert [sorted(port.get_names()) for port in model.outputs] == [sorted(each["names"]) for each in written.outputs]


@pytest.mark.parametrize(
    "converter", ["openvino", pytest.param("mo", marks=[pytest.mark.requires_mo, pytest.mark.requires_tf])]
)
def test_the_model_in_memory_has_tensorflows_numbers(tmp_path, converter, monkeypatch):
    """In a directory of its own, whose files are gone when the model runs."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    each, lines = contract.case("v0.9"), []
    model = deepspeech_recipe.convert_model(each.path, converter=converter, log=lines.append)
    gc.collect()
    assert not list(tmp_path.rglob("*.bin"))
    compare.check_structure(model)
    contract.check_names(model, each)
    compare.check_numbers(model, each)
    assert read_metadata(model)["converter"].startswith(converter)
    assert lines[-1].startswith("converting with ")


def test_it_goes_where_an_ir_goes():
    """verify takes it as it is."""
    each = contract.case("v0.9")
    model = deepspeech_recipe.convert_model(each.path, converter="openvino", language="de")
    assert read_metadata(model)["language"] == "de"
    report = deepspeech_recipe.verify(each.path, model, reference="numpy")
    assert report.passed, report.lines()


def test_a_graph_that_is_not_deepspeech(tmp_path):
    path = tmp_path / "tagger.pb"
    path.write_bytes(lstm_graph(5, 5).SerializeToString())
    model = deepspeech_recipe.convert_model(path, converter="openvino")
    compare.check_structure(model)
    with pytest.raises(RecipeError, match="--head: only a DeepSpeech model has that"):
        deepspeech_recipe.convert_model(path, converter="openvino", head="raw")


def test_half_precision_is_half():
    path = contract.case("v0.9").path
    model = deepspeech_recipe.convert_model(path, converter="openvino", weights="fp16")
    kinds = {
        node.get_element_type().get_type_name()
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and np.prod(node.get_output_shape(0)) > 100
    }
    assert kinds == {"f16"}


def test_one_layer_may_be_named_alone():
    path = contract.case("v0.9").path
    with pytest.raises(RecipeError, match="The model has no layer 'dense_9' to keep in FP16"):
        deepspeech_recipe.convert_model(path, converter="openvino", weights="int8", keep_fp16="dense_9")
