"""LSTM layers written out step by step: what `static_rnn` makes (tensorflow/python/ops/rnn.py), and Keras with
`unroll`; cells in a row that share their kernel, over the parts of one Unpack:

    x_0, x_1, … = Unpack(sequence)        c_t, h_t = cell(x_t, c_t-1, h_t-1)

With lengths a row of the batch that is past its own hands on c_t-1, h_t-1 and gives zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.conditions import enclosing, with_choices
from deepspeech_recipe.patterns.length_select import Stopped, stopped_values, value_within
from deepspeech_recipe.patterns.lstm_cell import ADDITIONS, Cell, looks_like_cell, recognise_cell
from deepspeech_recipe.patterns.rnn import is_zero

_REMEDY = "Steps that share a kernel, hand on their states and read the parts of one sequence become an LSTMSequence"


@dataclass(frozen=True)
class Step:
    """A cell at one step. c, h: the tensors that hold the states it hands on; outputs: those that hold its hidden
    state, zeros in rows past their length. limits: the time and the lengths it stops at, none without lengths."""

    cell: Cell
    c: frozenset[Tensor]
    h: frozenset[Tensor]
    outputs: frozenset[Tensor]
    limits: frozenset[tuple[int, Tensor]] = frozenset()


@dataclass(frozen=True)
class Row:
    """A layer step by step; lengths `[B]`, or None where every step counts."""

    steps: tuple[Step, ...]
    lengths: Tensor | None

    @property
    def cell(self) -> Cell:
        """The first one."""
        return self.steps[0].cell


@dataclass(frozen=True)
class StaticRnn:
    """unpack: the node whose parts are the steps, time being its first axis or (batch_major) its second; the first
    step reads the last part where they run backwards. layers: each reads the hidden states of the one before.
    view: the graph with its conditions written out."""

    unpack: Node
    batch_major: bool
    backwards: bool
    layers: tuple[Row, ...]
    view: GraphView = field(repr=False, compare=False)

    @property
    def node(self) -> str:
        """A name for messages and new nodes: of the first cell, or the If that it stands in."""
        return self.layers[0].cell.new_h.node.partition(":")[0]

    @property
    def steps(self) -> int:
        return len(self.layers[0].steps)

    @property
    def lengths(self) -> Tensor | None:
        return self.layers[0].lengths


def find_static_rnns(view: GraphView) -> tuple[list[StaticRnn], list[Refusal]]:
    """The layers that stand in the graph step by step, and why other cells that share a kernel are none."""
    inside = with_choices(view)
    cells, refused = _cells(inside)
    rows = []
    for steps in _by_kernel(_steps(inside, cells)):
        try:
            rows.append(_row(view, inside, steps))
        except Refusal as refusal:
            refused.append(refusal)
    found = []
    for row in rows:
        unpack = _unpack(view, row)
        if unpack is not None:
            found.append(StaticRnn(*unpack, tuple(_stack(row, rows)), inside))
    inner = {id(row) for rnn in found for row in rnn.layers}
    refused += [_scattered(row) for row in rows if id(row) not in inner]
    return found, refused


def _scattered(row: Row) -> Refusal:
    return Refusal(
        "The steps of an LSTM are not the parts of one sequence, in their order",
        node=row.cell.new_h.node,
        remedy=_REMEDY,
    )


def _cells(view: GraphView) -> tuple[list[Cell], list[Refusal]]:
    """Every cell outside of loops, and the reasons why others that share a kernel are none."""
    found, reasons = [], {}
    loops = _inside_loops(view)
    for node in view.of_op("Mul"):
        if node.name not in loops and looks_like_cell(view, Tensor(node.name)):
            try:
                found.append(recognise_cell(view, Tensor(node.name), lambda tensor: True))
            except Refusal as refusal:
                if any(reader.op in ADDITIONS for reader, _ in view.readers(Tensor(node.name))):
                    continue  # what a cell adds to its state is such a product too
                reasons.setdefault((refusal.reason, _kernel(view, node)), []).append(refusal)
    return found, [
        Refusal(f"{len(same)} LSTM cells share a kernel: {reason}", node=same[0].node, remedy=same[0].remedy)
        for (reason, _), same in reasons.items()
        if len(same) > 1
    ]


def _kernel(view: GraphView, node: Node) -> Tensor | None:
    """The nearest constant that goes into the node by a product."""
    products = (each for each in view.ancestors(Tensor(node.name)) if each.op == "MatMul")
    kernels = (view.source(each.inputs[1]) for each in products if view.constant_shape(each.inputs[1]) is not None)
    return next(kernels, None)


def _inside_loops(view: GraphView) -> set[str]:
    """The nodes that depend on what enters one of TensorFlow 1's loops and has not left it."""
    found = {node.name for node in view.of_op("Enter")}
    pending = list(found)
    for name in pending:
        following = {node.name for node in view.following(view.nodes[name]) if node.op != "Exit"} - found
        found |= following
        pending += following
    return found


