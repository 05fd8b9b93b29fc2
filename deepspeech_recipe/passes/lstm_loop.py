"""The LSTM as a loop over the steps, a TensorIterator; and what passes share that replace an LSTMSequence.

The cell is that of BlockLSTM (tensorflow/core/kernels/rnn/lstm_ops.h), p being the peephole weights, if it has any:

    i = σ(i + c · p_i)      f = σ(f + c · p_f)      c' = clip(i · tanh(j) + f · c)
    o = σ(o + c' · p_o)     h' = o · tanh(c')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from deepspeech_recipe.ir.ov_api import Parameter, i64, opset, ov

# The inputs of an LSTMSequence.
X, HIDDEN, CELL, LENGTHS, W, R, B = range(7)


def lstm_sequences(model: ov.Model) -> list:
    """The LSTMSequences of a model, in the order of computation."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "LSTMSequence"]


def replace_outputs(node, outputs: Iterable) -> None:
    """Gives the readers of a node's outputs other outputs to read, in place."""
    for old, new in zip(node.outputs(), outputs):
        for reader in old.get_target_inputs():
            reader.replace_source_output(new)


def general_cell(model: ov.Model, name: str, peepholes: np.ndarray | None, clip: float) -> ov.Model:
    """Replaces the LSTMSequence of that name by a loop over all its steps whose cell has peepholes, or clips.

    peepholes: `[3, H]`, for the gates i, f, o; None without. clip: bound of the cell state, 0 for none. The
    LSTMSequence runs forward. A model that does not have it stays as it is.
    """
    model = model.clone()
    for lstm in lstm_sequences(model):
        if lstm.get_friendly_name() == name:
            w, r, b = (opset.squeeze(lstm.input_value(port), i64(0)) for port in (W, R, B))
            gates = opset.add(opset.matmul(lstm.input_value(X), w, False, True), b)
            loop, outputs = lstm_loop(lstm, gates, r.output(0), peepholes=peepholes, clip=clip)
            loop.set_friendly_name(name)
            replace_outputs(lstm, outputs)
    return model


def lstm_loop(
    lstm,
    gates,
    recurrent: ov.Output | Callable,
    *,
    index: int = 0,
    backward: bool = False,
    peepholes: np.ndarray | None = None,
    clip: float = 0.0,
) -> tuple:
    """One direction of an LSTMSequence as a TensorIterator: (the loop, its three outputs as the LSTMSequence has them).

    gates: `[B, T, 4H]`, the input's part of the gates f, i, c, o. recurrent: the matrix R `[4H, H]`, or a function that
    makes R · h of a hidden state `[B, H]` inside of the loop. index: which direction of the LSTMSequence it is.
    peepholes: `[3, H]`, for the gates i, f, o. clip: bound of the cell state, 0 for none.
    """
    size = lstm.get_attributes()["hidden_size"]
    first = [
        opset.squeeze(opset.gather(lstm.input_value(port), i64(index), np.int64(1)), i64(1)) for port in (HIDDEN, CELL)
    ]
    row = Parameter(ov.Type.f32, ov.PartialShape([-1, 1, 4 * size]))
    hidden, cell = (Parameter(ov.Type.f32, ov.PartialShape([-1, size])) for _ in range(2))
    inputs = [row, hidden, cell]
    if callable(recurrent):
        product = recurrent(hidden)
    else:
        inputs.append(Parameter(ov.Type.f32, ov.PartialShape([4 * size, size])))
        product = opset.matmul(hidden, inputs[-1], False, True)
    new_hidden, new_cell = _cell(opset.add(opset.squeeze(row, i64(1)), product), cell, peepholes, clip)
    step = opset.unsqueeze(new_hidden, i64(1))
    loop = opset.tensor_iterator()
    loop.set_body(ov.Model([opset.result(value) for value in (new_hidden, new_cell, step)], inputs, "step"))
    loop.set_merged_input(hidden, first[0].output(0), new_hidden.output(0))
    loop.set_merged_input(cell, first[1].output(0), new_cell.output(0))
    if not callable(recurrent):
        loop.set_invariant_input(inputs[-1], recurrent)
    # Slices run from step 0 on, or from the last one back; their parts are put together the same way.
    start, stride, end = (-1, -1, 0) if backward else (0, 1, -1)
    loop.set_sliced_input(row, gates.output(0), start, stride, 1, end, 1)
    states = loop.get_concatenated_slices(step.output(0), start, stride, 1, end, 1)
    last = [loop.get_iter_value(value.output(0), -1) for value in (new_hidden, new_cell)]
    return loop, tuple(opset.unsqueeze(value, i64(1)).output(0) for value in (states, *last))


def _cell(gates, cell, peepholes: np.ndarray | None, clip: float) -> tuple:
    """(hidden state, cell state) after a step; gates `[B, 4H]`, cell `[B, H]`."""
    forget, update, candidate, output = opset.split(gates, np.int64(1), 4).outputs()
    if peepholes is not None:
        update, forget = (
            opset.add(gate, opset.multiply(cell, opset.constant(weights[None])))
            for gate, weights in ((update, peepholes[0]), (forget, peepholes[1]))
        )
    kept = opset.multiply(opset.sigmoid(forget), cell)
    new_cell = opset.add(kept, opset.multiply(opset.sigmoid(update), opset.tanh(candidate)))
    if clip > 0:
        new_cell = opset.clamp(new_cell, -clip, clip)
    if peepholes is not None:
        output = opset.add(output, opset.multiply(new_cell, opset.constant(peepholes[2][None])))
    return opset.multiply(opset.sigmoid(output), opset.tanh(new_cell)), new_cell
