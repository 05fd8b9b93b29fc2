"""diagnose: each kind of damage is traced to the stage it was done to."""

import json

import numpy as np
import pytest

from deepspeech_recipe import RecipeError
from deepspeech_recipe.cli import main
from deepspeech_recipe.ir.ov_api import opset, ov, rebuild
from deepspeech_recipe.verification import verify
from deepspeech_recipe.verification.diagnose import diagnose
from deepspeech_recipe.verification.stages import ORDER
from tests.support import verify_models as models

FORMS = [
    ("v0.9", {}),
    ("v0.9", {"time_steps": "dynamic", "batch": "dynamic"}),
    ("v0.9", {"state": "internal", "head": "raw"}),
    ("v0.9", {"lengths": "input", "time_steps": "dynamic"}),
    ("v0.9", {"audio": "attached"}),
    ("v0.9", {"audio": "attached", "lengths": "input", "batch": 2}),
    ("v0.9", {"audio": "attached", "state": "internal", "batch": 1}),
    ("v0.9", {"weights": "fp16"}),
    ("v0.3", {}),
    ("v0.5", {}),
    ("layer_norm", {}),
    ("no_state", {"audio": "attached"}),
]


@pytest.fixture(autouse=True)
def _hear_little(monkeypatch):
    models.hear_little(monkeypatch)


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_no_stage_differs(name, options):
    found = diagnose(models.graph(name), models.ir_file(name, **options))
    assert found.passed, "\n".join(found.lines())
    stages = [stage.name for stage in found.stages]
    without_states = "attached" in options.values()
    missing = {"dense_4", *(["cell state", "hidden state"] if without_states else [])}
    missing |= {"initial states"} if without_states and options.get("state") != "internal" else set()
    assert stages == [stage for stage in ORDER if stage not in missing]
    exact = {"initial states", "features"} if "attached" not in options.values() else {"initial states"}
    assert {stage.name for stage in found.stages if stage.error == 0} <= exact


