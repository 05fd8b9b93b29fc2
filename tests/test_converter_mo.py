"""The converter mo: whether it is usable, and the real process from `convert`."""

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.converters import mo
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.installation import TensorFlow
from deepspeech_recipe.ir.ov_api import ov
from tests.support import compare, contract

INSTALLED = {"openvino-dev": "2024.6.0", "openvino": "2024.6.0", "tensorflow-cpu": "2.17.1", "numpy": "1.26.4"}
PIP = "pip install openvino-dev==2024.6.0"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"openvino-dev": None}, "openvino-dev) is not installed"),
        ({"tensorflow-cpu": None}, "needs TensorFlow, which is not installed"),
        ({"tensorflow-cpu": None, "tensorflow": "2.18.0"}, "needs TensorFlow below 2.18, and 2.18.0 is installed"),
        ({"numpy": "2.1.0"}, "needs numpy below 2, and 2.1.0 is installed"),
        ({"openvino": "2025.0.0"}, "needs openvino below 2025, and 2025.0.0 is installed"),
        ({}, ""),
        ({"tensorflow-cpu": None, "tensorflow": "2.17.0"}, ""),
    ],
)
def test_whether_mo_is_usable(monkeypatch, tmp_path, change, reason):
    installed = {**INSTALLED, **change}
    tf = {name: version for name, version in installed.items() if name.startswith("tensorflow") and version}
    found = TensorFlow(next(iter(tf.values()), ""), tf, "" if tf else "is not installed")
    monkeypatch.setattr(mo, "version_of", installed.get)
    monkeypatch.setattr(mo, "tensorflow", lambda: found)
    works, said = mo.usable()
    assert (works, reason in said) == (not reason, True)
    if reason:
        with pytest.raises(RecipeError, match="The converter mo cannot be used"):
            deepspeech_recipe.convert(contract.case("v0.9").path, tmp_path / "out", converter="mo")


@pytest.mark.parametrize(
    ("found", "commands"),
    [
        (TensorFlow("", {}, "is not installed"), f"{PIP} 'tensorflow-cpu<2.18' 'numpy<2'"),
        (TensorFlow("2.20.0", {"tensorflow": "2.20.0"}), f"{PIP} 'tensorflow<2.18' 'numpy<2'"),
        (
            TensorFlow("2.20.0", {"tensorflow": "2.20.0", "tensorflow-cpu": "2.17.1"}),
            f"pip uninstall -y tensorflow tensorflow-cpu, then {PIP} 'tensorflow-cpu<2.18' 'numpy<2'",
        ),
        (
            TensorFlow("", {"tensorflow": "2.20.0"}, "is incomplete"),
            f"pip uninstall -y tensorflow, then {PIP} 'tensorflow<2.18' 'numpy<2'",
        ),
    ],
)  # fmt: skip
def test_the_remedy_keeps_to_the_package_that_is_there(monkeypatch, found, commands):
    """Another one would write into its folder."""
    monkeypatch.setattr(mo, "tensorflow", lambda: found)
    monkeypatch.setattr(mo, "unavailable", lambda package: "")
    assert mo.remedy() == f"To install it: {commands}"


@pytest.mark.requires_mo
def test_the_real_process_with_every_option(tmp_path, real_mo):
    each = contract.case("v0.5")
    options = {"time_steps": "dynamic", "batch": "dynamic", "head": "raw", "lengths": "input"}
    options |= {"sample_rate": 16000, "converter": "mo"}
    result = deepspeech_recipe.convert(each.path, tmp_path / "out", name="m", verify=False, **options)
    assert [path.name for path in result.files] == ["m.xml", "m.bin"]
    assert result.converter == "mo openvino-dev 2024.6.0"
    assert result.metadata["converter"].startswith("mo")
    expected = {"time_steps": "dynamic", "batch": "dynamic", "head": "raw", "lengths": "input", "weights": "fp32"}
    assert {key: result.metadata[key] for key in expected} == expected
    model = ov.Core().read_model(result.files[0])
    compare.check_structure(model)
    found = compare.run(model, each.chunks, each.want["lengths"])
    powers = np.exp(found["logits"])
    assert np.abs(powers.sum(-1) - 1).max() > 0.1  # raw they are
    found["logits"] = powers / powers.sum(-1, keepdims=True)
    compare.check_close(found, {key: each.want[f"unequal_{key}"] for key in found})


@pytest.mark.requires_mo
def test_a_failed_mo_is_one_line_in_its_own_words(tmp_path, real_mo):
    with pytest.raises(RecipeError, match=r"^mo failed: .*missing.pb") as caught:
        mo.run(["--input_model", str(tmp_path / "missing.pb")], tmp_path)
    assert "\n" not in str(caught.value)
