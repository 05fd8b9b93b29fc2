"""LSTM layers written out step by step: what `static_rnn` makes (tensorflow/python/ops/rnn.py), and Keras with
`unroll`; cells in a row that share their kernel, over the parts of one Unpack:

    x_0, x_1, … = Unpack(sequence)        c_t, h_t = cell(x_t, c_t-1, h_t-1)

With lengths a row of the batch that is past its own hands on c_t-1, h_t-1 and gives zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.conditions import IF_OPS, enclosing, with_choices
from deepspeech_recipe.patterns.length_select import Stopped, stopped_values, value_within
from deepspeech_recipe.patterns.lstm import STEPS, Layer, Lstm
from deepspeech_recipe.patterns.lstm_cell import ADDITIONS, Step, looks_like_cell, recognise_cell
from deepspeech_recipe.patterns.state import is_zero

_REMEDY = "Steps that share a kernel, hand on their states and read the parts of one sequence become an LSTMSequence"


@dataclass(frozen=True)
class _Passed:
    """A step, and what it hands on. c, h: the tensors that hold its states; outputs: those that hold its hidden state,
    zeros in rows past their length. limits: the time and the lengths it stops at, none without lengths."""

    step: Step
    c: frozenset[Tensor]
    h: frozenset[Tensor]
    outputs: frozenset[Tensor]
    limits: frozenset[tuple[int, Tensor]] = frozenset()


@dataclass(frozen=True)
class _Row:
    """A layer step by step, in the order in which the states go; lengths `[B]`, or None if every step counts."""

    steps: tuple[_Passed, ...]
    lengths: Tensor | None

    @property
    def first(self) -> Step:
        return self.steps[0].step


def find_static_lstms(view: GraphView) -> tuple[list[Lstm], list[Refusal]]:
    """The layers that stand in the graph step by step, and why other cells that share a kernel are not any."""
    inside = with_choices(view)
    cells, refused = _cells(inside)
    rows: list[_Row] = []
    for steps in _by_kernel(_passed(inside, cells)):
        try:
            rows.append(_row(view, inside, steps))
        except Refusal as refusal:
            refused.append(refusal)
    found, used = [], set()
    for row in rows:
        unpack = _unpack(view, row)
        if unpack is not None:
            stack = _stack(row, rows)
            used |= {id(each) for each in stack}
            found.append(_lstm(view, inside, unpack, stack))
    refused += [_scattered(row) for row in rows if id(row) not in used]
    return found, refused


def _lstm(view: GraphView, inside: GraphView, unpack: Node, stack: list[_Row]) -> Lstm:
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


def _layer(view: GraphView, row: _Row, backwards: bool) -> Layer:
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


def _stacks(view: GraphView, row: _Row) -> list[Node]:
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


def _scattered(row: _Row) -> Refusal:
    return Refusal(
        "The steps of an LSTM are not the parts of one sequence, in their order",
        node=row.first.new_h.node,
        remedy=_REMEDY,
    )


def _cells(view: GraphView) -> tuple[list[Step], list[Refusal]]:
    """Every cell outside of loops, and the reasons why others that share a kernel are not any."""
    found = []
    reasons: dict[tuple[str, Tensor | None], list[Refusal]] = {}
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


def _passed(view: GraphView, steps: list[Step]) -> list[_Passed]:
    stopped: dict[Tensor, list[tuple[Tensor, Stopped]]] = {}
    for tensor, each in stopped_values(view).items():
        stopped.setdefault(each.within, []).append((tensor, each))

    def passed(step: Step) -> _Passed:
        ends_c = {t: each for t, each in stopped.get(step.new_c, ()) if each.past == step.c}
        ends_h = {t: each for t, each in stopped.get(step.new_h, ()) if each.past == step.h}
        outputs = {t: each for t, each in stopped.get(step.new_h, ()) if is_zero(view, each.past)}
        ends = [*ends_c.values(), *ends_h.values(), *outputs.values()]
        if not ends:
            hidden = frozenset({step.new_h})
            return _Passed(step, frozenset({step.new_c}), hidden, hidden)
        limits = frozenset((each.time, each.lengths) for each in ends)
        return _Passed(step, frozenset(ends_c), frozenset(ends_h), frozenset(outputs), limits)

    return [passed(step) for step in steps]


def _by_kernel(steps: Iterable[_Passed]) -> list[list[_Passed]]:
    """Steps that share a kernel. A single one is a sequence only if it stops at lengths."""
    groups: dict[tuple[Tensor, ...], list[_Passed]] = {}
    for each in steps:
        groups.setdefault(each.step.cell.kernels, []).append(each)
    return [group for group in groups.values() if len(group) > 1 or (group[0].limits and group[0].h)]


def _row(view: GraphView, inside: GraphView, steps: list[_Passed]) -> _Row:
    """The steps in the order in which they hand on their states. Raises Refusal where they do not."""
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
            remedy=_REMEDY,
        )
    read = {row[0].step.c, row[0].step.h, *lengths}
    ends = row[-1].c | row[-1].h | row[-1].outputs
    if any(tensor.node not in view.nodes for tensor in read) or not _outside(view, ends):
        raise Refusal(
            f"{len(row)} LSTM cells share a kernel, but stand inside of a loop or of a condition that is none of "
            "lengths",
            node=row[0].step.new_h.node,
            remedy=_REMEDY,
        )
    return _Row(tuple(row), next(iter(lengths), None))


def _outside(view: GraphView, ends: Iterable[Tensor]) -> bool:
    """Whether a step ends outside of all loops and conditions."""
    ends = [tensor for tensor in ends if tensor.node in view.nodes]
    return any(enclosing(view, tensor) is None for tensor in ends)


def _broken(view: GraphView, steps: list[_Passed], first: list[_Passed]) -> Refusal:
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
        remedy=_REMEDY,
    )


def _unpack(view: GraphView, row: _Row) -> Node | None:
    """The Unpack over time, the first or the second axis, whose parts the row reads in their order, or in reverse."""
    node = view.producer(row.first.x)
    if node is None or node.op != "Unpack" or node.attribute("num") != len(row.steps):
        return None
    parts = [Tensor(node.name, number) for number in range(len(row.steps))]
    read = [each.step.x for each in row.steps]
    in_order = read == parts or (read == parts[::-1] and row.lengths is None)
    return node if in_order and node.attribute("axis", 0) in (0, 1) else None


def _stack(row: _Row, rows: list[_Row]) -> list[_Row]:
    """The layer and those on top of it."""
    layers = [row]
    while (above := next((each for each in rows if _reads(each, layers[-1])), None)) is not None:
        layers.append(above)
    return layers


def _reads(row: _Row, below: _Row) -> bool:
    """Whether it reads the hidden states of the layer below; past the lengths only where it stops at the same."""
    if len(row.steps) != len(below.steps):
        return False
    inner = row.lengths == below.lengths
    pairs = zip(row.steps, below.steps)
    return all(each.step.x in under.outputs or (inner and each.step.x == under.step.new_h) for each, under in pairs)
