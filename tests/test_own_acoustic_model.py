"""A fork of DeepSpeech by the recipe of docs/own-lstm.md: the whole IR contract, by the door that all recipes take."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.conversion.inspect import inspect
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import GraphBuilder
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.runtime import Recognizer, StatefulModel
from deepspeech_recipe.sources.canonical.nodes import F32
from deepspeech_recipe.verification import verify
from deepspeech_recipe.verification.diagnose import diagnose
from tests.support.bundled import MODEL, samples_of, transcripts
from tests.support.compare import compiled, op_counts
from tests.support.limits import assert_close

PAGE = Path(__file__).parent.parent / "docs" / "own-lstm.md"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text().split("## A fork of DeepSpeech")[1], re.DOTALL)
    path = tmp_path_factory.mktemp("recipe") / "deeper.py"
    path.write_text(code)
    return path


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """The bundled model with a fourth dense layer, which hardly changes anything, and another name for its windows."""
    builder = GraphBuilder()
    builder.graph = graph = parse(GraphDef, MODEL.read_bytes(), what="the bundled model")
    model = recognise(GraphView.of(graph)).acoustic
    size = model.dense_sizes[2]
    noise = np.random.default_rng(4).standard_normal((size, size))
    kernel = builder.const("layer_4/weights", np.eye(size) + 0.005 * noise, np.float32)
    reshape = next(node for node in graph.node if node.name == model.to_sequence)
    product = builder.node(
        "MatMul_4th", "MatMul", [reshape.input[0], kernel], **F32, transpose_a=False, transpose_b=False
    )
    reshape.input[0] = builder.node("Relu_4th", "Relu", [product], **F32)
    for node in graph.node:
        node.name = "frames" if node.name == "input_node" else node.name
        node.input[:] = ["frames" if name == "input_node" else name for name in node.input]
    path = tmp_path_factory.mktemp("fork") / "deeper.pb"
    path.write_bytes(graph.SerializeToString())
    return path


@pytest.fixture(scope="module")
def ir(fork, recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ir")
    return convert(fork, folder, recipe=recipe, converter="openvino", time_steps="dynamic", verify=False).files[0]


def texts(path: Path) -> list[str]:
    recognizer = Recognizer(path)
    return [recognizer.transcribe(samples_of(each)).text for each in transcripts()]


def test_without_its_recipe_it_is_another_model(fork):
    found = inspect(fork)
    assert found["deepspeech"] is None
    assert "three dense layers before the BlockLSTM were looked for, 4 found" in found["misses"]["deepspeech"]


def test_inspect_shows_the_contract(fork, recipe, capsys):
    found = inspect(fork, recipe=recipe)
    assert (found["deepspeech"]["recipe"], found["deepspeech"]["generation"]) == ("deeper", "deeper 1.0")
    assert (len(found["deepspeech"]["dense_sizes"]), found["recipe"], found["why_not"]) == (6, None, None)
    assert found["deepspeech"]["tensors"]["input_node"]["name"] == "frames:0"
    assert main(["inspect", str(fork), "--recipe", str(recipe)]) == 0
    assert "DeepSpeech deeper 1.0" in capsys.readouterr().out


def test_its_ir_has_the_contract_and_the_runtime_reads_it(ir):
    model = ov.Core().read_model(ir)
    assert op_counts(model)["LSTMSequence"] == 1
    assert [sorted(port.get_names())[0] for port in model.inputs] == ["frames", "previous_state_c", "previous_state_h"]
    assert {"input_node", "frames:0"} <= model.input(0).get_names()
    metadata = read_metadata(model)
    assert (metadata["recipe"], metadata["generation"], metadata["language"]) == ("deeper", "deeper 1.0", "cy")
    assert (metadata["lengths"], metadata["state"], metadata["bidirectional"]) == ("enforce", "external", False)
    assert texts(ir) == list(transcripts().values())
    run = StatefulModel(model)
    assert (run.inputs, run.outputs, set(run.states)) == (
        ("input_node",), ("logits",), {"previous_state_c", "previous_state_h"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"audio": "attached", "state": "internal"},
        {"lengths": "input", "batch": 3, "time_steps": "dynamic"},
        {"weights": "int8", "audio": "separate", "time_steps": "dynamic"},
    ],
)
def test_every_option_of_the_contract(fork, recipe, tmp_path, options):
    result = convert(fork, tmp_path, recipe=recipe, converter="openvino", verify=False, **options)
    assert {name: result.metadata[name] for name in options} == options
    assert texts(result.files[0]) == list(transcripts().values())


def test_its_further_layer_has_the_same_name_everywhere(fork, recipe, ir, tmp_path):
    samples = samples_of(next(iter(transcripts())))
    fourth, third = (Recognizer(ir).features(samples, layer) for layer in ("dense_4", "dense_3"))
    assert fourth.shape == third.shape
    assert 0 < np.abs(fourth - third).max() < 1  # it is nearly the identity
    with pytest.raises(RecipeError, match=r"no tensor 'dense_7'.*dense_3, dense_4, lstm, dense_5"):
        Recognizer(ir).features(samples, "dense_7")
    options = {"recipe": recipe, "converter": "openvino", "verify": False, "weights": "int8"}
    kept = convert(fork, tmp_path, keep_fp16=("dense_4", "dense_6"), **options)
    halves = [
        each for each in ov.Core().read_model(kept.files[0]).get_ops()
        if each.get_type_name() == "Constant" and each.get_element_type() == ov.Type.f16 and each.get_output_size()
    ]  # fmt: skip
    assert len([each for each in halves if len(each.get_output_shape(0)) == 2]) == 2
    with pytest.raises(RecipeError, match=r"no layer 'layer_4' to keep in FP16\. It has .*dense_4"):
        convert(fork, tmp_path, keep_fp16=("layer_4",), **options)


def test_verify_and_diagnose_need_the_recipe_for_names_of_its_own(fork, recipe, ir, capsys):
    report = verify(fork, ir, recipe=recipe, reference="numpy")
    assert report.passed, report.as_dict()
    with pytest.raises(RecipeError, match="is not a DeepSpeech model: three dense"):
        verify(fork, ir, reference="numpy")
    found = diagnose(fork, ir, recipe=recipe)
    assert found.first is None
    assert "dense_4" in [stage.name for stage in found.stages]
    assert main(["diagnose", str(fork), str(ir), "--recipe", str(recipe)]) == 0
    assert "dense_4" in capsys.readouterr().out


@pytest.mark.requires_mo
@pytest.mark.requires_tf
def test_plain_mo_makes_the_same(fork, recipe, ir, tmp_path):
    from tests.support.mo_run import mo

    options = tmp_path / "options.json"
    entry = {"id": "deepspeech_recipe", "match_kind": "general", "custom_attributes": {"recipe": str(recipe)}}
    options.write_text(json.dumps([entry]))
    model, printed = mo(fork, "--transformations_config", str(options))
    assert "DeepSpeech deeper 1.0: 19×26 features" in printed
    assert op_counts(model)["LSTMSequence"] == 1
    assert read_metadata(model)["recipe"] == "deeper"
    ours, theirs = compiled(ov.Core().read_model(ir)), compiled(model)
    shape = list(model.input("input_node").shape)
    state = {name: np.zeros(model.input(name).shape, np.float32) for name in ("previous_state_c", "previous_state_h")}
    feeds = [dict(state), dict(state)]
    for number in range(3):
        x = np.random.default_rng(number).standard_normal(shape).astype(np.float32)
        found = [network({"input_node": x, **each}) for network, each in zip((ours, theirs), feeds, strict=True)]
        assert_close(found[0]["logits"], found[1]["logits"], 1e-6)
        for each, values in zip(feeds, found, strict=True):
            each.update({f"previous_state_{part}": values[f"new_state_{part}"].copy() for part in "ch"})
