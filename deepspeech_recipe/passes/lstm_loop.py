"""The LSTM as a loop over the steps, a TensorIterator; and what passes share that replace an LSTMSequence.

The cell is that of BlockLSTM (tensorflow/core/kernels/rnn/lstm_ops.h), p being the peephole weights, if it has any:

    i = σ(i + c · p_i)      f = σ(f + c · p_f)      c' = clip(i · tanh(j) + f · c)
    o = σ(o + c' · p_o)     h' = o · tanh(c')

with any other activations (`patterns.activations`) in the place of σ and tanh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from deepspeech_recipe.ir.ov_api import Parameter, i64, opset, ov
from deepspeech_recipe.patterns.activations import ARGUMENT, Expression
from deepspeech_recipe.patterns.lstm import PLAIN

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


def general_cell(
    model: ov.Model,
    name: str,
    peepholes: np.ndarray | None,
    clip: float,
    activations: Sequence[Expression] = PLAIN,
    *,
    lengths: bool,
) -> ov.Model:
    """Replaces the LSTMSequence of that name by a loop over its steps, whose cell may be one that no LSTMSequence has.

    peepholes: `[3, H]`, for the gates i, f, o; None without. clip: bound of the cell state, 0 for none. activations: of
    the gates f, i, c, o and of the cell state. lengths: whether each row stops at its sequence length: past it the
    states stay as they are, and the hidden states of the steps are zeros. The LSTMSequence runs in one direction. A
    model that does not have it stays as it is.
    """
    model = model.clone()
    for lstm in lstm_sequences(model):
        if lstm.get_friendly_name() == name:
            w, r, b = (opset.squeeze(lstm.input_value(port), i64(0)) for port in (W, R, B))
            gates = opset.add(opset.matmul(lstm.input_value(X), w, False, True), b)
            cell = partial(_cell, peepholes=peepholes, clip=clip, activations=activations)
            backward = str(lstm.get_attributes()["direction"]).lower() == "reverse"
            within = _within(lstm) if lengths else None
            loop, outputs = lstm_loop(lstm, gates, r.output(0), backward=backward, cell=cell, within=within)
            loop.set_friendly_name(name)
            replace_outputs(lstm, outputs)
    return model


def _within(lstm) -> ov.Output:
    """Which steps lie within the sequence lengths, boolean `[B, T, 1]`."""
    steps = opset.gather(opset.shape_of(lstm.input_value(X)), np.int64(1), np.int64(0))
    positions = opset.unsqueeze(opset.range(np.int64(0), steps, np.int64(1), "i64"), i64(0))
    within = opset.less(positions, opset.unsqueeze(lstm.input_value(LENGTHS), i64(1)))
    return opset.unsqueeze(within, i64(2)).output(0)


def lstm_loop(
    lstm,
    gates,
    recurrent: ov.Output | Callable,
    *,
    index: int = 0,
    backward: bool = False,
    cell: Callable | None = None,
    within: ov.Output | None = None,
) -> tuple:
    """One direction of an LSTMSequence as a TensorIterator: (the loop, its three outputs as the LSTMSequence has them).

    gates: `[B, T, 4H]`, the input's part of the gates f, i, c, o. recurrent: the matrix R `[4H, H]`, or a function that
    makes R · h of a hidden state `[B, H]` inside of the loop. index: which direction of the LSTMSequence it is.
    cell: (gates `[B, 4H]`, cell state `[B, H]`) → (hidden state, cell state), a plain one if not given. within: boolean
    `[B, T, 1]`, the steps that count: in others the states stay as they are, and the output is zeros.
    """
    size = lstm.get_attributes()["hidden_size"]
    first = [
        opset.squeeze(opset.gather(lstm.input_value(port), i64(index), np.int64(1)), i64(1)) for port in (HIDDEN, CELL)
    ]
    row = Parameter(ov.Type.f32, ov.PartialShape([-1, 1, 4 * size]))
    hidden, state = (Parameter(ov.Type.f32, ov.PartialShape([-1, size])) for _ in range(2))
    inputs = [row, hidden, state]
    if callable(recurrent):
        product = recurrent(hidden)
    else:
        inputs.append(Parameter(ov.Type.f32, ov.PartialShape([4 * size, size])))
        product = opset.matmul(hidden, inputs[-1], False, True)
    new_hidden, new_cell = (cell or _cell)(opset.add(opset.squeeze(row, i64(1)), product), state)
    output = new_hidden
    if within is not None:
        inputs.append(counts := Parameter(ov.Type.boolean, ov.PartialShape([-1, 1, 1])))
        column = opset.squeeze(counts, i64(1))
        output = opset.select(column, new_hidden, np.float32(0))
        new_hidden, new_cell = opset.select(column, new_hidden, hidden), opset.select(column, new_cell, state)
    step = opset.unsqueeze(output, i64(1))
    loop = opset.tensor_iterator()
    loop.set_body(ov.Model([opset.result(value) for value in (new_hidden, new_cell, step)], inputs, "step"))
    loop.set_merged_input(hidden, first[0].output(0), new_hidden.output(0))
    loop.set_merged_input(state, first[1].output(0), new_cell.output(0))
    if not callable(recurrent):
        loop.set_invariant_input(inputs[3], recurrent)
    # Slices run from step 0 on, or from the last one back; their parts are put together the same way.
    start, stride, end = (-1, -1, 0) if backward else (0, 1, -1)
    loop.set_sliced_input(row, gates.output(0), start, stride, 1, end, 1)
    if within is not None:
        loop.set_sliced_input(counts, within, start, stride, 1, end, 1)
    states = loop.get_concatenated_slices(step.output(0), start, stride, 1, end, 1)
    last = [loop.get_iter_value(value.output(0), -1) for value in (new_hidden, new_cell)]
    return loop, tuple(opset.unsqueeze(value, i64(1)).output(0) for value in (states, *last))


def _cell(
    gates, cell, peepholes: np.ndarray | None = None, clip: float = 0.0, activations: Sequence[Expression] = PLAIN
) -> tuple:
    """(hidden state, cell state) after a step; gates `[B, 4H]`, cell `[B, H]`."""
    of_forget, of_update, of_candidate, of_output, of_state = activations
    forget, update, candidate, output = opset.split(gates, np.int64(1), 4).outputs()
    if peepholes is not None:
        update, forget = (
            opset.add(gate, opset.multiply(cell, opset.constant(weights[None])))
            for gate, weights in ((update, peepholes[0]), (forget, peepholes[1]))
        )
    kept = opset.multiply(_activated(of_forget, forget), cell)
    new_cell = opset.add(kept, opset.multiply(_activated(of_update, update), _activated(of_candidate, candidate)))
    if clip > 0:
        new_cell = opset.clamp(new_cell, -clip, clip)
    if peepholes is not None:
        output = opset.add(output, opset.multiply(new_cell, opset.constant(peepholes[2][None])))
    return opset.multiply(_activated(of_output, output), _activated(of_state, new_cell)), new_cell


def _activated(activation: Expression, value):
    """An activation of a value, as operations."""
    if activation == ARGUMENT:
        return value
    if not isinstance(activation, tuple):
        return opset.constant(np.float32(activation))
    name, *operands = activation
    parts = [_activated(operand, value) for operand in operands]
    return opset.elu(*parts, 1.0) if name == "elu" else getattr(opset, name)(*parts)
