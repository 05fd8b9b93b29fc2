"""The real `mo` command, once per release, as a user types it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.graphs.releases import VERSIONS
from tests.ir import assert_one_sequence, assert_same_numbers, run_chunks
from tests.mo_run import EXTENSIONS
from tests.reference import random_chunks
from tests.reference import run_chunks as run_tensorflow

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
    from deepspeech_recipe.ov_api import ov

    model = ov.Core().read_model(ir)
    assert [sorted(port.get_names(), key=len)[0] for port in model.inputs] == [
        "input_node",
        "previous_state_c",
        "previous_state_h",
    ]
    assert ["logits" in model.outputs[0].get_names(), "new_state_c" in model.outputs[1].get_names()] == [True, True]
    assert "new_state_h" in model.outputs[2].get_names()
    assert_one_sequence(model)
    chunks = random_chunks(graph)
    assert_same_numbers(run_chunks(model, chunks), run_tensorflow(graph, chunks), tolerance=HALF_WEIGHTS)
