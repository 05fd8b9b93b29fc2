"""Cells in a row that stand in a graph step by step: each hands on its states to the next."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor, once
from deepspeech_recipe.patterns.conditions import enclosing
from deepspeech_recipe.patterns.gates import ADDITIONS
from deepspeech_recipe.patterns.hidden_state import States
from deepspeech_recipe.patterns.length_select import Stopped, stopped_values, value_within
from deepspeech_recipe.patterns.lstm_cell import BLOCK_CELL, BLOCK_H, Step, looks_like_cell, recognise_cell
from deepspeech_recipe.patterns.state import is_zero
from deepspeech_recipe.patterns.while_loop import WHILE_OPS, inside_loops

REMEDY = "Steps that share a kernel, hand on their states and read nothing else of each other become an LSTMSequence"


@dataclass(frozen=True)
class Passed:
    """A step, and what it hands on. c, h: the tensors that hold its states; outputs: those that hold its hidden state,
    zeros in rows past their length. limits: the time and the lengths it stops at, empty without lengths."""

    step: Step
    c: frozenset[Tensor]
    h: frozenset[Tensor]
    outputs: frozenset[Tensor]
    limits: frozenset[tuple[int, Tensor]] = frozenset()


@dataclass(frozen=True)
class Row:
    """A layer step by step, in the order in which the states go; lengths `[B]`, or None if every step counts."""

    steps: tuple[Passed, ...]
    lengths: Tensor | None

    @property
    def first(self) -> Step:
        return self.steps[0].step


def find_rows(view: GraphView, inside: GraphView) -> tuple[list[Row], list[Refusal]]:
    """The rows of cells that share a kernel, and why other cells that share one are not a row.

    inside: the view with its conditions written out.
    """
    cells, reasons = find_cells(inside)
    rows, refused = [], [*reasons]
    for steps in _by_cell(inside, _passed(inside, cells)):
        if len(steps) == 1 and _is_in_loop_too(inside, steps[0].step):
            continue
        try:
            rows.append(_row(view, inside, steps))
        except Refusal as refusal:
            refused += [refusal] if len(steps) > 1 else []
    return rows, refused


def _is_in_loop_too(view: GraphView, step: Step) -> bool:
    """Whether a loop has the cell as well: Keras writes the first step of such a loop down, for its sizes alone."""
    loops = ("Enter", "RefEnter", *WHILE_OPS)
    constants = {Tensor(node.name) for tensor in step.cell.constants for node in view.ancestors(tensor)}
    weights = {*step.cell.constants, *(each for each in constants if math.prod(view.constant_shape(each) or ()) > 1)}
    return any(reader.op in loops for tensor in weights for reader, _ in view.readers(tensor))


@once
def find_cells(view: GraphView) -> tuple[list[Step], list[Refusal]]:
    """Every cell outside of loops, and the reasons why others that share a kernel are not any."""
    cells = []
    reasons: dict[tuple[str, Tensor | None], list[Refusal]] = {}
    loops, states = inside_loops(view), States(lambda tensor: True)
    for node in view.of_op("Mul", BLOCK_CELL):
        new_h = Tensor(node.name, BLOCK_H if node.op == BLOCK_CELL else 0)
        if node.name not in loops and looks_like_cell(view, new_h, states):
            try:
                cells.append(recognise_cell(view, new_h, states))
            except Refusal as refusal:
                if any(reader.op in ADDITIONS for reader, _ in view.readers(new_h)):
                    continue  # what a cell adds to its state is such a product too
                reasons.setdefault((refusal.reason, _kernel(view, node)), []).append(refusal)
    return cells, [
        Refusal(f"{len(same)} LSTM cells share a kernel: {reason}", node=same[0].node, remedy=same[0].remedy)
        for (reason, _), same in reasons.items()
        if len(same) > 1
    ]


def _kernel(view: GraphView, node: Node) -> Tensor | None:
    """The nearest constant that goes into the node by a product."""
    products = (each for each in view.ancestors(Tensor(node.name)) if each.op == "MatMul")
    kernels = (view.source(each.inputs[1]) for each in products if view.constant_shape(each.inputs[1]) is not None)
    return next(kernels, None)


def _passed(view: GraphView, steps: list[Step]) -> list[Passed]:
    stopped: dict[Tensor, list[tuple[Tensor, Stopped]]] = {}
    for tensor, each in stopped_values(view).items():
        stopped.setdefault(each.within, []).append((tensor, each))

    def passed(step: Step) -> Passed:
        ends_c = {t: each for t, each in stopped.get(step.new_c, ()) if each.past == step.c}
        ends_h = {t: each for t, each in stopped.get(step.new_h, ()) if each.past == step.h}
        outputs = {t: each for t, each in stopped.get(step.new_h, ()) if is_zero(view, each.past)}
        ends = [*ends_c.values(), *ends_h.values(), *outputs.values()]
        if not ends:
            hidden = frozenset({step.new_h})
            return Passed(step, frozenset({step.new_c}), hidden, hidden)
        limits = frozenset((each.time, each.lengths) for each in ends)
        return Passed(step, frozenset(ends_c), frozenset(ends_h), frozenset(outputs), limits)

    return [passed(step) for step in steps]


def _by_cell(view: GraphView, steps: Iterable[Passed]) -> list[list[Passed]]:
    """Steps of one cell: with the same weights, whether these are one constant or, as of Keras with implementation=1,
    are cut out of it anew in every step."""
    contents: dict[Tensor, tuple[tuple[int, ...], bytes]] = {}

    def content(tensor: Tensor | None) -> tuple[tuple[int, ...], bytes] | None:
        if tensor is not None and tensor not in contents:
            value = view.constant(tensor)
            contents[tensor] = value.shape, sha256(np.ascontiguousarray(value).data).digest()
        return contents[tensor] if tensor is not None else None

    groups: dict[tuple, list[Passed]] = {}
    for each in steps:
        cell = each.step.cell
        gates = [cell.kernel, cell.recurrent, *cell.biases]
        weights = tuple((content(part.tensor), part.row, part.column) for parts in gates for part in parts)
        others = (*map(content, cell.peepholes), cell.forget_bias, cell.clip, cell.activations)
        groups.setdefault((*map(len, gates), *weights, *others), []).append(each)
    return list(groups.values())


def _row(view: GraphView, inside: GraphView, steps: list[Passed]) -> Row:
    """The steps in the order in which they hand on their states. Raises Refusal if they do not."""
    handed = {tensor for step in steps for tensor in step.h}
    first = [each for each in steps if each.step.h not in handed]
    row = first[:1]
    while len(row) < len(steps):
        following = [each for each in steps if each.step.c in row[-1].c and each.step.h in row[-1].h] if row else []
        if len(first) != 1 or len(following) != 1:
            raise _broken(inside, steps, first)
        row += following
    limits = [step.limits for step in row]
    lengths = {tensor for each in limits for _, tensor in each}
    if lengths and (len(lengths) > 1 or limits != [{(time, *lengths)} for time in range(len(row))]):
        raise Refusal(
            "The lengths of an LSTM that stands step by step do not hold for each of its steps alike",
            node=row[0].step.new_h.node,
            remedy=REMEDY,
        )
    read = {row[0].step.c, row[0].step.h, *lengths}
    ends = row[-1].c | row[-1].h | row[-1].outputs
    if any(tensor.node not in view.nodes for tensor in read) or not _outside(view, ends):
        raise Refusal(
            f"{len(row)} LSTM cells share a kernel, but stand inside of a loop or of a condition that is not about "
            "lengths",
            node=row[0].step.new_h.node,
            remedy=REMEDY,
        )
    return Row(tuple(row), next(iter(lengths), None))


def _outside(view: GraphView, ends: Iterable[Tensor]) -> bool:
    """Whether a step ends outside of all loops and conditions."""
    ends = [tensor for tensor in ends if tensor.node in view.nodes]
    return any(enclosing(view, tensor) is None for tensor in ends)


def _broken(view: GraphView, steps: list[Passed], first: list[Passed]) -> Refusal:
    hidden = (first[-1] if first else steps[0]).step.h
    node = view.producer(value_within(view, hidden))
    origin = f"a {node.op}" if node is not None else "nowhere"
    outputs = {each.step.new_h for each in steps}
    if node is not None and node.op == "MatMul" and view.source(node.inputs[0]) in outputs:
        origin += ", as a projection makes it"
    return Refusal(
        f"{len(steps)} LSTM cells share a kernel, but do not hand on their states from one to the next: the hidden "
        f"state of one comes from {origin}",
        node=hidden.node,
        remedy=REMEDY,
    )
