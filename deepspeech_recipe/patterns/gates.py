"""The gates of an LSTM cell before their activation: sums of products with constant weights.

A gate is a quarter of one sum, or a sum of its own:

    Split([x, h] · W + b)[k]        (x · W + h · R + b)[:, k·H:(k+1)·H]        x · Wk + bk + h · Rk
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import VARIABLE_OPS, GraphView, Node, Tensor, once
from deepspeech_recipe.patterns.dropout import unmasked
from deepspeech_recipe.patterns.lstm import NOT_FROZEN, Part
from deepspeech_recipe.patterns.quarters import first_column, whole_of

ADDITIONS = ("Add", "AddV2", "BiasAdd")
_MOST_TERMS = 16


class _Product(NamedTuple):
    """A MatMul, of whose columns the gate is `size` from `column` on."""

    node: Node
    column: int
    size: int


@dataclass
class Gate:
    """The terms of a gate: products of x and h, constants, products of the cell state.

    number: what a single number adds to the forget gate.
    """

    products: list[_Product] = field(default_factory=list)
    biases: list[Part] = field(default_factory=list)
    number: float = 0.0
    products_with_state: list[Node] = field(default_factory=list)


class CellWeights(NamedTuple):
    """What `Cell` holds of the gates f, i, c, o, and the values x and h that go into them."""

    x: Tensor
    h: Tensor
    kernel: tuple[Part, ...]
    recurrent: tuple[Part, ...]
    biases: tuple[tuple[Part, ...], ...]
    forget_bias: float
    input_size: int
    hidden_size: int


def is_gate(view: GraphView, tensor: Tensor) -> bool:
    """Whether the tensor is a sum with a product, or a part of one."""
    known, source = _known(view), view.source(tensor)
    if source not in known:
        known[source] = _is_gate(view, source)
    return known[source]


@once
def _known(view: GraphView) -> dict[Tensor, bool]:
    """What is_gate has found: it is asked of every value between a product and its gates."""
    return {}


def _is_gate(view: GraphView, tensor: Tensor) -> bool:
    try:
        terms = [*_terms(view, tensor)]
        for term in [*terms]:
            if (whole := whole_of(view, term)) is not None:
                terms += _terms(view, whole)
    except NoMatch:
        return False
    nodes = [view.producer(term) for term in terms]
    return any(node is not None and node.op == "MatMul" for node in nodes)


def read_gate(view: GraphView, tensor: Tensor, *, forgets: bool = False) -> Gate:
    """The gate's terms. Raises NoMatch for any that an LSTM's gate does not have. forgets: it is the forget gate."""
    gate = Gate()
    for term in _terms(view, tensor):
        node = view.producer(term)
        whole = whole_of(view, term)
        if forgets and (number := view.scalar(term)) is not None:
            gate.number += float(number)
        elif node is not None and whole is not None and view.constant_shape(term) is None:
            _read_quarter(view, gate, node, term, whole)
        elif node is not None and node.op == "Mul" and view.constant_shape(term) is None:
            gate.products_with_state.append(node)
        else:
            _read_term(view, gate, term)
    if not gate.products and gate.products_with_state:
        _read_term(view, gate, Tensor(gate.products_with_state[0].name))
    if not 0 < len(gate.products) < 3:
        raise NoMatch(
            f"The gates are a sum of {len(gate.products)} products, where those of x and h were looked for",
            node=tensor.node,
        )
    return gate


def _terms(view: GraphView, total: Tensor) -> Iterator[Tensor]:
    """What a sum is of."""
    pending, count = [total], 0
    while pending:
        tensor = view.source(pending.pop(0))
        node, count = view.producer(tensor), count + 1
        if count > _MOST_TERMS:  # sums of one sum twice would be followed for ever
            raise NoMatch(f"The gates are a sum of more than {_MOST_TERMS} terms", node=tensor.node)
        if node is not None and node.op in (*ADDITIONS, "AddN"):
            pending[:0] = node.inputs
        elif node is not None and _is_row(view, node):
            pending.insert(0, node.inputs[0])
        else:
            yield tensor


def _is_row(view: GraphView, node: Node) -> bool:
    """Whether it makes a vector of a product of batch 1: Keras adds that like a bias."""
    return node.op == "Squeeze" or (node.op == "Reshape" and view.constant_shape(node.inputs[1]) == (1,))


def _read_quarter(view: GraphView, gate: Gate, node: Node, part: Tensor, whole: Tensor) -> None:
    terms = [*_terms(view, whole)]
    kernels = [view.producer(term).inputs[1] for term in terms if view.described(term) == "a MatMul"]  # type: ignore
    shape = view.constant_shape(kernels[0]) if kernels else None
    if kernels and shape is None:
        raise _not_frozen(view, "kernel", kernels[0])
    if not kernels:
        for term in terms:
            _read_term(view, gate, term)
    if not shape or not shape[-1] or shape[-1] % 4:
        raise NoMatch("Each gate as a quarter of one product was looked for", node=node.name)
    size = shape[-1] // 4
    column = first_column(view, node, part.port, size)
    if column is None:
        raise NoMatch("The four gates are not the four quarters of one product", node=node.name)
    for term in terms:
        _read_term(view, gate, term, column, size)


def _read_term(view: GraphView, gate: Gate, term: Tensor, column: int = 0, size: int = 0) -> None:
    """size: the columns that are the gate's; 0 for all there are."""
    node = view.producer(term)
    if node is not None and node.op == "MatMul":
        shape = view.constant_shape(node.inputs[1]) or (0,)
        gate.products.append(_Product(node, column, size or shape[-1]))
    elif view.constant_shape(term) is not None:
        gate.biases.append(Part(term, 0, column))
    elif node is not None and node.op in ("Placeholder", "ReadVariableOp", *VARIABLE_OPS):
        raise _not_frozen(view, "bias", term)
    else:
        view.match(term, "MatMul", what="The gates as a product with a kernel plus a bias")


