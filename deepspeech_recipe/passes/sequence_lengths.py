"""An LSTMSequence whose rows stop at lengths of their own, exactly, also if T or B is open.

LSTMSequence's own sequence lengths do not help then: OpenVINO's CPU plugin ignores them. So every step gets one more
feature, 1 past the length, whose weights shut the input gate and open the forget gate: the cell state stays as it
is. The hidden state is picked at the length.
"""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir import names
from deepspeech_recipe.ir.names import WINDOWS, find_input
from deepspeech_recipe.ir.ov_api import i64, new_input, opset, ov, rebuild
from deepspeech_recipe.passes.lstm_loop import CELL, HIDDEN, LENGTHS, B, R, W, X, lstm_sequences, replace_outputs
from deepspeech_recipe.passes.shape_values import numbers, sizes

# On the gates of a step past the length: sigmoid(±LARGE) is 0 and 1, and FP16 weights can hold it.
_LARGE = 10_000.0
_FORGET, _INPUT = 0, 1  # OpenVINO's order of gates is f, i, c, o


def lengths_input(model: ov.Model) -> ov.Model:
    """Adds the input `lengths`, i64 [B], in windows: row b consumes its first lengths[b] windows.

    The states of a row are those after its length: the previous ones, unchanged, if it is 0. Rows of
    `logits` past the length are what the framework computes there, from a hidden state of zeros. Lengths below 0
    count as 0, lengths above T as T. Works for external and internal state, with fixed and with open T and B.

    The two directions of v0.1 both stop there. Raises RecipeError if the model has such an input already, or no
    LSTMSequence.
    """
    if find_input(model, names.LENGTHS) is not None:
        raise RecipeError("The model has an input 'lengths' already.")
    model = model.clone()
    lstms = lstm_sequences(model)
    backward = [node for node in lstms if node.get_attributes()["direction"] == "reverse"]
    if len(lstms) - len(backward) != 1 or len(backward) > 1:
        raise RecipeError(f"An input of lengths needs a model with one LSTMSequence, this one has {len(lstms)}.")
    windows = find_input(model, WINDOWS)
    parameter = new_input(names.LENGTHS, np.int64, ov.PartialShape([windows.get_partial_shape()[0]]))
    for lstm in lstms:
        stop_at_lengths(lstm, parameter.output(0))
    model = rebuild(model, parameters=[*model.get_parameters(), parameter])
    model.validate_nodes_and_infer_types()
    return model


def stop_at_own_lengths(model: ov.Model, name: str) -> ov.Model:
    """Makes the LSTMSequence of that name stop at the sequence lengths it has, which is more than OpenVINO's CPU
    plugin does with them. A model that does not have it, or whose rows all run to the end, stays as it is."""
    model = model.clone()
    for lstm in lstm_sequences(model):
        if lstm.get_friendly_name() == name and not _runs_to_the_end(lstm):
            stop_at_lengths(lstm, lstm.input_value(LENGTHS))
    return model


def stop_at_lengths(lstm, lengths) -> None:
    """Makes row b of an LSTMSequence consume its first lengths[b] steps, in place: its readers get new outputs.

    lengths: i64 [B]; below 0 counts as 0, above T as T. Hidden states past the length are zeros, and the last states
    those at the length: the initial ones, unchanged, if it is 0. T must be at least 1. A sequence that runs
    backwards comes to the steps past the length first, so its initial states must be zeros, which pass them unchanged.
    Raises RecipeError if the weights are compressed.
    """
    direction, lengths_given = lstm.get_attributes()["direction"], lengths
    sequence = lstm.input_value(X)
    steps = _size(sequence, 1)
    lengths = opset.unsqueeze(opset.minimum(opset.maximum(lengths, np.int64(0)), steps), i64(1))
    positions = opset.range(np.int64(0), opset.squeeze(steps, i64(0)), np.int64(1), "i64")
    past = opset.greater_equal(opset.unsqueeze(positions, i64(0)), lengths)  # [B, T]
    past = opset.unsqueeze(past, i64(2))
    zero = np.float32(0)
    # What lies past the length must not reach the gates, whatever it is: NaN × 0 is NaN.
    masked = opset.concat([opset.select(past, zero, sequence), opset.convert(past, "f32")], 2)
    gated = opset.lstm_sequence(
        masked,
        lstm.input_value(HIDDEN),
        lstm.input_value(CELL),
        _all_steps(lstm, masked, lengths_given),
        _with_pad_feature(lstm.input_value(W)),
        lstm.input_value(R),
        lstm.input_value(B),
        lstm.get_attributes()["hidden_size"],
        direction,
    )
    gated.set_friendly_name(lstm.get_friendly_name())
    states = opset.select(opset.unsqueeze(past, i64(1)), zero, gated.output(0))
    last = gated.output(1)
    if direction == "forward":
        # [B, 1, T, H] with the initial state in front: a length is the index of its state. GatherElements, because a
        # Gather with batch_dims kills the process on a CPU with AVX-512 if the batch is fixed to 1 (2024.6, 2026.4).
        hidden = lstm.input_value(HIDDEN)
        every = opset.squeeze(opset.concat([opset.unsqueeze(hidden, i64(2)), gated.output(0)], 2), i64(1))
        index = opset.broadcast(opset.unsqueeze(lengths, i64(2)), opset.shape_of(hidden))
        last = opset.gather_elements(every, index, 1).output(0)
    replace_outputs(lstm, (states.output(0), last, gated.output(2)))


def _runs_to_the_end(lstm) -> bool:
    lengths, sequence = numbers(lstm.input_value(LENGTHS)), sizes(lstm.input_value(X))
    return lengths is not None and sequence is not None and all(length == sequence[1] for length in lengths)


def _all_steps(lstm, sequence, other):
    """The sequence lengths of a sequence that runs all its steps. (Only their form tells that to other passes.)"""
    lengths = lstm.input_value(LENGTHS)
    if lengths.get_node().get_type_name() == "Constant" and lengths != other:
        return lengths
    return opset.broadcast(_size(sequence, 1), _size(sequence, 0))


def _size(values, axis: int):
    """The size of an axis, i64 [1]."""
    return opset.gather(opset.shape_of(values), i64(axis), np.int64(0))


def _with_pad_feature(weights):
    """W [1, 4H, I] → [1, 4H, I + 1]."""
    node = weights.get_node()
    if node.get_type_name() != "Constant":
        raise RecipeError("The LSTM's weights are compressed. Apply this pass before compressing the model.")
    values = node.get_data()
    column = _pad_feature(values.shape[1]).astype(values.dtype)
    return opset.constant(np.concatenate([values, column[None, :, None]], 2))


def _pad_feature(gates: int) -> np.ndarray:
    """Its weights, [4H]."""
    column = np.zeros(gates, np.float32)
    for gate, value in ((_FORGET, _LARGE), (_INPUT, -_LARGE)):
        column[gate * gates // 4 : (gate + 1) * gates // 4] = value
    return column


def without_pad_feature(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """W [4H, I] → (W without the feature that `stop_at_lengths` appended, that feature's weights [4H] or None)."""
    last = weights[:, -1].astype(np.float32)
    if np.array_equal(last, _pad_feature(len(last))):
        return weights[:, :-1], last
    return weights, None
