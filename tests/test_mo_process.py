"""The real `mo` command with the checkout's plugin, once per generation, as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepspeech_recipe.runtime import StatefulModel
from tests.support.compare import check_conversion
from tests.support.limits import assert_close
from tests.support.mo_run import EXTENSIONS
from tests.support.model_forms import run_from, write_forms
from tests.support.reference import random_chunks

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]

# Of releases that differ in names and numbers only, in this process: tests/test_converter_contract.py.
GENERATIONS = ("0.2", "0.4", "0.5", "0.6", "0.9")
# mo's default compresses weights to FP16; measured 1.3e-3 of the largest value.
HALF_WEIGHTS = 1.5e-3


def mo(*arguments, folder: Path) -> str:
    """What `mo` prints, started in a folder from which the package cannot be imported."""
    command = [Path(sys.executable).parent / "mo", *arguments, "--extensions", EXTENSIONS]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.parametrize("version", GENERATIONS)
def test_plain_mo_call(deepspeech, graph_file, tmp_path, version):
    graph = deepspeech(version)
    printed = mo("--input_model", graph_file(version), folder=tmp_path)
    assert printed.count("[ deepspeech-recipe ]") == 1
    (ir,) = tmp_path.glob("*.xml")
    from deepspeech_recipe.ir.ov_api import ov

    model = ov.Core().read_model(ir)
    assert [sorted(port.get_names(), key=len)[0] for port in model.inputs] == [
        "input_node",
        "previous_state_c",
        "previous_state_h",
    ]
    assert ["logits" in model.outputs[0].get_names(), "new_state_c" in model.outputs[1].get_names()] == [True, True]
    assert "new_state_h" in model.outputs[2].get_names()
    check_conversion(model, graph, tolerance=HALF_WEIGHTS, relative=True)


@pytest.mark.long
def test_plain_mo_call_of_a_metagraph(deepspeech, tmp_path):
    """MO freezes every variable, and the state is one of them: it is kept, and begins with what the file has."""
    graph = deepspeech("0.5", batch=1)
    forms = write_forms(
        graph.graph_def, tmp_path / "forms", weights=("layer_1/weights", "lstm_fused_cell/kernel"),
        inputs=["input_node", "input_lengths"], outputs=["logits"],
    )  # fmt: skip
    printed = mo("--input_meta_graph", forms.folder / "model.meta", folder=tmp_path)
    (line,) = [line for line in printed.splitlines() if "[ deepspeech-recipe ]" in line]
    assert "DeepSpeech v0.5: " in line
    assert "state in variables → inputs, initial values kept: c -0.499…0.473, h -0.398…0.431; " in line
    (ir,) = tmp_path.glob("*.xml")
    run, chunks = StatefulModel(ir), random_chunks(graph, 4)
    feeds = [{"input_node:0": chunk, "input_lengths:0": [16]} for chunk in chunks]
    for chunk, (want, *_) in zip(chunks, run_from(graph.graph_def, forms.initial, feeds, ["logits:0"]), strict=True):
        assert_close(run({"input_node": chunk})["logits"], want, HALF_WEIGHTS)
