"""One step of an LSTM cell written in plain operations, as TensorFlow's Python cells write it.

BasicLSTMCell and LSTMCell (tensorflow/python/ops/rnn_cell_impl.py), gates i, j, f, o of one kernel:

    i, j, f, o = Split(BiasAdd(MatMul(Concat[x, h], kernel), bias), 4)
    c' = c · σ(f + forget_bias) + σ(i) · tanh(j)
    h' = σ(o) · tanh(c')

Keras's LSTMCell is the same with Add(MatMul(x, kernel), MatMul(h, recurrent kernel)) and gates i, f, c, o.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.lstm import NOT_FROZEN, Cell, cell_sizes

_MOST_TERMS = 16
ADDITIONS = ("Add", "AddV2", "BiasAdd")
NOT_PLAIN = "Only plain LSTM cells (sigmoid gates, tanh, no peephole, projection or clipping) become an LSTMSequence"


@dataclass(frozen=True)
class Step:
    """One step: new_c, new_h of x, c, h; all `[B, …]`."""

    x: Tensor
    c: Tensor
    h: Tensor
    new_c: Tensor
    new_h: Tensor
    cell: Cell


def looks_like_cell(view: GraphView, new_h: Tensor) -> bool:
    """Whether the tensor is σ(…) · tanh(c'), the last operation of an LSTM cell."""
    node = view.source_node(new_h)
    return node is not None and node.op == "Mul" and _factors(view, node, "Sigmoid", "Tanh") is not None


def recognise_cell(view: GraphView, new_h: Tensor, is_state: Callable[[Tensor], bool]) -> Step:
    """Describes the step whose new hidden state is `new_h`, a tensor for which `looks_like_cell` holds.

    is_state: whether a tensor may be the previous hidden state. Raises Refusal, with the node at which the search
    stopped, for any other cell.
    """
    try:
        return _step(view, new_h, is_state)
    except NoMatch as miss:
        raise Refusal(miss.reason, node=miss.node, remedy=NOT_PLAIN) from None


def _step(view: GraphView, new_h: Tensor, is_state: Callable[[Tensor], bool]) -> Step:
    factors = _factors(view, view.match(new_h, "Mul"), "Sigmoid", "Tanh")
    if factors is None:
        raise NoMatch("the hidden state σ(o) · tanh(c) was looked for, another product was found", node=new_h.node)
    output, squashed = factors
    new_c = view.source(squashed.inputs[0])
    c, forget, update, candidate = _cell_state(view, new_c)
    forget_gate, forget_bias = _forget_gate(view, forget)
    gates = {
        "o": view.source(output.inputs[0]),
        "f": forget_gate,
        "i": view.source(update.inputs[0]),
        "c": view.source(candidate.inputs[0]),
    }
    order, product = _gates(view, gates)
    products, bias = _terms(view, product)
    x, h, kernels = _kernels(view, products, is_state)
    input_size, hidden_size = cell_sizes(view, kernels, bias)
    cell = Cell(kernels, bias, order, forget_bias, input_size, hidden_size)
    return Step(x, c, h, new_c, view.source(new_h), cell)


def _factors(view: GraphView, node: Node, first: str, second: str) -> tuple[Node, Node] | None:
    """The sources of a binary operation, in the order of the two ops asked for."""
    one, other = (view.source_node(tensor) for tensor in node.inputs)
    for left, right in ((one, other), (other, one)):
        if left is not None and right is not None and (left.op, right.op) == (first, second):
            return left, right
    return None


def _cell_state(view: GraphView, new_c: Tensor) -> tuple[Tensor, Node, Node, Node]:
    """(c, σ of the forget gate, σ of the input gate, tanh of the cell input) of c' = c · σ(f) + σ(i) · tanh(j)."""
    add = view.producer(new_c)
    if add is not None and add.op in ("ClipByValue", "Minimum", "Maximum"):
        raise NoMatch("The cell state is clipped", node=add.name)
    add = view.match(new_c, *ADDITIONS, what="The cell state as a sum of what is kept and what is added")
    products = [view.source_node(tensor) for tensor in add.inputs]
    for kept, added in (products, products[::-1]):
        if kept is None or added is None or kept.op != "Mul" or added.op != "Mul":
            continue
        factors = _factors(view, added, "Sigmoid", "Tanh")
        if factors is None:
            continue
        for gate, state in (kept.inputs, kept.inputs[::-1]):
            node = view.source_node(gate)
            if node is not None and node.op == "Sigmoid":
                return view.source(state), node, *factors
    raise NoMatch("The cell state c · σ(f) + σ(i) · tanh(j) was looked for, another sum was found", node=add.name)


def _forget_gate(view: GraphView, sigmoid: Node) -> tuple[Tensor, float]:
    """The gate, and the constant that is added to it."""
    source = view.source(sigmoid.inputs[0])
    node = view.producer(source)
    if node is not None and node.op in ADDITIONS:
        for gate, constant in (node.inputs, node.inputs[::-1]):
            number = view.scalar(constant)
            if number is not None:
                return view.source(gate), float(number)
    return source, 0.0


def _gates(view: GraphView, gates: dict[str, Tensor]) -> tuple[str, Tensor]:
    """(order of the gates, the tensor `[B, 4H]` that is split into them)."""
    for gate, tensor in gates.items():
        node = view.producer(tensor)
        if node is not None and node.op in ADDITIONS:
            raise NoMatch(
                f"Something is added to gate {gate} before its sigmoid, as peephole connections are", node=node.name
            )
        split = view.match(tensor, "Split", what=f"Gate {gate} as a quarter of one product")
    ports = {tensor.port for tensor in gates.values()}
    one = {tensor.node for tensor in gates.values()} == {split.name} and len(ports) == split.attribute("num_split") == 4
    if not one or view.scalar(split.inputs[0]) not in (1, -1):
        raise NoMatch("The four gates are not the four quarters of one product", node=split.name)
    order = sorted(gates, key=lambda gate: gates[gate].port)
    return "".join(order), view.source(split.inputs[1])


def _terms(view: GraphView, total: Tensor) -> tuple[list[Node], Tensor | None]:
    """The MatMuls whose sum the gates are, and the bias."""
    products: list[Node] = []
    bias, pending = None, [total]
    while pending:
        tensor = view.source(pending.pop(0))
        node = view.producer(tensor)
        if len(products) + len(pending) > _MOST_TERMS:  # sums of one sum twice would be followed for ever
            raise NoMatch(f"The gates are a sum of more than {_MOST_TERMS} terms", node=tensor.node)
        if node is not None and node.op in (*ADDITIONS, "Squeeze"):  # Keras adds a product of batch 1 like a bias
            pending += node.inputs
        elif node is not None and node.op == "MatMul":
            products.append(node)
        elif bias is None and view.constant_shape(tensor) is not None:
            bias = tensor
        elif node is not None and node.op in ("Placeholder", "VarHandleOp", "VariableV2", "ReadVariableOp"):
            raise _not_frozen("bias", node)
        else:
            view.match(tensor, "MatMul", what="The gates as a product with a kernel plus a bias")
    return products, bias


def _not_frozen(what: str, node: Node) -> Refusal:
    return Refusal(f"The LSTM's {what} is not a constant", node=node.name, remedy=NOT_FROZEN)


def _kernels(
    view: GraphView, products: list[Node], is_state: Callable[[Tensor], bool]
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """(x, h, kernels)"""
    for node in products:
        if node.attribute("transpose_a", False) or node.attribute("transpose_b", False):
            raise NoMatch("The LSTM's kernel is transposed", node=node.name)
        kernel = node.inputs[1]
        if view.constant_shape(kernel) is None:
            raise _not_frozen("kernel", view.source_node(kernel) or node)
        if (kind := view.constant(kernel).dtype.name) != "float32":
            raise NoMatch(f"The LSTM computes in {kind}", node=view.source(kernel).node)
    kernels = tuple(view.source(node.inputs[1]) for node in products)
    if len(products) == 1:
        concat = view.match(products[0].inputs[0], "ConcatV2", what="The kernel's factor as [x, h]")
        if len(concat.inputs) != 3:
            raise NoMatch(f"[x, h] was looked for, {len(concat.inputs) - 1} parts were found", node=concat.name)
        x, h, axis = concat.inputs
        if view.scalar(axis) not in (1, -1):
            raise NoMatch("x and h are not joined along their features", node=concat.name)
        return view.source(x), view.source(h), kernels
    if len(products) == 2:
        factors = tuple(view.source(node.inputs[0]) for node in products)
        for order in (1, -1):
            x, h = factors[::order]
            if is_state(h):
                return x, h, kernels[::order]
    raise NoMatch(
        f"The gates are a sum of {len(products)} products, where those of x and h were looked for",
        node=products[0].name if products else "",
    )
