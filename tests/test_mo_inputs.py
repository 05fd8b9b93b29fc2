"""Every kind of input that `mo` takes, with state variables that do not begin with zeros: no state is lost."""

import re

import numpy as np
import pytest

from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.runtime import StatefulModel
from tests.support.compare import check_structure
from tests.support.limits import assert_close
from tests.support.mo_run import EXTENSIONS, mo
from tests.support.model_forms import ARGUMENTS, run_from, write_forms
from tests.support.reference import random_chunks, run_chunks

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]

TOLERANCE = 2e-6  # of the largest value; measured: 5e-7
CALLS = 4
STATES = ("previous_state_c", "previous_state_h")
INTERNAL = ["--transformations_config", str(EXTENSIONS / "internal_state.json")]
GENERATIONS = {"0.2": "v0.2 or v0.3", "0.5": "v0.5", "0.9": "v0.[67] to v0.9 or Coqui STT"}
WEIGHTS = {
    "0.2": ("h1", "b6", "lstm_fused_cell/kernel"),
    "0.5": ("layer_1/weights", "layer_6/bias", "lstm_fused_cell/kernel"),
    "0.9": ("layer_1/weights", "layer_6/bias"),
}
# All forms of a release with its feature part in the graph, whose settings tell its generation; two of another.
CASES = [(version, form) for version in ("0.5", "0.9") for form in ARGUMENTS] + [("0.2", "metagraph"), ("0.2", "text")]


@pytest.fixture(scope="module")
def forms(deepspeech, tmp_path_factory):
    made = {}

    def write(version: str):
        if version not in made:
            fed = version == "0.9"
            inputs = ["input_node", "input_lengths", *(STATES if fed else ())]
            outputs = ["logits", *(("new_state_c", "new_state_h") if fed else ())]
            others = [] if version == "0.2" else ["mfccs"]
            folder = tmp_path_factory.mktemp(f"v{version}")
            graph = deepspeech(version, batch=2)
            made[version] = write_forms(
                graph.graph_def, folder, weights=WEIGHTS[version], inputs=inputs, outputs=outputs, others=others
            )
        return made[version]

    return write


@pytest.fixture(scope="module")
def expected(deepspeech, forms):
    """`expected(version)` → (logits, c, h) of each call in TensorFlow, from the checkpoint's state, and the chunks."""

    def run(version: str):
        graph = deepspeech(version, batch=2)
        chunks = random_chunks(graph, CALLS)
        if version == "0.9":
            found = run_chunks(graph, chunks)
            return list(zip(found.logits, found.c, found.h, strict=True)), chunks
        feeds = [{"input_node:0": chunk, "input_lengths:0": [16, 16]} for chunk in chunks]
        return run_from(graph.graph_def, forms(version).initial, feeds, ["logits:0"]), chunks

    return run


def check_calls(model, expected, chunks) -> None:
    run = StatefulModel(model)
    for _ in range(2):
        run.reset()
        for want, chunk in zip(expected, chunks, strict=True):
            found = run({"input_node": chunk})["logits"], *(run.states[name] for name in STATES)
            for have, value in zip(found, want, strict=True):
                assert_close(have, value, TOLERANCE * max(1, np.abs(value).max()))


@pytest.mark.sampled
@pytest.mark.parametrize(("version", "form"), CASES)
def test_the_state_is_carried_from_its_initial_value(forms, expected, version, form):
    made = forms(version)
    model, printed = mo(None, *made.arguments(form))
    check_structure(model)
    (line,) = [line for line in printed.splitlines() if "[ deepspeech-recipe ]" in line]
    assert re.search(f"DeepSpeech {GENERATIONS[version]}:", line)
    assert ("initial values kept: c -0.49" in line) == (version != "0.9")
    kept = read_metadata(model).get("initial_state", {})
    assert set(kept) == set(made.initial)
    for name, value in made.initial.items():
        np.testing.assert_array_equal(np.float32(kept[name]), value)
    check_calls(model, *expected(version))


@pytest.mark.parametrize("form", ["metagraph", "checkpoints"])
def test_internal_state_begins_with_it(forms, expected, form):
    model, _ = mo(None, *forms("0.5").arguments(form), *INTERNAL)
    assert len(model.get_sinks()) == 2
    check_calls(model, *expected("0.5"))


def test_a_state_that_freezing_cut_off_is_a_warning(forms):
    """The node that the outputs end with no longer leads to the assignments."""
    model, printed = mo(None, *forms("0.5").arguments("metagraph"), "--output", "Softmax")
    assert len(model.inputs) == 1
    assert "DeepSpeech v0.5" in printed
    assert "state in none (constant initial state: c -0.49" in printed
    assert printed.count("warning: constant initial state: every call begins with 'previous_state_") == 2
    assert "zeros" not in printed
