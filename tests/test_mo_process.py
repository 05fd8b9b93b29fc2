"""The real `mo` command, once per release, as a user types it."""

import subprocess
import sys
from pathlib import Path

import pytest

from deepspeech_recipe.runtime import StatefulModel
from tests.graphs.releases import VERSIONS
from tests.support.compare import check_conversion
from tests.support.limits import assert_close
from tests.support.mo_run import EXTENSIONS
from tests.support.model_forms import run_from, write_forms
from tests.support.reference import random_chunks

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]

# mo's default compresses weights to FP16; measured 1.3e-3 of the largest value.
HALF_WEIGHTS = 1.5e-3


@pytest.mark.parametrize("version", VERSIONS)
def test_plain_mo_call(deepspeech, graph_file, tmp_path, version):
    graph = deepspeech(version)
    mo = Path(sys.executable).parent / "mo"
    command = [str(mo), "--input_model", str(graph_file(version)), "--extensions", str(EXTENSIONS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[ deepspeech-recipe ]") == 1
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


def test_plain_mo_call_of_a_metagraph(deepspeech, tmp_path):
    """MO freezes every variable, and the state is one of them: it is kept, and begins with what the file has."""
    graph = deepspeech("0.5", batch=1)
    forms = write_forms(
        graph.graph_def, tmp_path / "forms", weights=("layer_1/weights", "lstm_fused_cell/kernel"),
        inputs=["input_node", "input_lengths"], outputs=["logits"],
    )  # fmt: skip
    mo = Path(sys.executable).parent / "mo"
    command = [str(mo), "--input_meta_graph", str(forms.folder / "model.meta"), "--extensions", str(EXTENSIONS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "[ deepspeech-recipe ]" in line]
    assert "DeepSpeech v0.5: " in line
    assert "state in variables → inputs, initial values kept: c -0.499…0.473, h -0.398…0.431; " in line
    (ir,) = tmp_path.glob("*.xml")
    run, chunks = StatefulModel(ir), random_chunks(graph, 4)
    feeds = [{"input_node:0": chunk, "input_lengths:0": [16]} for chunk in chunks]
    for chunk, (want, *_) in zip(chunks, run_from(graph.graph_def, forms.initial, feeds, ["logits:0"]), strict=True):
        assert_close(run({"input_node": chunk})["logits"], want, HALF_WEIGHTS)
