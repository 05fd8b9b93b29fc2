"""LSTM layers written out step by step: what `static_rnn` makes (tensorflow/python/ops/rnn.py), cells in a row that
share their kernel, over the parts of one Unpack:

    x_0, x_1, … = Unpack(sequence)        c_t, h_t = cell(x_t, c_t-1, h_t-1)
"""

from dataclasses import dataclass

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.recognise.lstm_cell import Cell, looks_like_cell, recognise_cell

_REMEDY = "Steps that share a kernel and hand on their states become an LSTMSequence; use dynamic_rnn for lengths"


@dataclass(frozen=True)
class StaticRnn:
    """unpack: the node whose parts are the steps, time being its first axis or (batch_major) its second.
    layers: for each layer its cells, step by step; each layer reads the hidden states of the one before."""

    unpack: Node
    batch_major: bool
    layers: tuple[tuple[Cell, ...], ...]

    @property
    def node(self) -> str:
        return self.layers[0][0].new_h.node

    @property
    def steps(self) -> int:
        return len(self.layers[0])


def find_static_rnns(view: GraphView) -> tuple[list[StaticRnn], list[Refusal]]:
    """The layers that stand in the graph step by step, and why other cells that share a kernel are none."""
    by_kernel: dict[Tensor, list[Cell]] = {}
    cells, refused = _cells(view)
    for cell in cells:
        by_kernel.setdefault(cell.kernels[0], []).append(cell)
    rows = []
    for cells in by_kernel.values():
        if len(cells) > 1:
            row = _row(cells)
            if row is None:
                refused.append(_broken(view, cells))
            else:
                rows.append(row)
    found = []
    for row in rows:
        unpack = _unpack(view, row)
        if unpack is not None:
            found.append(StaticRnn(*unpack, tuple(_stack(row, rows))))
    inner = {id(row) for rnn in found for row in rnn.layers}
    refused += [
        Refusal(
            "The steps of an LSTM are not the parts of one sequence, in their order",
            node=row[0].new_h.node,
            remedy=_REMEDY,
        )
        for row in rows
        if id(row) not in inner
    ]
    return found, refused


def _cells(view: GraphView) -> tuple[list[Cell], list[Refusal]]:
    """Every cell outside of loops, and the reason why those within conditions are none."""
    found, conditions = [], []
    for node in view.of_op("Mul"):
        if looks_like_cell(view, Tensor(node.name)):
            try:
                cell = recognise_cell(view, Tensor(node.name), lambda tensor: False)
            except Refusal as refusal:
                # A kernel is read through an Enter within a loop, through a Switch within a condition.
                if refusal.node in view.nodes and view.nodes[refusal.node].op == "Switch":
                    conditions.append(node.name)
                continue
            found.append(cell)
    if not conditions:
        return found, []
    reason = f"{len(conditions)} LSTM cells stand in conditions, as static_rnn writes them for lengths"
    return found, [Refusal(reason, node=conditions[0], remedy=_REMEDY)]


def _row(cells: list[Cell]) -> tuple[Cell, ...] | None:
    """The cells in the order in which they hand on their states."""
    following = {(cell.c, cell.h): cell for cell in cells}
    ends = {(cell.new_c, cell.new_h) for cell in cells}
    first = [cell for cell in cells if (cell.c, cell.h) not in ends]
    if len(first) != 1 or len(following) < len(cells):
        return None
    row = [first[0]]
    while (cell := following.get((row[-1].new_c, row[-1].new_h))) is not None:
        row.append(cell)
    return tuple(row) if len(row) == len(cells) else None


def _broken(view: GraphView, cells: list[Cell]) -> Refusal:
    ends = {cell.new_h for cell in cells}
    outside = [cell.h for cell in cells if cell.h not in ends]
    node = view.producer(outside[-1])
    return Refusal(
        f"{len(cells)} LSTM cells share a kernel, but do not hand on their states from one to the next: the hidden "
        f"state of one comes from a {node.op if node else 'missing node'}",
        node=outside[-1].node,
        remedy=_REMEDY,
    )


def _unpack(view: GraphView, row: tuple[Cell, ...]) -> tuple[Node, bool] | None:
    """(the Unpack whose parts the row reads in their order, whether time is its second axis)."""
    node = view.producer(row[0].x)
    if node is None or node.op != "Unpack" or node.attribute("num") != len(row):
        return None
    if [cell.x for cell in row] != [Tensor(node.name, step) for step in range(len(row))]:
        return None
    axis = node.attribute("axis", 0)
    return (node, axis == 1) if axis in (0, 1) else None


def _stack(row: tuple[Cell, ...], rows: list) -> list[tuple[Cell, ...]]:
    """The layer and those on top of it."""
    layers = [row]
    while True:
        below = [cell.new_h for cell in layers[-1]]
        above = next((each for each in rows if [cell.x for cell in each] == below), None)
        if above is None:
            return layers
        layers.append(above)
