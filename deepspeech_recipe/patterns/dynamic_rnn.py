"""LSTM layers that run in a loop: what `dynamic_rnn` writes (tensorflow/python/ops/rnn.py), in either kind of loop.

time = 0; while time < min(T, max(1, max(lengths))):
    x_t = sequence[time]                          TensorArrayRead of a Scatter, or TensorListGetItem
    for each layer: c', h' = cell(x_t, c, h); x_t = h'
    output[time] = where(time >= lengths, 0, h')   TensorArrayWrite, gathered behind the loop, or TensorListSetItem
    c, h = where(time >= lengths, (c, h), (c', h'))
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor, once
from deepspeech_recipe.patterns.bidirectional import find_reversals
from deepspeech_recipe.patterns.hidden_state import CLIPS, States, nearest_miss
from deepspeech_recipe.patterns.loop_arrays import (
    is_step,
    last_read,
    sequence_of,
    stacked,
    written,
    written_once,
    written_value,
)
from deepspeech_recipe.patterns.loop_body import LoopBody
from deepspeech_recipe.patterns.loop_steps import number_of_steps
from deepspeech_recipe.patterns.lstm import LOOP, Layer, Lstm
from deepspeech_recipe.patterns.lstm_cell import Step, looks_like_cell, recognise_cell
from deepspeech_recipe.patterns.while_loop import Loop, Variable, find_loops, unread_in_loops


class _Cell(NamedTuple):
    """A cell of the loop, and the variables of its cell state and its hidden state."""

    step: Step
    c: Variable
    h: Variable


@once
def find_loop_lstms(view: GraphView) -> tuple[tuple[Lstm, ...], tuple[Refusal, ...]]:
    """The loops of LSTM cells, and the reasons why other loops are not any."""
    lstms, refused = [], []
    for loop in find_loops(view):
        try:
            lstm = recognise_loop(view, loop)
        except Refusal as refusal:
            refused.append(refusal)
        else:
            reversals = find_reversals(view, lstm)
            lstms.append(replace(lstm, direction="reverse", reversals=reversals) if reversals else lstm)
    return tuple(lstms), tuple(refused)


def recognise_loop(view: GraphView, loop: Loop) -> Lstm:
    """Describes a loop whose body is LSTM cells. Raises Refusal, with the nearest miss, for any other loop."""
    body = LoopBody(view, loop)
    if loop.inner:
        raise body.refuse("it stands inside of another loop or of a condition")
    cells = _cells(body)
    x, chain = _chain(body, cells)
    outputs = {tensor: variable for variable in loop.variables if (tensor := written(body, variable))}
    _check_others(body, chain, outputs)
    _check_lengths(body, chain, outputs)
    steps = number_of_steps(body, x)
    layers = tuple(_layer(body, cell, x, steps) for cell in chain)
    constants = [tensor for cell in chain for tensor in cell.step.cell.constants]
    return Lstm(
        form=LOOP,
        node=loop.node,
        x=x,
        layers=layers,
        steps=steps,
        passed_on={last: first for last, first in loop.passed_on.items() if view.consumers(last)},
        inside=None if all(view.constant_shape(tensor) is not None for tensor in constants) else loop.view,
    )


def _layer(body: LoopBody, cell: _Cell, x: Tensor, steps: int | None) -> Layer:
    sequence: list[Tensor] = []
    last_h = [*_final(body, cell.h)]
    for variable in body.loop.variables:
        if written(body, variable) == cell.step.new_h:
            sequence += stacked(body, variable, x, steps)
        if written_once(body, variable) == cell.step.new_h:
            last_h += last_read(body, variable, cell.h)
    return Layer(
        cell.step.cell,
        initial_c=cell.c.initial,
        initial_h=cell.h.initial,
        last_c=_final(body, cell.c),
        last_h=tuple(last_h),
        sequence=tuple(sequence),
        lengths=next(iter(body.lengths), None),
    )


def _final(body: LoopBody, variable: Variable) -> tuple[Tensor, ...]:
    """The variable's last value, if anybody reads it, or if it is an output of the graph."""
    final = variable.final
    if final is None or not (body.outside.consumers(final) or final.node not in unread_in_loops(body.outside)):
        return ()
    return (final,)


