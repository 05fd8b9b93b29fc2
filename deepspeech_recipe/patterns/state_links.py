"""Where a state goes in and comes out of recurrent cells: links from a previous state to the new one.

A link says only that, not what the cell computes: an exact conversion needs no more to carry a state over. Links are
read off cells in plain operations, one step of an LSTM each, as TensorFlow's and Keras' cells write them
(python/ops/rnn_cell_impl.py `LSTMCell`; keras/src/layers/rnn/lstm.py), off loops around any cell, and off fused LSTMs:

    c' = σ(f) · c + σ(i) · tanh(g)        h' = σ(o) · tanh(c') [· projection]
    gates = concat(x, h) · W + b   or   x · W + h · R + b
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor, once
from deepspeech_recipe.patterns.conditions import with_choices
from deepspeech_recipe.patterns.gates import ADDITIONS
from deepspeech_recipe.patterns.hidden_state import CLIPS
from deepspeech_recipe.patterns.length_select import stopped_values
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.patterns.static_rows import find_cells

LOOPS = ("While", "StatelessWhile")
# What moves values about without changing them → the input that is the data.
VIEWS = {
    **dict.fromkeys(("Reshape", "Squeeze", "ExpandDims", "Transpose", "StridedSlice", "Slice", "SplitV", "Unpack"), 0),
    "Split": 1,
    **dict.fromkeys(("Gather", "GatherV2"), 0),
}
_JOINS = ("ConcatV2", "Pack")


class Link(NamedTuple):
    """A cell's previous state and the new one that takes its place in the next step. node: the cell, for messages."""

    previous: Tensor
    new: Tensor
    node: str


def links_of(view: GraphView, fused: Iterable[Lstm] = ()) -> list[Link]:
    """All links of a graph. fused: its BlockLSTMs that were recognised."""
    links = [*_plain_links(view)]
    for lstm in fused:
        layer = lstm.layer
        for initial, last in ((layer.initial_c, layer.last_c), (layer.initial_h, layer.last_h)):
            links += [Link(initial, tensor, lstm.node) for tensor in last]
    return links


@once
def _plain_links(view: GraphView) -> tuple[Link, ...]:
    return (*_steps(view), *_loops(view), *_frames(view), *_block_cells(view), *_stops(view))


Way = Callable[[Node], "Tensor | None"]


def _data(node: Node) -> Tensor | None:
    return node.inputs[VIEWS[node.op]] if node.op in VIEWS else None


def way_to(links: Iterable[Link]) -> Way:
    """The way from a tensor back to what it is a part or another shape of, which ends at new states: that of a fused
    LSTM is itself a part, of the states of all steps."""
    ends = {link.new.node for link in links}
    return lambda node: None if node.name in ends else _data(node)


def origin(view: GraphView, tensor: Tensor, way: Way = _data) -> Tensor:
    """The tensor that this one is a part or another shape of."""
    return view.follow(tensor, way)


def parts(view: GraphView, tensor: Tensor, way: Way = _data) -> set[Tensor]:
    """The tensors that this one is put together of, side by side or on top of each other."""
    pieces, pending, seen = set(), [tensor], set()
    while pending:
        tensor = origin(view, pending.pop(), way)
        if tensor in seen:
            continue
        seen.add(tensor)
        node = view.producer(tensor)
        if node is not None and node.op in _JOINS:
            pending += node.inputs[:-1] if node.op == "ConcatV2" else node.inputs
        else:
            pieces.add(tensor)
    return pieces


def _steps(view: GraphView) -> Iterator[Link]:
    known = set()
    for step in find_cells(view)[0]:
        known.add(view.source(step.new_c).node)
        yield Link(step.c, step.new_c, step.new_c.node)
        yield Link(step.h, step.new_h, step.new_c.node)
    for node in view.of_op("Add", "AddV2"):
        if node.name in known:
            continue
        products = [view.source_node(tensor) for tensor in node.inputs]
        for kept, added in (products, products[::-1]):
            forget, update = _gated(view, kept), _gated(view, added)
            if forget is None or update is None or not _is_candidate(view, update.value):
                continue
            cell, hidden = _outputs(view, Tensor(node.name))
            if hidden is not None:
                yield Link(forget.value, cell, node.name)
                for operand in _recurrent(view, forget.gate):
                    yield from (Link(operand, value, node.name) for value in _projected(view, hidden))
                break


def _is_gate(view: GraphView, tensor: Tensor) -> bool:
    node = view.source_node(tensor)
    return node is not None and node.op == "Sigmoid"


def _is_candidate(view: GraphView, tensor: Tensor) -> bool:
    node = view.source_node(tensor)
    return node is not None and node.op == "Tanh"


class _Gated(NamedTuple):
    """σ(gate) · value"""

    gate: Tensor
    value: Tensor


def _gated(view: GraphView, product: Node | None) -> _Gated | None:
    """The parts of σ(…) · v."""
    if product is None or product.op != "Mul":
        return None
    for gate, value in (product.inputs, product.inputs[::-1]):
        node = view.source_node(gate)
        if node is not None and node.op == "Sigmoid" and not _is_gate(view, value):
            return _Gated(node.inputs[0], value)
    return None