def _steps(view: GraphView, cells: list[Cell]) -> list[Step]:
    stopped: dict[Tensor, list[tuple[Tensor, Stopped]]] = {}
    for tensor, each in stopped_values(view).items():
        stopped.setdefault(each.within, []).append((tensor, each))

    def step(cell: Cell) -> Step:
        ends_c = [(t, each) for t, each in stopped.get(cell.new_c, ()) if each.past == cell.c]
        ends_h = [(t, each) for t, each in stopped.get(cell.new_h, ()) if each.past == cell.h]
        outputs = [(t, each) for t, each in stopped.get(cell.new_h, ()) if is_zero(view, each.past)]
        ends = ends_c + ends_h + outputs
        if not ends:
            hidden = frozenset({cell.new_h})
            return Step(cell, frozenset({cell.new_c}), hidden, hidden)
        limits = frozenset((each.time, each.lengths) for _, each in ends)
        return Step(cell, *(frozenset(t for t, _ in group) for group in (ends_c, ends_h, outputs)), limits)

    return [step(cell) for cell in cells]


def _by_kernel(steps: Iterable[Step]) -> list[list[Step]]:
    """Steps that share a kernel. A single one is none of a sequence, but where it stops at lengths."""
    groups: dict[tuple[Tensor, ...], list[Step]] = {}
    for step in steps:
        groups.setdefault(step.cell.kernels, []).append(step)
    return [group for group in groups.values() if len(group) > 1 or (group[0].limits and group[0].h)]


def _row(view: GraphView, inside: GraphView, steps: list[Step]) -> Row:
    """The steps in the order in which they hand on their states. Raises Refusal where they do not."""
    handed = {tensor for step in steps for tensor in step.h}
    first = [step for step in steps if step.cell.h not in handed]
    row = first[:1]
    while len(row) < len(steps):
        following = [step for step in steps if step.cell.c in row[-1].c and step.cell.h in row[-1].h] if row else []
        if len(first) != 1 or len(following) != 1:
            raise _broken(inside, steps, first)
        row += following
    limits = [step.limits for step in row]
    lengths = {tensor for each in limits for _, tensor in each}
    if lengths and (len(lengths) > 1 or limits != [{(time, *lengths)} for time in range(len(row))]):
        raise Refusal(
            "The lengths of an LSTM that stands step by step do not hold for each of its steps alike",
            node=row[0].cell.new_h.node,
            remedy=_REMEDY,
        )
    read = {row[0].cell.c, row[0].cell.h, *lengths}
    ends = row[-1].c | row[-1].h | row[-1].outputs
    if any(tensor.node not in view.nodes for tensor in read) or not _outside(view, ends):
        raise Refusal(
            f"{len(row)} LSTM cells share a kernel, but stand inside of a loop or of a condition that is none of "
            "lengths",
            node=row[0].cell.new_h.node,
            remedy=_REMEDY,
        )
    return Row(tuple(row), next(iter(lengths), None))


def _outside(view: GraphView, ends: Iterable[Tensor]) -> bool:
    """Whether a step ends outside of all loops and conditions."""
    ends = [tensor for tensor in ends if tensor.node in view.nodes]
    return any(enclosing(view, tensor) is None for tensor in ends)


def _broken(view: GraphView, steps: list[Step], first: list[Step]) -> Refusal:
    hidden = first[-1].cell.h if first else steps[0].cell.h
    node = view.producer(value_within(view, hidden))
    origin = f"a {node.op}" if node is not None else "nowhere"
    if origin == "a MatMul" and view.source(node.inputs[0]) in {step.cell.new_h for step in steps}:
        origin += ", as a projection makes it"
    return Refusal(
        f"{len(steps)} LSTM cells share a kernel, but do not hand on their states from one to the next: the hidden "
        f"state of one comes from {origin}",
        node=hidden.node,
        remedy=_REMEDY,
    )


def _unpack(view: GraphView, row: Row) -> tuple[Node, bool, bool] | None:
    """(the Unpack whose parts the row reads, whether time is its second axis, whether it reads the last part first)."""
    node = view.producer(row.cell.x)
    if node is None or node.op != "Unpack" or node.attribute("num") != len(row.steps):
        return None
    read, axis = [step.cell.x for step in row.steps], node.attribute("axis", 0)
    parts = [Tensor(node.name, number) for number in range(len(row.steps))]
    backwards = read != parts
    if axis not in (0, 1) or (backwards and (read != parts[::-1] or row.lengths is not None)):
        return None
    return node, axis == 1, backwards


def _stack(row: Row, rows: list[Row]) -> list[Row]:
    """The layer and those on top of it."""
    layers = [row]
    while (above := next((each for each in rows if _reads(each, layers[-1])), None)) is not None:
        layers.append(above)
    return layers


def _reads(row: Row, below: Row) -> bool:
    """Whether it reads the hidden states of the layer below; past the lengths only where it stops at the same."""
    if len(row.steps) != len(below.steps):
        return False
    inner = row.lengths == below.lengths
    pairs = zip(row.steps, below.steps)
    return all(step.cell.x in under.outputs or (inner and step.cell.x == under.cell.new_h) for step, under in pairs)
