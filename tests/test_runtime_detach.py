"""The acoustic model inside an IR without state tensors, found whatever its recurrence is made of."""

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.ov_api import opset
from deepspeech_recipe.passes.fast_recurrence import fast_recurrence
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.inference.expose_state import expose_state
from tests.support import runtime_models
from tests.support.acoustic_model import HIDDEN
from tests.support.runtime_models import AUDIO, CONTEXT

WINDOW = (2 * CONTEXT + 1, AUDIO.dct_coefficient_count)


@pytest.mark.parametrize(
    ("kind", "batch", "steps"),
    [
        ("attached", None, None),
        ("attached, int8", None, None),
        ("attached, batch 2", 2, None),
        ("attached, lengths, batch 3, int8", 3, None),
        ("no state", 1, None),
        ("no state, 5 steps", 1, 5),
    ],
)
def test_an_internal_state_becomes_inputs_and_outputs(kind, batch, steps):
    before = runtime_models.model(kind)
    operations = len(before.get_ops())
    found = AcousticIR(expose_state(before, WINDOW))
    assert (found.input_kind, found.state, found.batch, found.steps) == ("windows", "external", batch, steps)
    shapes = [
        found.input(name).get_partial_shape()[1].get_length() for name in ("previous_state_c", "previous_state_h")
    ]
    assert shapes == [HIDDEN, HIDDEN]
    assert found.lengths == ("sample_lengths" if "lengths" in kind else None)
    assert found.metadata == AcousticIR(before).metadata
    assert len(before.get_ops()) == operations


def _lstm(model):
    return next(node for node in model.get_ops() if node.get_type_name() == "LSTMSequence")


def _replaced(direction: str, count: int):
    """The attached model with other LSTMs in the place of its own; their outputs are added."""
    model = runtime_models.model("attached")
    old = _lstm(model)
    inputs = [old.input_value(port) for port in range(7)]
    hidden = opset.lstm_sequence(*inputs, HIDDEN, direction).output(0)
    for _ in range(count - 1):
        hidden = opset.add(hidden, opset.lstm_sequence(*inputs, HIDDEN, direction).output(0)).output(0)
    for reader in old.output(0).get_target_inputs():
        reader.replace_source_output(hidden)
    return model


@pytest.mark.parametrize("loop", [False, True], ids=["sequence", "loop"])
@pytest.mark.parametrize(("direction", "count"), [("reverse", 1), ("forward", 2)])
def test_what_cannot_be_cut_in_time_or_has_more_states_stays_whole(direction, count, loop):
    model = _replaced(direction, count)
    if loop:
        model = fast_recurrence(model, weights="fp32")
    assert expose_state(model, WINDOW) is None
    one = _replaced("forward", 1)
    assert expose_state(fast_recurrence(one, weights="fp32") if loop else one, WINDOW) is not None


def test_windows_of_another_size_are_not_taken_for_the_models():
    assert expose_state(runtime_models.model("attached"), (WINDOW[0] + 2, WINDOW[1])) is None
    assert expose_state(runtime_models.model("streaming"), WINDOW) is None


def test_a_model_without_state_or_recurrence_is_refused():
    model = runtime_models.model("no state")
    lstm = _lstm(model)
    hidden = opset.unsqueeze(opset.concat([lstm.input_value(0)] * 2, 2), np.int64([1]))
    cut = opset.slice(hidden, np.int64([0]), np.int64([HIDDEN]), np.int64([1]), np.int64([3]))
    for reader in lstm.output(0).get_target_inputs():
        reader.replace_source_output(cut.output(0))
    with pytest.raises(RecipeError, match="no state to carry from call to call"):
        Recognizer(model)
