"""LSTM cells that no LSTMSequence has, peepholes and a clipped cell state, as a loop over the steps.

The cell of BlockLSTM (tensorflow/core/kernels/rnn/lstm_ops.h), p being the peephole weights:

    i = σ(i + c · p_i)      f = σ(f + c · p_f)      c' = clip(i · tanh(j) + f · c)
    o = σ(o + c' · p_o)     h' = o · tanh(c')
"""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.ir.ov_api import Parameter, opset, ov

_X, _HIDDEN, _CELL, _LENGTHS, _W, _R, _B = range(7)


def with_general_cell(model, name: str, peepholes: np.ndarray | None, clip: float) -> None:
    """Replaces the LSTMSequence of that name by a loop, with the outputs of `general_cell`."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "LSTMSequence" and node.get_friendly_name() == name:
            for old, new in zip(node.outputs(), general_cell(node, peepholes, clip)):
                for reader in old.get_target_inputs():
                    reader.replace_source_output(new)


def general_cell(lstm, peepholes: np.ndarray | None, clip: float) -> tuple:
    """The outputs of a forward LSTMSequence over all its steps, but with another cell.

    peepholes: `[3, H]`, for the gates i, f, o; None without. clip: bound of the cell state, 0 for none.
    Returns the hidden states `[B, 1, T, H]`, the last hidden and the last cell state `[B, 1, H]`.
    """
    size = lstm.get_attributes()["hidden_size"]
    w, r, b = (opset.squeeze(lstm.input_value(port), np.int64([0])) for port in (_W, _R, _B))
    gates = opset.add(opset.matmul(lstm.input_value(_X), w, False, True), b)
    row = Parameter(ov.Type.f32, ov.PartialShape([-1, 1, 4 * size]))
    hidden, cell = (Parameter(ov.Type.f32, ov.PartialShape([-1, size])) for _ in range(2))
    recurrent = Parameter(ov.Type.f32, ov.PartialShape([4 * size, size]))
    total = opset.add(opset.squeeze(row, np.int64([1])), opset.matmul(hidden, recurrent, False, True))
    forget, update, candidate, output = opset.split(total, np.int64(1), 4).outputs()
    if peepholes is not None:
        update, forget = (
            opset.add(gate, opset.multiply(cell, opset.constant(weights[None])))
            for gate, weights in ((update, peepholes[0]), (forget, peepholes[1]))
        )
    kept = opset.multiply(opset.sigmoid(forget), cell)
    new_cell = opset.add(opset.multiply(opset.sigmoid(update), opset.tanh(candidate)), kept)
    if clip > 0:
        new_cell = opset.clamp(new_cell, -clip, clip)
    if peepholes is not None:
        output = opset.add(output, opset.multiply(new_cell, opset.constant(peepholes[2][None])))
    new_hidden = opset.multiply(opset.sigmoid(output), opset.tanh(new_cell))
    step = opset.unsqueeze(new_hidden, np.int64([1]))
    results = [opset.result(value) for value in (new_hidden, new_cell, step)]
    loop = opset.tensor_iterator()
    loop.set_body(ov.Model(results, [row, hidden, cell, recurrent], "step"))
    loop.set_friendly_name(lstm.get_friendly_name())
    one = np.int64([1])
    first = [opset.squeeze(lstm.input_value(port), one).output(0) for port in (_HIDDEN, _CELL)]
    loop.set_sliced_input(row, gates.output(0), 0, 1, 1, -1, 1)
    loop.set_merged_input(hidden, first[0], new_hidden.output(0))
    loop.set_merged_input(cell, first[1], new_cell.output(0))
    loop.set_invariant_input(recurrent, r.output(0))
    states = loop.get_concatenated_slices(step.output(0), 0, 1, 1, -1, 1)
    last = [loop.get_iter_value(value.output(0), -1) for value in (new_hidden, new_cell)]
    return tuple(opset.unsqueeze(value, one).output(0) for value in (states, *last))
