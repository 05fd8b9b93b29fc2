"""An IR's state, call after call, wherever the IR keeps it: one runner for the runtime, verify and diagnose."""

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.layers import layer_ends
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import LENGTHS, LOGITS, STATE_PAIRS, WINDOWS
from deepspeech_recipe.ir.ov_api import opset, ov, rebuild
from deepspeech_recipe.ir.read import read_ir
from deepspeech_recipe.runtime import StatefulModel
from tests.support import runtime_models, verify_models
from tests.support.bundled import bundled_ir, transcripts
from tests.support.limits import assert_close
from tests.support.runtime_models import AUDIO, CONTEXT, KINDS

# What keeps the state: the caller, the request, nobody.
WHERE = {
    "windows, open": "external",
    "windows, lengths": "external",
    "windows, int8": "external",
    "internal state": "internal",
    "internal state, int8": "internal",
    "no state": "none",
    "attached": "none",
    "streaming": "internal",
}


def windows(seed: int, count: int = 5) -> np.ndarray:
    shape = (1, count, 2 * CONTEXT + 1, AUDIO.dct_coefficient_count)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def feeds(model: StatefulModel, seed: int, count: int = 5) -> dict:
    lengths = {LENGTHS: np.array([count])} if LENGTHS in model.inputs else {}
    return {WINDOWS: windows(seed, count), **lengths}


@pytest.mark.parametrize(("kind", "where"), WHERE.items())
def test_where_the_state_is_kept(kind, where):
    ir = AcousticIR(runtime_models.model(kind))
    assert ir.state == where
    assert ir.states == (STATE_PAIRS if where == "external" else {})
    assert not {*ir.inputs, *ir.outputs} & {*STATE_PAIRS, *STATE_PAIRS.values()}
    assert ir.outputs == (LOGITS,)


@pytest.mark.parametrize("kind", ["windows, open", "windows, lengths", "internal state", "no state"])
def test_chained_calls_are_one_sequence(kind):
    """Two calls of five windows are one of ten, if there is a state; without one the second call begins anew."""
    config = {"INFERENCE_NUM_THREADS": 1}
    chained = StatefulModel(runtime_models.model(kind), config=config)
    together = StatefulModel(runtime_models.model("windows, open"), config=config)
    ten = np.concatenate([windows(1), windows(2)], 1)
    wanted = together({WINDOWS: ten})[LOGITS]
    for _ in range(2):  # the second time after a reset
        first, second = (chained(feeds(chained, seed))[LOGITS] for seed in (1, 2))
        assert_close(first, wanted[:5], 2e-7)
        same = np.abs(second - wanted[5:]).max() < 2e-7
        assert same == (WHERE[kind] != "none")
        chained.reset()


def test_internal_and_external_states_have_the_same_values_and_names():
    inside, outside = (StatefulModel(runtime_models.model(kind)) for kind in ("internal state", "windows, open"))
    for model in (inside, outside):
        model(feeds(model, 1))
    assert set(inside.states) == set(outside.states) == set(STATE_PAIRS)
    for name, values in outside.states.items():
        assert np.abs(values).max() > 0.01
        assert_close(inside.states[name], values, 5e-7)


@pytest.mark.parametrize("kind", ["windows, open", "internal state"])
def test_what_a_call_gave_is_the_callers_own(kind):
    """Neither the next call changes it, nor does a change of it reach the next call."""
    wanted = StatefulModel(runtime_models.model(kind))
    wanted(feeds(wanted, 1))
    second = wanted(feeds(wanted, 2))[LOGITS]
    model = StatefulModel(runtime_models.model(kind))
    found, states = model(feeds(model, 1)), model.states
    before = found[LOGITS].copy(), {name: values.copy() for name, values in states.items()}
    for values in (found[LOGITS], *model.states.values()):
        values[:] = 7
    assert_close(model(feeds(model, 2))[LOGITS], second, 2e-7)
    for name, values in states.items():
        np.testing.assert_array_equal(values, before[1][name])
    assert (found[LOGITS] == 7).all()
    if kind == "windows, open":
        again = StatefulModel(runtime_models.model(kind))
        again.reset(states=before[1])
        for values in before[1].values():
            values[:] = 7
        assert_close(again(feeds(again, 2))[LOGITS], second, 2e-7)


def test_a_batch_that_is_open_has_as_many_rows_as_are_asked_for():
    model = StatefulModel(runtime_models.model("windows, open"))
    model.reset(rows=3)
    assert {values.shape[0] for values in model.states.values()} == {3}
    assert model({WINDOWS: np.repeat(windows(1), 3, 0)})[LOGITS].shape[1] == 3


def test_extra_tensors_come_beside_the_outputs():
    ir = AcousticIR(bundled_ir())
    ends = layer_ends(ir.model)
    model = StatefulModel(ir, extra=ends)
    assert model.outputs == (LOGITS,)
    x = np.random.default_rng(3).standard_normal([size or 1 for size in ir.shape]).astype(np.float32)
    found = model({WINDOWS: x})
    assert set(found) == {LOGITS, *ends}
    scores = found["dense_6"].reshape(found[LOGITS].shape)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    assert_close(found[LOGITS], powers / powers.sum(-1, keepdims=True), 5e-7)


@pytest.mark.parametrize("lost", [*STATE_PAIRS, *STATE_PAIRS.values()])
def test_a_part_of_the_state_is_refused_by_its_name(lost):
    model = runtime_models.model("windows, open")
    if lost in STATE_PAIRS:
        port = model.input(lost)
        zeros = opset.constant(np.zeros((1, port.get_partial_shape()[1].get_length()), np.float32))
        for reader in port.get_target_inputs():
            reader.replace_source_output(zeros.output(0))
        left = [each for each in model.get_parameters() if lost not in each.output(0).get_names()]
        model = rebuild(model, parameters=left)
    else:
        model = rebuild(model, results=[each for each in model.get_results() if lost not in each.output(0).get_names()])
    with pytest.raises(RecipeError, match=rf"'{lost}'.* is not both an input and an output"):
        IR(model)


def test_inputs_of_other_names_are_refused():
    model = StatefulModel(runtime_models.model("windows, open"))
    with pytest.raises(RecipeError, match="the model: takes input_node; it was given samples"):
        model({"samples": windows(1)})
    assert model({"input_node:0": windows(1)})[LOGITS].shape[0] == 5


def test_every_kind_of_ir_has_a_runner():
    for kind in KINDS:
        ir = AcousticIR(runtime_models.model(kind))
        model = StatefulModel(ir)
        assert model.inputs == ir.inputs
        assert isinstance(ir.model, ov.Model)


@pytest.mark.parametrize("use", ["verify", "diagnose", "features"])
def test_the_file_of_an_ir_is_read_once(use, monkeypatch):
    read = []

    def counted(path):
        read.append(path)
        return read_ir(path)

    monkeypatch.setattr("deepspeech_recipe.ir.model.read_ir", counted)
    verify_models.hear_little(monkeypatch)
    if use == "features":
        deepspeech_recipe.features(next(iter(transcripts())), bundled_ir())
    else:
        getattr(deepspeech_recipe, use)(verify_models.graph("v0.9"), verify_models.ir_file("v0.9"))
    assert len(read) == 1
