"""Batches with unequal lengths: an input `lengths`, exact for every row."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ov_api import Parameter, opset, ov, rebuild
from deepspeech_recipe.passes.names import both_forms, find

NAME = "lengths"
# On the gates of a step past the length: sigmoid(±LARGE) is 0 and 1, and FP16 weights can hold it.
_LARGE = 10_000.0
_SEQUENCE, _HIDDEN, _CELL, _LENGTHS, _W, _R, _B = range(7)
_FORGET, _INPUT = 0, 1  # OpenVINO's order of gates is f, i, c, o


def lengths_input(model):
    """Adds the input `lengths`, i64 [B], in windows: row b consumes its first lengths[b] windows. Returns the model.

    The states of a row are those after its length: the previous ones, unchanged, where the length is 0. Rows of
    `logits` past the length are what the framework computes there, from a hidden state of zeros. Lengths below 0
    count as 0, lengths above T as T. Works for external and internal state, with fixed and with open T and B.

    LSTMSequence's own sequence lengths are no help: OpenVINO's CPU plugin ignores them where T or B is open. So
    each window gets one more feature, 1 past the length, whose weights shut the input gate and open the forget
    gate: the cell state stays as it is. The hidden state is picked at the length.

    Raises RecipeError where the model has such an input already, or not exactly one LSTMSequence.
    """
    if find(model.inputs, both_forms(NAME)) is not None:
        raise RecipeError("The model has an input 'lengths' already.")
    lstms = [node for node in model.get_ordered_ops() if node.get_type_name() == "LSTMSequence"]
    if len(lstms) != 1:
        raise RecipeError(f"An input of lengths needs a model with one LSTMSequence, this one has {len(lstms)}.")
    lstm = lstms[0]
    windows = find(model.inputs, both_forms("input_node"))
    batch = windows.get_partial_shape()[0]
    parameter = Parameter(ov.Type.i64, ov.PartialShape([batch]))
    parameter.set_friendly_name(NAME)
    parameter.output(0).get_tensor().set_names(both_forms(NAME))
    _gate(lstm, parameter.output(0))
    model = rebuild(model, parameters=[*model.get_parameters(), parameter])
    model.validate_nodes_and_infer_types()
    return model


def _gate(lstm, lengths) -> None:
    sequence = lstm.input_value(_SEQUENCE)
    steps = opset.gather(opset.shape_of(sequence), np.int64([1]), np.int64(0))
    lengths = opset.unsqueeze(opset.minimum(opset.maximum(lengths, np.int64(0)), steps), np.int64([1]))
    positions = opset.range(np.int64(0), opset.squeeze(steps, np.int64([0])), np.int64(1), "i64")
    past = opset.greater_equal(opset.unsqueeze(positions, np.int64([0])), lengths)  # [B, T]
    past = opset.unsqueeze(past, np.int64([2]))
    zero = np.float32(0)
    # What lies past the length must not reach the gates, whatever it is: NaN × 0 is NaN.
    masked = opset.select(past, zero, sequence)
    gated = opset.lstm_sequence(
        opset.concat([masked, opset.convert(past, "f32")], 2),
        *(lstm.input_value(port) for port in (_HIDDEN, _CELL, _LENGTHS)),
        _with_pad_feature(lstm.input_value(_W)),
        *(lstm.input_value(port) for port in (_R, _B)),
        lstm.get_attributes()["hidden_size"],
        "forward",
    )
    gated.set_friendly_name(lstm.get_friendly_name())
    states = opset.select(opset.unsqueeze(past, np.int64([1])), zero, gated.output(0))
    # [B, 1, T, H] with the initial state in front: a length is the index of its state.
    first = opset.unsqueeze(lstm.input_value(_HIDDEN), np.int64([2]))
    every = opset.squeeze(opset.concat([first, gated.output(0)], 2), np.int64([1]))
    last = opset.gather(every, lengths, np.int64(1), batch_dims=1)
    for old, new in zip(lstm.outputs(), (states.output(0), last.output(0), gated.output(2)), strict=True):
        for reader in old.get_target_inputs():
            reader.replace_source_output(new)


def _with_pad_feature(weights):
    """W [1, 4H, I] → [1, 4H, I + 1]."""
    node = weights.get_node()
    if node.get_type_name() != "Constant":
        raise RecipeError("The LSTM's weights are compressed. Add the input of lengths before compressing the model.")
    values = node.get_data()
    column = np.zeros((*values.shape[:2], 1), values.dtype)
    hidden_size = values.shape[1] // 4
    for gate, value in ((_FORGET, _LARGE), (_INPUT, -_LARGE)):
        column[:, gate * hidden_size : (gate + 1) * hidden_size] = value
    return opset.constant(np.concatenate([values, column], 2))
