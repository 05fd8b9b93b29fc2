"""State variables that were frozen with the weights are states all the same, in any model, by both converters."""

import re

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.conversion.inspect import inspect
from deepspeech_recipe.runtime import StatefulModel
from tests.graphs import foreign, stateful
from tests.support.limits import assert_close
from tests.support.mo_run import mo
from tests.support.model_forms import run_from, write_forms
from tests.support.reference import random_chunks

pytestmark = pytest.mark.requires_tf

# Measured: 1.5e-7.
TOLERANCE = 1e-6
MODELS = {
    "packed": (stateful.packed_language_model, "softmax_out"),
    "stacked": (foreign.stacked_language_model, "lm/scores"),
    "stopped": (stateful.stopped_steps, "out"),
}
OLD_RELEASES = ("0.2", "0.3", "0.4", "0.5")


def calls_of(name: str, tmp_path):
    """(forms, feeds and outputs of chained calls) of one of MODELS."""
    make, main = MODELS[name]
    graph = make()
    forms = write_forms(
        graph.graph_def, tmp_path / "forms", weights=(), inputs=[each[:-2] for each in graph.inputs], outputs=[main]
    )
    feeds = [graph.feeds(seed) for seed in range(4)]
    for each in feeds:
        each.update({key: np.minimum(value, 4) for key, value in each.items() if key == "lengths:0"})
    return forms, feeds, [found[0] for found in run_from(graph.graph_def, forms.initial, feeds, [f"{main}:0"])]


def check(ir, main: str, feeds, outputs, initial: dict) -> None:
    run = StatefulModel(ir)
    assert set(run.metadata["states"]) == set(run.metadata["initial_state"]) == set(initial)
    for _ in range(2):
        run.reset()
        for given, want in zip(feeds, outputs, strict=True):
            named = {key.removesuffix(":0"): value for key, value in given.items()}
            found = run({name: named[name] for name in run.inputs})[main]
            assert_close(found, want, TOLERANCE)


@pytest.mark.sampled
@pytest.mark.parametrize("state", ["external", "internal"])
@pytest.mark.parametrize("name", MODELS)
def test_a_state_frozen_into_a_constant_is_kept(tmp_path, name, state):
    forms, feeds, outputs = calls_of(name, tmp_path)
    path = forms.folder / "frozen.pb"
    found = inspect(path)
    kinds = {state["kind"] for state in found["states"]}
    kinds |= {state["kind"] for lstm in found["lstms"] for state in lstm["states"].values()}
    assert kinds == {"variable"}
    assert not found["warnings"]
    result = convert(path, tmp_path, name="ir", converter="openvino", state=state)
    assert result.verification.passed
    check(result.files[0], MODELS[name][1], feeds, outputs, forms.initial)
    assert any(all(name in note for name in forms.initial) and "initial values kept" in note for note in result.notes)


@pytest.mark.parametrize("kind", ["v1", "v1, resources", "v2, resources"])
def test_frozen_states_of_loops_and_resource_variables_are_kept(tmp_path, kind):
    graph, frames, outputs, initial = stateful.looped_cell(kind)
    (tmp_path / "model.pb").write_bytes(graph)
    result = convert(tmp_path / "model.pb", tmp_path, name="ir", converter="openvino")
    assert result.verification.passed
    assert any("becomes an LSTMSequence" in note for note in result.notes)
    check(result.files[0], "out", [{"frames:0": each} for each in frames], outputs, initial)


@pytest.mark.requires_mo
@pytest.mark.parametrize("form", ["metagraph", "saved_model"])
def test_graphs_that_still_have_their_saver(tmp_path, form):
    """What saves and restores variables is no output."""
    forms, feeds, outputs = calls_of("packed", tmp_path)
    model, printed = mo(None, *forms.arguments(form))
    assert "initial values kept: lstm/lstm_0/state -0." in printed
    check(model, "softmax_out", feeds, outputs, forms.initial)


@pytest.mark.requires_mo
def test_by_mo_with_resource_variables(tmp_path):
    graph, frames, outputs, initial = stateful.looped_cell("v2, resources")
    (tmp_path / "model.pb").write_bytes(graph)
    model, _ = mo(tmp_path / "model.pb")
    check(model, "out", [{"frames:0": each} for each in frames], outputs, initial)


@pytest.mark.sampled
@pytest.mark.parametrize("version", OLD_RELEASES)
def test_every_release_frozen_with_its_state_keeps_it(deepspeech, tmp_path, version):
    """Frozen with its state, and nothing else kept that would tell the release."""
    graph = deepspeech(version, batch=3)
    inputs = ["input_node", "input_lengths"]
    forms = write_forms(graph.graph_def, tmp_path / "forms", weights=(), inputs=inputs, outputs=["logits"])
    result = convert(forms.folder / "frozen.pb", tmp_path, name="ir", converter="openvino", state="internal")
    assert result.verification.passed
    assert result.metadata["generation"] == {"0.2": "v0.2 or v0.3", "0.3": "v0.2 or v0.3"}.get(version, f"v{version}")
    assert result.notes == ("initial values of the state kept: c -0.499…0.473, h -0.499…0.5",)
    chunks = random_chunks(graph, 3)
    feeds = [{"input_node:0": chunk, "input_lengths:0": [16] * 3} for chunk in chunks]
    run = StatefulModel(result.files[0])
    for chunk, want in zip(chunks, run_from(graph.graph_def, forms.initial, feeds, ["logits:0"]), strict=True):
        found = run({"input_node": chunk})["logits"]
        assert_close(found, want[0], 2e-6 * max(1, np.abs(want[0]).max()))


@pytest.mark.long
def test_audio_attached_and_in_blocks(deepspeech, tmp_path):
    graph = deepspeech("0.5", batch=1)
    forms = write_forms(
        graph.graph_def, tmp_path / "forms", weights=(), inputs=["input_node", "input_lengths"],
        outputs=["logits", "mfccs"],
    )  # fmt: skip
    for name, state in (("utterance", "external"), ("blocks", "internal")):
        result = convert(
            forms.folder / "frozen.pb", tmp_path, name=name, converter="openvino", audio="attached", state=state
        )
        assert result.verification.passed
        assert set(result.metadata["initial_state"]) == set(forms.initial)


def test_a_constant_that_was_a_variable_is_a_warning(tmp_path):
    """The output does not lead to the assignments: freezing has cut them off."""
    graph, *_ = stateful.looped_cell("v1", cut_off=True)
    (tmp_path / "model.pb").write_bytes(graph)
    found = inspect(tmp_path / "model.pb")
    assert not found["states"]
    assert [re.sub(r" \(.*", "", line) for line in found["warnings"]] == [
        f"warning: constant initial state: every call begins with 'net/{part}'" for part in "ch"
    ]
    assert all(re.search(r"\(-0\.[34]\d*…0\.[34]\d*\)", line) for line in found["warnings"])
    result = convert(tmp_path / "model.pb", tmp_path / "out", converter="openvino")
    assert set(found["warnings"]) <= set(result.notes)
