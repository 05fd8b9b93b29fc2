"""LSTM layers written out step by step: what `static_rnn` makes (tensorflow/python/ops/rnn.py), and Keras with
`unroll`; cells in a row that share their kernel, and a single cell, whose sequence has one step:

    x_0, x_1, … = the steps of a sequence (`sequence_parts`)        c_t, h_t = cell(x_t, c_t-1, h_t-1)

With lengths a row of the batch that is past its own hands on c_t-1, h_t-1 and gives zeros.
"""

from __future__ import annotations

from collections.abc import Iterable

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Tensor, once
from deepspeech_recipe.patterns.conditions import IF_OPS, with_choices
from deepspeech_recipe.patterns.lstm import STEPS, Layer, Lstm
from deepspeech_recipe.patterns.sequence_parts import Sequence, sequence_of_steps
from deepspeech_recipe.patterns.static_rows import REMEDY, Row, find_rows


@once
def find_static_lstms(view: GraphView) -> tuple[tuple[Lstm, ...], tuple[Refusal, ...]]:
    """The layers that stand in the graph step by step, and why other cells that share a kernel are not any."""
    inside = with_choices(view)
    rows, refused = find_rows(view, inside)
    lstms: list[Lstm] = []
    for row in rows:
        if any(_reads(row, below) for below in rows):
            continue
        try:
            lstms.append(_lstm(view, inside, _stack(row, rows)))
        except Refusal as refusal:
            refused.append(refusal)
    return tuple(lstms), tuple(refused)


def _lstm(view: GraphView, inside: GraphView, stack: list[Row]) -> Lstm:
    row = stack[0]
    sequence = sequence_of_steps(view, [each.step.x for each in row.steps], row.first.cell.input_size)
    if sequence.packed or (sequence.backwards and row.lengths is not None):
        sequence = _packed(view, row)
    # A name for messages and new nodes: of the first cell, or the If that it stands in.
    node = row.first.new_h.node.partition(":")[0]
    return Lstm(
        form=STEPS,
        node=node,
        x=sequence.x,
        reshape=sequence.reshape,
        packed=sequence.packed,
        layers=tuple(_layer(view, each, sequence.backwards) for each in stack),
        steps=len(row.steps),
        is_batch_major=sequence.is_batch_major,
        direction="reverse" if sequence.backwards else "forward",
        inside=None if inside is view else inside,
    )


def _layer(view: GraphView, row: Row, backwards: bool) -> Layer:
    def there(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """Those that are tensors of the graph, not of a function, and read or an output."""
        nodes = [(tensor, view.nodes[tensor.node]) for tensor in sorted(tensors) if tensor.node in view.nodes]
        return tuple(tensor for tensor, node in nodes if node.op not in IF_OPS or view.consumers(tensor))

    last = row.steps[-1]
    # Backwards they stack what was made last in front.
    joins = {} if backwards else _joins(view, row)
    return Layer(
        row.first.cell,
        initial_c=row.first.c,
        initial_h=row.first.h,
        last_c=there(last.c),
        last_h=there(last.h),
        sequence=tuple(joins.get(("Pack", 0), ())),
        batch_major=tuple(joins.get(("Pack", 1), ())),
        rows=tuple(joins.get(("ConcatV2", 0), ())),
        columns=(*joins.get(("ConcatV2", 1), ()), *joins.get(("ConcatV2", -1), ())),
        steps=tuple(there(step.outputs - last.c - last.h) for step in row.steps[:: -1 if backwards else 1]),
        lengths=row.lengths,
    )


def _joins(view: GraphView, row: Row) -> dict[tuple[str, int | None], list[Tensor]]:
    """What puts all hidden states together in their order, by the operation and the axis."""
    readers = {reader.name: reader for tensor in row.steps[0].outputs for reader, _ in view.readers(tensor)}
    joins: dict[tuple[str, int | None], list[Tensor]] = {}
    for node in readers.values():
        if node.op == "Pack":
            values, axis = node.inputs, node.attribute("axis", 0)
        elif node.op == "ConcatV2":
            values, axis = node.inputs[:-1], view.integer(node.inputs[-1])
        else:
            continue
        if len(values) == len(row.steps) and all(
            view.source(tensor) in step.outputs for tensor, step in zip(values, row.steps)
        ):
            joins.setdefault((node.op, axis), []).append(Tensor(node.name))
    return joins


def _packed(view: GraphView, row: Row) -> Sequence:
    """The steps' inputs side by side. Raises Refusal if one of them depends on what a step computes."""
    steps = tuple(each.step.x for each in row.steps)
    own = {tensor.node for each in row.steps for tensor in each.c | each.h | each.outputs}
    fed_back = next((node for node in view.ancestors(*steps) if node.name in own), None)
    if fed_back is not None or any(x.node not in view.nodes for x in steps):
        raise Refusal(
            "The steps of an LSTM are not the parts of one sequence: they read what is computed from a step before",
            node=fed_back.name if fed_back is not None else row.first.x.node,
            remedy=REMEDY,
        )
    return Sequence(steps[0], packed=steps)


def _stack(row: Row, rows: list[Row]) -> list[Row]:
    """The layer and those on top of it."""
    layers = [row]
    while (above := next((each for each in rows if _reads(each, layers[-1])), None)) is not None:
        layers.append(above)
    return layers


def _reads(row: Row, below: Row) -> bool:
    """Whether it reads the hidden states of the layer below; past the lengths only if it stops at the same."""
    if len(row.steps) != len(below.steps):
        return False
    inner = row.lengths == below.lengths
    pairs = zip(row.steps, below.steps)
    return all(each.step.x in under.outputs or (inner and each.step.x == under.step.new_h) for each, under in pairs)
