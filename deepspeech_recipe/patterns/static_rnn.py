"""LSTM layers written out step by step: what `static_rnn` makes (tensorflow/python/ops/rnn.py), and Keras with
`unroll`; cells in a row that share their kernel, over the parts of one Unpack:

    x_0, x_1, … = Unpack(sequence)        c_t, h_t = cell(x_t, c_t-1, h_t-1)

With lengths a row of the batch that is past its own hands on c_t-1, h_t-1 and gives zeros.
"""

from __future__ import annotations

from collections.abc import Iterable

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.conditions import IF_OPS, with_choices
from deepspeech_recipe.patterns.lstm import STEPS, Layer, Lstm
from deepspeech_recipe.patterns.static_rows import REMEDY, Row, find_rows


def find_static_lstms(view: GraphView) -> tuple[list[Lstm], list[Refusal]]:
    """The layers that stand in the graph step by step, and why other cells that share a kernel are not any."""
    inside = with_choices(view)
    rows, refused = find_rows(view, inside)
    lstms, used = [], set()
    for row in rows:
        unpack = _unpack(view, row)
        if unpack is not None:
            stack = _stack(row, rows)
            used |= {id(each) for each in stack}
            lstms.append(_lstm(view, inside, unpack, stack))
    refused += [_scattered(row) for row in rows if id(row) not in used]
    return lstms, refused


def _lstm(view: GraphView, inside: GraphView, unpack: Node, stack: list[Row]) -> Lstm:
    row = stack[0]
    # A name for messages and new nodes: of the first cell, or the If that it stands in.
    node = row.first.new_h.node.partition(":")[0]
    backwards = len(row.steps) > 1 and row.first.x.port > 0
    return Lstm(
        form=STEPS,
        node=node,
        x=unpack.inputs[0],
        layers=tuple(_layer(view, each, backwards) for each in stack),
        steps=len(row.steps),
        is_batch_major=unpack.attribute("axis", 0) == 1,
        direction="reverse" if backwards else "forward",
        inside=None if inside is view else inside,
    )


def _layer(view: GraphView, row: Row, backwards: bool) -> Layer:
    def there(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """Those that are tensors of the graph, not of a function, and read or an output."""
        nodes = [(tensor, view.nodes[tensor.node]) for tensor in sorted(tensors) if tensor.node in view.nodes]
        return tuple(tensor for tensor, node in nodes if node.op not in IF_OPS or view.consumers(tensor))

    last = row.steps[-1]
    # Backwards they stack what was made last in front.
    stacks = [] if backwards else _stacks(view, row)
    return Layer(
        row.first.cell,
        initial_c=row.first.c,
        initial_h=row.first.h,
        last_c=there(last.c),
        last_h=there(last.h),
        sequence=tuple(Tensor(pack.name) for pack in stacks if pack.attribute("axis", 0) == 0),
        batch_major=tuple(Tensor(pack.name) for pack in stacks if pack.attribute("axis", 0) == 1),
        steps=tuple(there(step.outputs - last.c - last.h) for step in row.steps[:: -1 if backwards else 1]),
        lengths=row.lengths,
    )


def _stacks(view: GraphView, row: Row) -> list[Node]:
    """The Packs of all hidden states in their order."""
    readers = {reader.name: reader for tensor in row.steps[0].outputs for reader, _ in view.readers(tensor)}
    return [
        pack
        for pack in readers.values()
        if pack.op == "Pack"
        and len(pack.inputs) == len(row.steps)
        and pack.attribute("axis", 0) in (0, 1)
        and all(view.source(tensor) in step.outputs for tensor, step in zip(pack.inputs, row.steps))
    ]


def _scattered(row: Row) -> Refusal:
    return Refusal(
        "The steps of an LSTM are not the parts of one sequence, in their order",
        node=row.first.new_h.node,
        remedy=REMEDY,
    )


def _unpack(view: GraphView, row: Row) -> Node | None:
    """The Unpack over time, the first or the second axis, whose parts the row reads in their order, or in reverse."""
    node = view.producer(row.first.x)
    if node is None or node.op != "Unpack" or node.attribute("num") != len(row.steps):
        return None
    parts = [Tensor(node.name, number) for number in range(len(row.steps))]
    read = [each.step.x for each in row.steps]
    in_order = read == parts or (read == parts[::-1] and row.lengths is None)
    return node if in_order and node.attribute("axis", 0) in (0, 1) else None


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
