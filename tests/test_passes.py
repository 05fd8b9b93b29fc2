"""Passes return a new model, and leave the given one as it was."""

import inspect
import pkgutil
from importlib import import_module

import numpy as np
import pytest

from deepspeech_recipe import passes
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.ov_api import opset, ov
from deepspeech_recipe.passes.attach_audio import attach_audio
from deepspeech_recipe.passes.compress import compress_in_place, compress_to_fp16, compress_weights
from deepspeech_recipe.passes.fast_recurrence import fast_recurrence
from deepspeech_recipe.passes.internal_state import fix_batch, internal_state
from deepspeech_recipe.passes.lstm_loop import LENGTHS, general_cell, lstm_sequences
from deepspeech_recipe.passes.outputs import drop_unused_outputs, set_head
from deepspeech_recipe.passes.sequence_lengths import lengths_input, stop_at_own_lengths
from deepspeech_recipe.passes.streaming import streaming_model
from tests.support.acoustic_model import HIDDEN, acoustic_model
from tests.support.audio_signals import SETTINGS
from tests.support.compare import op_counts

CONTEXT, NAME = 3, "the lstm"
PASSES = {
    attach_audio: lambda model: attach_audio(model, SETTINGS["16 kHz"], CONTEXT),
    compress_to_fp16: compress_to_fp16,
    compress_weights: compress_weights,
    drop_unused_outputs: drop_unused_outputs,
    fast_recurrence: fast_recurrence,
    fix_batch: lambda model: fix_batch(model, 2),
    general_cell: lambda model: general_cell(model, NAME, np.ones((3, HIDDEN), np.float32), 0.5, lengths=False),
    internal_state: lambda model: internal_state(fix_batch(model, 1)),
    lengths_input: lengths_input,
    set_head: lambda model: set_head(model, "probabilities", "raw"),
    stop_at_own_lengths: lambda model: stop_at_own_lengths(model, NAME),
    streaming_model: lambda model: streaming_model(model, SETTINGS["16 kHz"], CONTEXT),
}


def written(model, folder) -> tuple[bytes, bytes]:
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return (folder / "model.xml").read_bytes(), (folder / "model.bin").read_bytes()


def model(name=None):
    """One that every pass changes: `logits` comes from a Softmax, and an output of the LSTMSequence is read itself."""
    found = acoustic_model(26, CONTEXT)
    softmax = next(node for node in found.get_ops() if node.get_type_name() == "Softmax")
    logits = next(result for result in found.get_results() if "logits" in result.output(0).get_names())
    transposed = opset.transpose(softmax.input_value(0), np.int64([1, 0, 2]))
    logits.input(0).replace_source_output(opset.softmax(transposed, -1).output(0))
    (lstm,) = lstm_sequences(found)
    lstm.set_friendly_name(NAME)
    if name is stop_at_own_lengths:
        rows = lstm.input_value(LENGTHS).get_node().input_value(1)
        lstm.input(LENGTHS).replace_source_output(opset.broadcast(np.int64([2]), rows).output(0))
    unused = opset.result(lstm.output(1))
    return ov.Model([*found.get_results(), unused], found.get_parameters(), "acoustic")


@pytest.mark.parametrize("name", PASSES, ids=lambda each: each.__name__)
def test_the_given_model_stays_as_it_was(tmp_path, name):
    given = model(name)
    before = written(given, tmp_path)
    new = PASSES[name](given)
    assert written(given, tmp_path) == before
    assert written(new, tmp_path) != before


def test_all_passes_are_here():
    modules = [import_module(f"{passes.__name__}.{each.name}") for each in pkgutil.iter_modules(passes.__path__)]
    functions = {
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    }
    returns_model = {each for each in functions if inspect.signature(each).return_annotation == "ov.Model"}
    takes_model = {each for each in returns_model if next(iter(inspect.signature(each).parameters)) == "model"}
    assert takes_model - {compress_in_place} == PASSES.keys()


def test_a_model_for_no_device_in_particular_is_one_for_the_cpu():
    counts = op_counts(compress_weights(model()))
    assert (counts["TensorIterator"], counts.get("LSTMSequence", 0)) == (1, 0)


@pytest.mark.parametrize(("lost", "side"), [("previous_state_h", "input"), ("new_state_h", "output")])
def test_a_state_without_its_other_half_cannot_be_internal(lost, side):
    """It would be lost without a word."""
    given = fix_batch(model(), 1)
    for port in (*given.inputs, *given.outputs):
        if lost in port.get_names():
            port.get_tensor().set_names({"other"})
    with pytest.raises(RecipeError, match=rf"'previous_state_h' → 'new_state_h' cannot become .* has no {side} of"):
        internal_state(given)


def test_lengths_without_an_lstm_to_stop_are_refused():
    """The input would be there, and nothing would read it."""
    with pytest.raises(RecipeError, match="needs a model with one LSTMSequence, this one has 0"):
        lengths_input(fast_recurrence(model()))


def test_a_head_that_is_not_there_cannot_be_changed():
    raw = set_head(model(), "probabilities", "raw")
    with pytest.raises(RecipeError, match="'logits' does not come from a Softmax"):
        set_head(raw, "probabilities", "raw")
    for port in raw.outputs:
        if "logits" in port.get_names():
            port.get_tensor().set_names({"scores"})
    with pytest.raises(RecipeError, match="no output 'logits' whose head could be changed"):
        set_head(raw, "raw", "probabilities")
