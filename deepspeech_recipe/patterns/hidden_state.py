"""The last product of an LSTM cell, h' = o · b(c'): an activated gate times an activated cell state, which is a sum of
two products, clipped or not. And how near a product came that is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deepspeech_recipe.errors import NoMatch
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.activations import ARGUMENT, Expression, Reader, behind_functions
from deepspeech_recipe.patterns.gates import ADDITIONS, is_gate, read_gate

OTHER_SUM = "The cell state c · σ(f) + σ(i) · tanh(j) was looked for, another sum was found"
CLIPS = ("ClipByValue", "Minimum", "Maximum")


@dataclass(frozen=True)
class States:
    """What is known of states around a cell. is_old: whether a tensor may be one before the step; is_new: whether one
    after it, None if that is not known."""

    is_old: Callable[[Tensor], bool]
    is_new: Callable[[Tensor], bool] | None = None


@dataclass(frozen=True)
class Activated:
    """An activation of an argument."""

    function: Expression
    argument: Tensor


@dataclass(frozen=True)
class CellState:
    """c' as a sum of two products, and the bound that it is clipped to; 0 for none."""

    products: tuple[Node, Node]
    clip: float


def read_hidden(view: GraphView, product: Node, states: States) -> tuple[Activated, Activated] | None:
    """(the output gate, the cell state behind its activation) of a product of them."""
    for gate, state in (product.inputs, product.inputs[::-1]):
        output = activated(view, gate, lambda tensor: is_gate(view, tensor))
        if output is None or output.function == ARGUMENT:
            continue
        squashed = activated(view, state, lambda tensor: read_cell_state(view, tensor, states) is not None)
        if squashed is not None:
            return output, squashed
    return None


def nearest_miss(view: GraphView, new_h: Tensor, states: States) -> NoMatch | None:
    """Why the tensor is not the hidden state of a cell, if it is the product of a gate with something."""
    node = view.source_node(new_h)
    return miss_of(view, node, states) if node is not None and node.op == "Mul" else None


def miss_of(view: GraphView, product: Node, states: States) -> NoMatch:
    """Why a product is not the hidden state of a cell."""
    try:
        for factor, state in (product.inputs, product.inputs[::-1]):
            gate = plain_gate(view, product)
            if gate is not None:
                read_gate(view, gate)
            output = activated(view, factor, lambda tensor: is_gate(view, tensor))
            if output is not None and output.function != ARGUMENT:
                total = behind_functions(view, state)
                view.match(total, *ADDITIONS, what="The cell state as a sum of what is kept and what is added")
                return NoMatch(OTHER_SUM, node=total.node)
            if activated(view, state, lambda tensor: read_cell_state(view, tensor, states) is not None) is not None:
                behind_functions(view, factor)
    except NoMatch as miss:
        return miss
    return NoMatch("the hidden state σ(o) · tanh(c) was looked for, another product was found", node=product.name)


def plain_gate(view: GraphView, product: Node) -> Tensor | None:
    """z of σ(z) · tanh(…), which only recurrent cells compute."""
    one, other = (view.source_node(tensor) for tensor in product.inputs)
    for gate, state in ((one, other), (other, one)):
        if gate is not None and state is not None and (gate.op, state.op) == ("Sigmoid", "Tanh"):
            return gate.inputs[0]
    return None


def activated(view: GraphView, tensor: Tensor, is_argument: Callable[[Tensor], bool]) -> Activated | None:
    """The tensor as an activation of what `is_argument` holds for; None if it is not one that is known."""
    reader = Reader(view, is_argument)
    try:
        function = reader.read(tensor)
    except NoMatch:
        return None
    return None if reader.argument is None else Activated(function, reader.argument)


def read_cell_state(view: GraphView, tensor: Tensor, states: States) -> CellState | None:
    """What the tensor is if it may be a new cell state: a sum of two products, clipped or not."""
    inner, clip = _unclipped(view, tensor)
    total = view.source_node(inner)
    if total is None or total.op not in ADDITIONS or len(total.inputs) != 2:
        return None
    one, other = (view.source_node(each) for each in total.inputs)
    if one is None or other is None or (one.op, other.op) != ("Mul", "Mul"):
        return None
    if states.is_new is not None:
        carried = states.is_new(view.source(tensor))
    else:  # if only its clip reads the sum, the clip is what goes on
        carried = not clip or len(view.readers(inner)) == 1
    return CellState((one, other), clip) if carried else None


def _unclipped(view: GraphView, tensor: Tensor) -> tuple[Tensor, float]:
    """(what is clipped to ±bound, bound); the tensor itself and 0 if it is not clipped so."""
    low = high = None
    inner = tensor
    for _ in range(2):
        node = view.source_node(inner)
        if node is None or node.op not in CLIPS:
            break
        data, *bounds = node.inputs
        numbers = [view.scalar(bound) for bound in bounds]
        if None in numbers:
            break
        if node.op != "Minimum" and low is None:
            low = numbers[0]
        if node.op != "Maximum" and high is None:
            high = numbers[-1]
        inner = data
    return (inner, float(high)) if high is not None and low is not None and high == -low > 0 else (tensor, 0.0)
