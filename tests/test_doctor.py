"""doctor: what works is ticked, what is missing or broken is named with its remedy."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe import RecipeError
from deepspeech_recipe import doctor as health_of
from deepspeech_recipe.cli import main
from deepspeech_recipe.converters import mo
from deepspeech_recipe.converters.extensions import extensions
from deepspeech_recipe.installation import OPTIONAL, NoTensorFlow, TensorFlow
from deepspeech_recipe.ir import runner
from deepspeech_recipe.ir.ov_api import opset, ov
from deepspeech_recipe.self_test import devices, model_optimizer, packages
from deepspeech_recipe.self_test import run as module
from deepspeech_recipe.self_test.finding import Finding
from deepspeech_recipe.self_test.run import doctor as same
from tests.support.skips import has_mo, has_tensorflow


def by_name(health) -> dict:
    return {finding.name: finding for finding in health.findings}


@pytest.fixture
def no_mo(monkeypatch):
    """Spares the run of Model Optimizer."""
    monkeypatch.setattr(model_optimizer, "findings", lambda graph, directory: iter(()))


@pytest.fixture
def no_devices(monkeypatch):
    monkeypatch.setattr(devices, "findings", lambda graph: iter(()))


def test_the_function_is_the_packages():
    assert health_of is same


def test_this_environment_is_well(tmp_path, no_mo):
    seen = []
    health = same(directory=tmp_path, on_finding=seen.append)
    found = by_name(health)
    assert health.passed, [finding.line() for finding in health.findings]
    assert health.exit_code == 0
    assert seen == list(health.findings)
    assert found["converter openvino"].status == "ok"
    for what in ("LSTMSequence", "internal state", "dynamic shapes"):
        assert found[f"CPU, {what}"].status == "ok"
    assert found["tensorflow"].status == ("ok" if has_tensorflow() else "absent")
    assert found["openvino-dev"].status == ("ok" if has_mo() else "absent")


@pytest.mark.requires_mo
def test_an_environment_with_model_optimizer_is_well(tmp_path, no_mo, no_devices):
    found = by_name(same(directory=tmp_path))
    assert (found["tensorflow"].status, found["openvino-dev"].status) == ("ok", "ok")


def test_a_device_that_computes_in_less_by_default_is_said(monkeypatch):
    def line() -> str:
        monkeypatch.setattr(devices, "_capability", lambda *given: Finding("", "ok", ""))
        return {finding.name: finding.text for finding in devices.findings(None)}["device CPU"]

    monkeypatch.setattr(runner, "default_precision", lambda device: "f32")
    assert line().endswith("; computes in f32")
    monkeypatch.setattr(runner, "default_precision", lambda device: "bf16")
    assert line().endswith(
        "; computes in bf16 by default: other programs should compile with INFERENCE_PRECISION_HINT=f32"
    )


def test_the_default_precision_is_what_openvino_says_of_a_compiled_model():
    x = opset.parameter([1, 1], np.float32)
    compiled = ov.Core().compile_model(ov.Model([opset.relu(x)], [x]), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    assert runner.default_precision("CPU") == compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()


@pytest.mark.long
@pytest.mark.requires_mo
def test_the_real_mo_loads_the_plugin(tmp_path, no_devices):
    found = by_name(same(directory=tmp_path))
    assert found["converter mo"].status == "ok"
    assert found["mo loads the plugin"].status == "ok"
    assert found["mo loads the plugin"].text.startswith("DeepSpeech v0.7 to v0.9 or Coqui STT")
    assert found["current directory"].status == "ok"


def test_missing_packages(monkeypatch):
    monkeypatch.setattr(packages, "version_of", lambda package: None)
    found = {finding.name: finding for finding in packages.findings()}
    assert found["numpy"].line() == "✗ numpy: not installed. pip install numpy"
    assert found["matplotlib"].line() == "– matplotlib: not installed; verify --plot and benchmark -o need it"


def test_every_optional_package_is_listed_with_what_it_is_for(monkeypatch):
    monkeypatch.setattr(packages, "version_of", lambda package: None)
    monkeypatch.setattr(packages, "tensorflow", lambda: TensorFlow("", {}, "is not installed"))
    lines = [finding.line() for finding in packages.findings()]
    for each in OPTIONAL:
        name = each.package.removesuffix("-cpu")
        assert any(line.startswith(f"– {name}: not installed; {each.what_for}") for line in lines), name
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    found = {finding.name: finding.text for finding in packages.findings()}
    assert found["openvino-dev"].endswith(
        "(this is Python 3.13, and openvino-dev can be had for Python 3.10 to 3.12 only)"
    )


def test_a_package_with_the_same_modules_will_do(monkeypatch):
    monkeypatch.setattr(packages, "version_of", lambda package: "0.0.7" if package == "flashlight-text" else None)
    found = {finding.name: finding.line() for finding in packages.findings()}
    assert found["flashlight-text"] == "✓ flashlight-text: 0.0.7"
    assert "ufal-flashlight-text" not in found


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (TensorFlow("2.17.1", {"tensorflow": "2.17.1"}), "✓ tensorflow: 2.17.1 (package tensorflow)"),
        (
            TensorFlow("2.17.1", {"tensorflow-cpu": "2.17.1", "tensorflow": "2.20.0"}, for_mo=True),
            "✓ tensorflow: 2.17.1 (package tensorflow-cpu); tensorflow 2.20.0 would lie in the same "
            "folder, and uninstalling either breaks the other. pip uninstall -y tensorflow tensorflow-cpu, then pip "
            "install 'tensorflow-cpu<2.18'",
        ),
        (
            TensorFlow("", {"tensorflow": "2.20.0"}, "is incomplete"),
            "✗ tensorflow: incomplete. pip uninstall -y tensorflow, then pip install tensorflow",
        ),
    ],
)
def test_tensorflow_by_what_lies_in_its_folder(monkeypatch, found, line):
    monkeypatch.setattr(packages, "tensorflow", lambda: found)
    monkeypatch.setattr(packages, "load_tensorflow", lambda: found.version)
    assert line in [finding.line() for finding in packages.findings()]


def test_tensorflow_that_cannot_be_loaded_is_a_problem(monkeypatch):
    def fail():
        raise NoTensorFlow("TensorFlow 2.15.1 (package x) cannot be loaded (numpy)", remedy="What may help: pip")

    monkeypatch.setattr(packages, "tensorflow", lambda: TensorFlow("2.15.1", {"x": "2.15.1"}))
    monkeypatch.setattr(packages, "load_tensorflow", fail)
    lines = [finding.line() for finding in packages.findings()]
    assert "✗ tensorflow: 2.15.1 (package x) cannot be loaded (numpy). What may help: pip" in lines


def _mo_findings(directory="."):
    return {finding.name: finding for finding in model_optimizer.findings(devices.small_graph(), Path(directory))}


def test_mo_absent_is_no_problem_and_has_a_remedy(monkeypatch):
    monkeypatch.setattr(model_optimizer, "version_of", lambda package: None)
    monkeypatch.setattr(mo, "usable", lambda: (False, "Model Optimizer (openvino-dev) is not installed"))
    monkeypatch.setattr(mo, "unavailable", lambda package: "")
    found = _mo_findings()
    assert list(found) == ["converter mo"]
    assert found["converter mo"].status == "absent"
    assert "pip install openvino-dev" in found["converter mo"].remedy


def test_mo_installed_with_a_package_it_cannot_use(monkeypatch):
    monkeypatch.setattr(model_optimizer, "version_of", lambda package: "2024.6.0")
    monkeypatch.setattr(mo, "usable", lambda: (False, "Model Optimizer needs numpy below 2, and 2.1 is installed"))
    found = _mo_findings()["converter mo"]
    assert (found.status, found.text) == ("problem", "Model Optimizer needs numpy below 2, and 2.1 is installed")


@pytest.fixture
def fake_mo(monkeypatch, tmp_path):
    """`fake_mo(script)`: a command mo that is this shell script."""
    monkeypatch.setattr(mo, "usable", lambda: (True, "openvino-dev 2024.6.0"))

    def make(script: str, mode: int = 0o755):
        path = tmp_path / "mo"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        monkeypatch.setattr(model_optimizer, "_mo_command", lambda: str(path))

    return make


SAYS = 'echo "[ deepspeech-recipe ] DeepSpeech v0.9"'


def test_a_plugin_that_is_loaded(fake_mo, tmp_path):
    fake_mo(f"{SAYS}; touch ../graph.xml")
    found = _mo_findings(tmp_path)["mo loads the plugin"]
    assert (found.status, found.text) == ("ok", "DeepSpeech v0.9")


def test_mo_gets_the_plugins_directory_and_an_empty_current_one(fake_mo, tmp_path):
    fake_mo(f'echo "$@" > {tmp_path}/arguments; ls -a | wc -l > {tmp_path}/count; test -s ../graph.pb || exit 9')
    found = _mo_findings(tmp_path)["mo loads the plugin"]
    assert "exit code" not in found.text
    assert f"--extensions {extensions()}" in (tmp_path / "arguments").read_text()
    assert int((tmp_path / "count").read_text()) == 2  # . and ..


def test_a_plugin_that_is_not_loaded(fake_mo, tmp_path):
    fake_mo("touch ../graph.xml")
    found = _mo_findings(tmp_path)["mo loads the plugin"]
    assert found.status == "problem"
    assert found.text == "it printed no line of the plugin's"
    assert "may belong to another Python" in found.remedy


def test_mo_that_fails(fake_mo, tmp_path):
    fake_mo('echo "[ ERROR ]  No module named tensorflow"; exit 1')
    found = _mo_findings(tmp_path)["mo loads the plugin"]
    assert found.status == "problem"
    assert found.text.endswith("it ended with exit code 1: No module named tensorflow")


def test_a_plugin_after_which_there_is_no_ir(fake_mo, tmp_path):
    fake_mo(f"{SAYS}; exit 1")
    found = _mo_findings(tmp_path)["mo loads the plugin"]
    assert found.status == "problem"
    assert found.text.startswith("the plugin was loaded, but no IR was made; it ended with exit code 1")


def test_mo_that_cannot_be_run(fake_mo, tmp_path):
    fake_mo("", mode=0o644)
    assert "cannot be run" in _mo_findings(tmp_path)["mo loads the plugin"].text


def test_no_command_mo(monkeypatch):
    monkeypatch.setattr(mo, "usable", lambda: (True, "openvino-dev 2024.6.0"))
    monkeypatch.setattr(shutil, "which", lambda *arguments, **options: None)
    found = _mo_findings()["converter mo"]
    assert (found.status, found.text) == ("problem", "openvino-dev 2024.6.0, but the command mo was not found")


def test_the_mo_on_path_goes_before_the_one_beside_python(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/beside/mo" if path else "/on/path/mo")
    assert model_optimizer._mo_command() == "/on/path/mo"
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/beside/mo" if path else None)
    assert model_optimizer._mo_command() == "/beside/mo"


@pytest.mark.parametrize("part", ["ops", "front", "front/tf", "middle", "back", "load/tf", "analysis"])
def test_the_trap_of_the_current_directory(part, tmp_path):
    (tmp_path / part).mkdir(parents=True)
    assert model_optimizer._current_directory(tmp_path).status == "ok"
    (tmp_path / part / "helper.py").write_text("raise RuntimeError")
    found = model_optimizer._current_directory(tmp_path)
    assert found.status == "problem"
    assert f"imports {part}/helper" in found.text
    assert found.remedy == "Run mo from another directory"


def test_directories_that_mo_does_not_look_into(tmp_path):
    for part in ("front/onnx", "src", "ops/data"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "helper.py").write_text("")
    assert model_optimizer._current_directory(tmp_path).status == "ok"
    assert model_optimizer._current_directory(extensions()).status == "ok"


@pytest.mark.long
@pytest.mark.requires_mo
def test_the_trap_is_real(tmp_path):
    """What doctor warns of does happen: mo imports the file."""
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "helper.py").write_text("raise RuntimeError('mo imported me')")
    devices.small_graph().write_pb(tmp_path / "graph.pb")
    arguments = ["--input_model", "graph.pb", "--extensions", str(extensions()), "--output_dir", "out"]
    command = [model_optimizer._mo_command(), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "mo imported me" in done.stdout + done.stderr


def test_a_broken_converter(monkeypatch, tmp_path, no_mo):
    def fail(*arguments):
        raise RecipeError("no frontend.")

    monkeypatch.setattr("deepspeech_recipe.converters.openvino.prepare", fail)
    health = same(directory=tmp_path)
    found = by_name(health)
    assert found["converter openvino"].line() == (
        "✗ converter openvino: does not work: no frontend. pip install --upgrade openvino"
    )
    assert found["CPU, LSTMSequence"].status == "absent"
    assert health.exit_code == 1


class FakeCore:
    def __init__(self, *devices):
        self.available_devices = devices

    def get_property(self, device, name):
        if device == "NPU":
            raise RuntimeError("unsupported")
        return f"a {device}"


def _device_findings(monkeypatch, *names, verify=None) -> dict:
    monkeypatch.setattr("deepspeech_recipe.ir.ov_api.ov.Core", lambda: FakeCore(*names))
    if verify:
        monkeypatch.setattr("deepspeech_recipe.verification.verify", verify)
    monkeypatch.setattr(devices, "_convert", lambda graph, **request: request)
    return {finding.name: finding for finding in devices.findings(None)}


def test_no_cpu(monkeypatch):
    found = _device_findings(monkeypatch)
    assert found["device CPU"].status == "problem"


def test_what_another_device_cannot_do_is_no_problem_but_the_cpu_must(monkeypatch):
    def verify(graph, request, *, device, reference):
        if request.get("state") == "internal":
            raise RecipeError(f"it does not compile for {device}.")
        return _report(1e-4)

    found = _device_findings(monkeypatch, "CPU", "NPU", verify=verify)
    assert found["device NPU"].text == "no name"
    assert found["NPU, internal state"].line() == (
        "– NPU, internal state: does not work: it does not compile for NPU. Convert with --state external"
    )
    assert found["CPU, internal state"].status == "problem"
    assert found["NPU, dynamic shapes"].status == "ok"


def test_wrong_numbers_are_a_problem_on_every_device(monkeypatch):
    found = _device_findings(
        monkeypatch, "CPU", "GPU", verify=lambda *a, device, **o: _report(0.3 if device == "GPU" else 1e-6)
    )
    assert found["CPU, LSTMSequence"].status == "ok"
    assert found["GPU, LSTMSequence"].status == "problem"
    assert "off by 0.3" in found["GPU, LSTMSequence"].text


def _report(error: float):
    from deepspeech_recipe.verification import Check, Report

    check = Check("probabilities after 1 chunk", True, error, 1.0)
    return Report("", "", "", "", "", "", (check,), ())


def test_the_command(monkeypatch, capsys, no_devices):
    good, bad = Finding("one", "ok", "works"), Finding("two", "problem", "does not", "Mend it")
    monkeypatch.setattr(module, "_examine", lambda directory: iter([good]))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == "✓ one: works\n"
    monkeypatch.setattr(module, "_examine", lambda directory: iter([good, bad]))
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is False
    assert found["findings"][1] == {"name": "two", "status": "problem", "text": "does not", "remedy": "Mend it"}