def _not_frozen(view: GraphView, what: str, tensor: Tensor) -> Refusal:
    node = view.source_node(tensor)
    return Refusal(
        f"The LSTM's {what} is not a constant", node=node.name if node is not None else tensor.node, remedy=NOT_FROZEN
    )


def cell_weights(view: GraphView, gates: list[Gate], is_state: Callable[[Tensor], bool]) -> CellWeights:
    """The weights of the gates f, i, c, o. Raises NoMatch if they do not read the same x and h, or do not fit."""
    products = [product for gate in gates for product in gate.products]
    for product in products:
        _check_product(view, product.node)
    hidden_size, rows = products[0].size, [_rows(view, gate, is_state) for gate in gates]
    (x, first), (h, _) = rows[0]
    if any((side_x[0], side_h[0]) != (x, h) for side_x, side_h in rows):
        raise NoMatch("The four gates do not read the same values", node=gates[0].products[0].node.name)
    kernel, recurrent = (tuple(row[side][1] for row in rows) for side in (0, 1))
    heights = {_height(view, part, hidden_size, is_joined=len(gates[0].products) == 1) for part in kernel}
    fits = len(heights) == 1 and min(heights) > 0 and all(product.size == hidden_size > 0 for product in products)
    if len(gates[0].products) == 2:
        fits = fits and all((view.constant_shape(part.tensor) or ())[:1] == (hidden_size,) for part in recurrent)
    biases = tuple(tuple(gate.biases) for gate in gates)
    fits = fits and all(_fits(view, bias, hidden_size) for own in biases for bias in own)
    if not fits:
        shapes = [view.constant_shape(tensor) or () for tensor in dict.fromkeys(p.node.inputs[1] for p in products)]
        raise NoMatch(
            f"The LSTM's kernel {' and '.join(str(list(shape)) for shape in shapes)} does not fit its bias or state; "
            "a projection of the hidden state is not part of an LSTMSequence",
            node=first.tensor.node,
        )
    return CellWeights(x, h, kernel, recurrent, biases, gates[0].number, heights.pop(), hidden_size)


def _fits(view: GraphView, bias: Part, size: int) -> bool:
    """Whether it is one number, or a vector that has the part."""
    shape = view.constant_shape(bias.tensor) or ()
    count = math.prod(shape)
    return count == 1 or (count == shape[-1] and count in (size, 4 * size) and bias.column + size <= count)


def _check_product(view: GraphView, node: Node) -> None:
    if node.attribute("transpose_a", False) or node.attribute("transpose_b", False):
        raise NoMatch("The LSTM's kernel is transposed", node=node.name)
    if len(view.constant_shape(node.inputs[1]) or ()) != 2:
        raise _not_frozen(view, "kernel", node.inputs[1])
    if (kind := view.constant(node.inputs[1]).dtype.name) != "float32":
        raise NoMatch(f"The LSTM computes in {kind}", node=view.source(node.inputs[1]).node)


def _rows(
    view: GraphView, gate: Gate, is_state: Callable[[Tensor], bool]
) -> tuple[tuple[Tensor, Part], tuple[Tensor, Part]]:
    """(x and its weights, h and its weights) of a gate."""
    nodes = [product.node for product in gate.products]
    kernels = [view.source(node.inputs[1]) for node in nodes]
    if len(nodes) == 2:
        sides = [
            (unmasked(view, node.inputs[0]), Part(kernel, 0, product.column))
            for node, kernel, product in zip(nodes, kernels, gate.products)
        ]
        states = [is_state(tensor) for tensor, _ in sides]
        if all(states):  # for all that is known; then the weights of h are square
            states = [view.constant_shape(kernel) == (gate.products[0].size,) * 2 for kernel in kernels]
        return (sides[1], sides[0]) if states == [True, False] else (sides[0], sides[1])
    joined = view.match(nodes[0].inputs[0], "ConcatV2", what="The kernel's factor as [x, h]")
    if len(joined.inputs) != 3:
        raise NoMatch(f"[x, h] was looked for, {len(joined.inputs) - 1} parts were found", node=joined.name)
    if view.scalar(joined.inputs[2]) not in (1, -1):
        raise NoMatch("x and h are not joined along their features", node=joined.name)
    upper, lower = (unmasked(view, tensor) for tensor in joined.inputs[:2])
    (kernel,), (product,) = kernels, gate.products
    rows = (view.constant_shape(kernel) or (0,))[0]
    if not is_state(lower) and is_state(upper):
        return (lower, Part(kernel, product.size, product.column)), (upper, Part(kernel, 0, product.column))
    return (upper, Part(kernel, 0, product.column)), (lower, Part(kernel, rows - product.size, product.column))


def _height(view: GraphView, part: Part, hidden_size: int, *, is_joined: bool) -> int:
    """I, the rows of the kernel that are those of x."""
    rows = (view.constant_shape(part.tensor) or (0,))[0]
    return rows - hidden_size if is_joined else rows
