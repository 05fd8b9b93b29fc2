"""The acoustic model inside an IR that takes whole utterances, so that long audio can go through it in chunks."""

import numpy as np

from deepspeech_recipe.ir.initial_state import initial_states
from deepspeech_recipe.ir.metadata import metadata_of
from deepspeech_recipe.ir.names import SAMPLES, STATE_C, STATE_H, STATE_PAIRS, WINDOWS, both_forms, find_input
from deepspeech_recipe.ir.ov_api import i64, new_input, opset, ov, rebuild

_RECURRENCES = ("LSTMSequence", "TensorIterator", "Loop")
# As an LSTMSequence has them; the order makes no difference to states that begin with zeros and are fed back.
_STATES = (STATE_H, STATE_C)


def expose_state(model, window_shape: tuple[int, int]):
    """Makes the state inside a model inputs and outputs, and `input_node` an input. Returns a new model, or None.

    model: its recurrence begins with the same state in every call, zeros or what its metadata say. An audio part is
    taken off; an input `sample_lengths` stays: a large number makes every frame count. window_shape: frames and
    features of a window.
    None unless the model has one recurrence, forward and with two states, behind windows of that shape. A loop must
    begin with zeros too: which of its states is which cannot be told.
    """
    model = model.clone()
    samples = find_input(model, SAMPLES)
    windows = next(filter(lambda port: _is_windows(port, window_shape), _ports(model)), None)
    recurrences = [node for node in model.get_ops() if node.get_type_name() in _RECURRENCES]
    if windows is None or len(recurrences) != 1 or model.get_sinks():
        return None
    states = _carried(recurrences[0])
    if len(states) != len(_STATES):
        return None
    if recurrences[0].get_type_name() != "LSTMSequence" and initial_states(metadata_of(model)):
        return None
    parameters, results = list(model.get_parameters()), list(model.get_results())
    if samples is not None:
        gone = samples.get_node().get_friendly_name()
        cut = new_input(WINDOWS, np.float32, windows.get_partial_shape())
        for reader in windows.get_target_inputs():
            reader.replace_source_output(cut.output(0))
        parameters = [cut, *(each for each in parameters if each.get_friendly_name() != gone)]
    batch = windows.get_partial_shape()[0]
    for name, (begin, end) in zip(_STATES, states, strict=True):
        state, result = _exposed(name, begin, end, batch)
        parameters.append(state)
        results.append(result)
    model = rebuild(model, results=results, parameters=parameters)
    model.validate_nodes_and_infer_types()
    return model


def _carried(node) -> list[tuple]:
    """(input that a state begins with, output that it ends with) of each state; none if it runs backwards."""
    if node.get_type_name() == "LSTMSequence":
        forward = str(node.get_attributes()["direction"]).lower() == "forward"
        return [(node.input(port), node.output(port)) for port in (1, 2)] if forward else []
    inputs = node.get_input_descriptions()
    if any(getattr(each, "stride", 1) < 0 for each in inputs):
        return []
    last = {
        each.body_value_index: each.output_index
        for each in node.get_output_descriptions()
        if getattr(each, "iteration", None) == -1
    }
    merged = [each for each in inputs if getattr(each, "body_value_index", None) in last]
    return [(node.input(each.input_index), node.output(last[each.body_value_index])) for each in merged]


def _exposed(before: str, begin, end, batch):
    """(parameter [B, H], result [B, H]) of a state, which inside is [B, H] or [B, 1, H]."""
    shape = begin.get_partial_shape()
    state = new_input(before, np.float32, ov.PartialShape([batch, shape[-1]]))
    value, last = state.output(0), end
    if len(shape) == 3:
        one = i64(1)
        value, last = opset.unsqueeze(state, one).output(0), opset.squeeze(end, one).output(0)
    begin.replace_source_output(value)
    result = opset.result(last)
    result.output(0).get_tensor().set_names(both_forms(STATE_PAIRS[before]))
    return state, result


def _ports(model):
    return (port for node in model.get_ordered_ops() for port in node.outputs())


def _is_windows(port, window_shape) -> bool:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 4 or port.get_node().get_type_name() == "Constant":
        return False
    return shape[2:].is_static and tuple(shape[2:].to_shape()) == window_shape