def _cells(body: LoopBody) -> list[_Cell]:
    after = {v: body.kept(v.next, v) for v in body.loop.variables}
    new = after.values()
    states = States(lambda tensor: body.loop.variable(tensor) is not None, lambda tensor: tensor in new)
    hidden = [v for v, tensor in after.items() if looks_like_cell(body.view, tensor, states)]
    for miss in (nearest_miss(body.view, tensor, states) for v, tensor in after.items() if v not in hidden):
        if miss is not None:
            raise body.refuse(miss.reason, miss.node)
    if not hidden:
        raise _no_cell(body, after, states)
    cells = []
    for h in hidden:
        step = recognise_cell(body.view, after[h], states)
        c = body.loop.variable(step.c)
        if body.loop.variable(step.h) is not h or c is None or c is h or after[c] != step.new_c:
            raise body.refuse("its cell does not read the states that it writes", step.new_h.node)
        cells.append(_Cell(step, c, h))
    return cells


def _no_cell(body: LoopBody, after: dict[Variable, Tensor], states: States) -> Refusal:
    new = [new for v, new in after.items() if not body.counts(v) and written_value(body, v) is None]
    for projection in filter(None, (_projection(body.view, tensor, states) for tensor in new)):
        return body.refuse("its hidden state is projected: a MatMul follows σ(o) · tanh(c)", projection.name)
    nodes = [node for node in map(body.view.producer, new) if node is not None]
    for node in nodes:
        if node.op in ("Select", "SelectV2") and is_step(body, node.inputs[0]):
            return body.refuse("a mask decides which steps count", node.name)
    ops = " and ".join(sorted({node.op for node in nodes})) or "nothing"
    return body.refuse(
        f"a hidden state σ(o) · tanh(c) was looked for, its states end in {ops}", nodes[0].name if nodes else ""
    )


def _projection(view: GraphView, tensor: Tensor, states: States) -> Node | None:
    """The product of the hidden state of a cell with a matrix, clipped or not."""
    node = view.source_node(tensor)
    for _ in range(2):  # a clip is a Minimum and a Maximum
        node = view.source_node(node.inputs[0]) if node is not None and node.op in CLIPS else node
    if node is None or node.op != "MatMul" or not looks_like_cell(view, node.inputs[0], states):
        return None
    return node


def _chain(body: LoopBody, cells: list[_Cell]) -> tuple[Tensor, list[_Cell]]:
    """(the sequence outside of the loop, the cells in the order in which they read each other)."""
    outputs = {cell.step.new_h for cell in cells}
    first = [cell for cell in cells if cell.step.x not in outputs]
    if len(first) != 1:
        for cell in first:
            sequence_of(body, cell.step.x)
        raise body.refuse(f"{len(first)} of its cells read the sequence", first[1].step.new_h.node if first else "")
    chain = first[:1]
    while len(chain) < len(cells):
        following = [cell for cell in cells if cell.step.x == chain[-1].step.new_h]
        if len(following) != 1:
            raise body.refuse("its cells are not a chain", chain[-1].step.new_h.node)
        chain += following
    return sequence_of(body, chain[0].step.x), chain


def _check_others(body: LoopBody, chain: list[_Cell], outputs: dict[Tensor, Variable]) -> None:
    """Every other variable must count the steps, and nobody read that count."""
    hidden = {cell.step.new_h for cell in chain}
    known = {id(variable) for cell in chain for variable in (cell.c, cell.h)}
    known |= {id(variable) for variable in body.loop.variables if written_once(body, variable) in hidden}
    known |= {id(variable) for tensor, variable in outputs.items() if tensor in hidden}
    for variable in body.loop.variables:
        if id(variable) in known:
            continue
        if not body.counts(variable):
            raise body.refuse(
                "it has a variable that is neither a state of its cells nor their output", variable.next.node
            )
        for final in _final(body, variable):
            raise body.refuse("its number of steps is read behind it", final.node)


def _check_lengths(body: LoopBody, chain: list[_Cell], outputs: dict[Tensor, Variable]) -> None:
    """Lengths hold for all states and outputs, or for none."""
    if not body.lengths:
        return
    values = [body.view.source(variable.next) for cell in chain for variable in (cell.c, cell.h)]
    values += [value for variable in outputs.values() if (value := written_value(body, variable)) is not None]
    unstopped = [value for value in values if value not in body.stops]
    if unstopped or len(body.lengths) > 1:
        raise body.refuse(
            "its lengths do not hold for every state and output, which they are to keep and to set to zero",
            (unstopped or list(body.stops))[0].node,
        )