DAMAGE = {
    "features, audio attached": ("v0.9", {"audio": "attached"}, models.other_upper_frequency, "features"),
    "dense_1": ("v0.9", {}, lambda m: models.scale_weights(m, (30, 13)), "dense_1"),
    "dense_2": ("v0.9", {}, lambda m: models.scale_weights(m, (13, 14)), "dense_2"),
    "dense_3": ("v0.9", {"time_steps": "dynamic"}, lambda m: models.scale_weights(m, (14, 15)), "dense_3"),
    "dense 3, lengths": ("v0.9", {"lengths": "input"}, lambda m: models.scale_weights(m, (14, 15)), "dense_3"),
    "dense 3, audio": ("v0.9", {"audio": "attached"}, lambda m: models.scale_weights(m, (14, 15)), "dense_3"),
    "gates": ("v0.9", {}, models.permute_gates, "lstm"),
    "gates, audio": ("v0.9", {"audio": "attached"}, models.permute_gates, "lstm"),
    "features, in blocks": (
        "v0.9",
        {"audio": "attached", "state": "internal", "batch": 1},
        models.other_upper_frequency,
        "features",
    ),
    "gates, lengths": ("v0.5", {"lengths": "input"}, models.permute_gates, "lstm"),
    "forget bias, v0.2": ("v0.2", {}, models.without_forget_bias, "lstm"),
    "forget bias, v0.5": ("v0.5", {}, models.without_forget_bias, "lstm"),
    "names of new states": ("v0.9", {}, lambda m: models.swap_names(m, "new"), "cell state"),
    "names of previous states": ("v0.9", {}, lambda m: models.swap_names(m, "previous"), "initial states"),
    "initial states": ("v0.9", {}, models.swap_initial_states, "initial states"),
    "initial states, internal": ("v0.3", {"state": "internal"}, models.swap_initial_states, "initial states"),
    "dense_5": ("v0.9", {}, lambda m: models.scale_weights(m, (11, 12)), "dense_5"),
    "dense_6": ("v0.9", {}, lambda m: models.scale_weights(m, (12, 10)), "dense_6"),
    "head": ("v0.9", {}, lambda m: models.with_metadata(m, head="raw"), "head"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_traced_to_its_stage(what):
    name, options, damage, stage = DAMAGE[what]
    found = diagnose(models.graph(name), damage(models.ir(name, **options)))
    assert found.first == stage, "\n".join(found.lines())
    assert found.exit_code == 1


@pytest.mark.parametrize("product_outside", [False, True])
@pytest.mark.parametrize("options", [{"time_steps": "dynamic"}, {"audio": "attached"}])
def test_a_loop_in_place_of_the_lstm(options, product_outside):
    """Equal, and traced to its stage when broken before, in and behind the loop."""
    for damage, stage in (
        (lambda model: model, None),
        (lambda model: models.scale_weights(model, (14, 15)), "dense_3"),
        (models.permute_gates, "lstm"),
        (lambda model: models.scale_weights(model, (11, 12)), "dense_5"),
    ):
        model = models.with_loop(damage(models.ir("v0.9", **options)), product_outside=product_outside)
        assert not [node for node in model.get_ops() if node.get_type_name() == "LSTMSequence"]
        found = diagnose(models.graph("v0.9"), model)
        assert found.first == stage, "\n".join(found.lines())
        if stage is None:
            assert verify(models.graph("v0.9"), model, reference="numpy").passed


def test_both_values_and_their_place_are_shown():
    model = models.ir("v0.9")
    models.scale_weights(model, (13, 14), factor=2.0)
    found = diagnose(models.graph("v0.9"), model)
    stage = next(stage for stage in found.stages if stage.name == "dense_2")
    assert set(stage.at) == {"window", "row", "index"}
    assert stage.error * stage.scale == pytest.approx(abs(stage.original - stage.ir))
    assert stage.error > 0.1
    lines = found.lines()
    assert "first difference: dense_2" in lines
    assert any(line.startswith("✗ dense_2: ") and f"IR {stage.ir:.6g}" in line for line in lines)
    assert any(line.startswith("✓ dense_1: ") for line in lines)


def test_fp16_weights_do_not_hide_damage(tmp_path):
    ov.save_model(models.permute_gates(models.ir("v0.9")), tmp_path / "m.xml", compress_to_fp16=True)
    found = diagnose(models.graph("v0.9"), tmp_path / "m.xml")
    assert (found.weights, found.first) == ("fp16", "lstm")


def test_an_ir_without_an_lstm_is_refused():
    model = models.ir("v0.9")
    logits = next(port for port in model.outputs if "logits" in port.get_names())
    zeros = opset.constant(np.zeros((7, 3, 10), np.float32))
    logits.get_node().input(0).replace_source_output(zeros.output(0))
    zeros.output(0).get_tensor().set_names({"logits"})
    others = [port.get_node() for port in model.outputs if "logits" not in port.get_names()]
    for result in others:
        flat = opset.constant(np.zeros((3, 11), np.float32))
        names = result.input_value(0).get_names()
        result.input(0).replace_source_output(flat.output(0))
        flat.output(0).get_tensor().set_names(names)
    with pytest.raises(RecipeError, match="0 recurrent operations where one was looked for"):
        diagnose(models.graph("v0.9"), rebuild(model))


def test_the_command_names_the_first_stage_and_its_exit_code(capsys, tmp_path):
    graph, good = str(models.graph("v0.9")), str(models.ir_file("v0.9"))
    assert main(["diagnose", graph, good]) == 0
    assert capsys.readouterr().out.endswith("no stage differs\n")
    ov.save_model(models.permute_gates(models.ir("v0.9")), tmp_path / "bad.xml", compress_to_fp16=False)
    assert main(["diagnose", graph, str(tmp_path / "bad.xml"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["first"]) == (False, "lstm")
    assert "order of the gates" in found["advice"]