def _outputs(view: GraphView, cell: Tensor) -> tuple[Tensor, Tensor | None]:
    """(new cell state, new hidden state), behind a clip of the cell state if there is one."""
    while True:
        readers = [reader for reader, _ in view.readers(cell)]
        for tanh in (reader for reader in readers if reader.op == "Tanh"):
            for product, _ in view.readers(Tensor(tanh.name)):
                if product.op == "Mul" and any(_is_gate(view, tensor) for tensor in product.inputs):
                    return cell, Tensor(product.name)
        clip = next((reader for reader in readers if reader.op in CLIPS), None)
        if clip is None:
            return cell, None
        cell = Tensor(clip.name)


def _projected(view: GraphView, hidden: Tensor) -> list[Tensor]:
    """The hidden state, and what a matrix of the cell's own (and a clip) makes of it before it is carried on."""
    values = [hidden]
    for tensor in values:
        for reader, _ in view.readers(tensor):
            product = reader.op == "MatMul" and tensor == hidden and view.constant_shape(reader.inputs[1]) is not None
            if (product or (reader.op in CLIPS and len(values) > 1)) and Tensor(reader.name) not in values:
                values.append(Tensor(reader.name))
    return values


def _recurrent(view: GraphView, gate: Tensor) -> list[Tensor]:
    """The hidden state that goes into a gate: the last part of concat(x, h), or of two factors the later one.

    Where the two differ in size from each other, the size of the state decides (a projection has its own).
    """
    products: list[Node] = []
    pending, seen = [gate], set()
    while pending:
        tensor = view.source(pending.pop())
        node = view.producer(tensor)
        if node is None or tensor in seen:
            continue
        seen.add(tensor)
        if node.op in VIEWS:  # Keras squeezes a product of batch 1 to add it as if it were a bias
            pending.append(node.inputs[VIEWS[node.op]])
        elif node.op in ADDITIONS:
            pending += node.inputs[::-1]  # the first term is looked at first
        elif node.op == "MatMul" and view.constant_shape(node.inputs[1]) is not None:
            products.append(node)
    if len(products) == 1:
        joined = view.source_node(products[0].inputs[0])
        if joined is not None and joined.op == "ConcatV2":
            return [joined.inputs[-2]]
    return [products[-1].inputs[0]] if len(products) > 1 else []


def _loops(view: GraphView) -> Iterator[Link]:
    """TensorFlow 2's loops: input k of the node is the first value of what output k is the last one of."""
    for loop in view.of_op(*LOOPS):
        for port, tensor in enumerate(loop.inputs):
            yield Link(tensor, Tensor(loop.name, port), loop.name)


def _frames(view: GraphView) -> Iterator[Link]:
    """TensorFlow 1's loops: Enter → Merge → Switch → Exit."""
    for leave in view.of_op("Exit", "RefExit"):
        switch = view.source_node(leave.inputs[0])
        merge = view.source_node(switch.inputs[0]) if switch is not None and switch.op == "Switch" else None
        if merge is None or merge.op != "Merge":
            continue
        for tensor in merge.inputs:
            enter = view.source_node(tensor)
            if enter is not None and enter.op == "Enter":
                yield Link(enter.inputs[0], Tensor(leave.name), leave.name)


def _block_cells(view: GraphView) -> Iterator[Link]:
    """LSTMBlockCell: x, cs_prev, h_prev, … → i, cs, f, o, ci, co, h."""
    for cell in view.of_op("LSTMBlockCell"):
        if len(cell.inputs) > 2:
            yield Link(cell.inputs[1], Tensor(cell.name, 1), cell.name)
            yield Link(cell.inputs[2], Tensor(cell.name, 6), cell.name)


def _stops(view: GraphView) -> Iterator[Link]:
    """Rows that are past their length keep the previous state, in `static_rnn` behind conditions."""
    for tensor, stopped in stopped_values(with_choices(view)).items():
        if tensor.node in view.nodes:
            yield Link(stopped.past, tensor, tensor.node)


def projected(view: GraphView, links: Iterable[Link], states: Iterable[State]) -> list[str]:
    """The sums that the gates of cells with a projection are split from, W · (x, h) + b, by name."""
    carried = {origin(view, link.previous) for link in links}
    carried |= {piece for state in states for tensor in state.new for piece in parts(view, tensor)}
    cells = [link.node for link in links if view.nodes[link.new.node].op == "MatMul" and link.new in carried]
    sums = []
    for name in dict.fromkeys(cells):
        products = (_gated(view, view.source_node(tensor)) for tensor in view.nodes[name].inputs)
        gate = next(product.gate for product in products if product is not None)
        split = next((node for node in view.ancestors(gate) if node.op in ("Split", "SplitV")), None)
        total = view.source_node(split.inputs[VIEWS[split.op]]) if split is not None else None
        sums += [total.name] if total is not None and total.op in ADDITIONS else []
    return sums
