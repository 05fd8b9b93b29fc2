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

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.lstm import sequence_weights

_MOST_TERMS = 16
ADDITIONS = ("Add", "AddV2", "BiasAdd")
NOT_PLAIN = "Only plain LSTM cells (sigmoid gates, tanh, no peephole, projection or clipping) become an LSTMSequence"


@dataclass(frozen=True)
class Cell:
    """One step: new_c, new_h of x, c, h; all `[B, …]`.

    kernels: one tensor `[I+H, 4H]` (x above h), or two, `[I, 4H]` and `[H, 4H]`. bias: `[4H]`, or None.
    gates: the order of the gates i, c, f, o in them. forget_bias is still to be added to gate f.
    """

    x: Tensor
    c: Tensor
    h: Tensor
    new_c: Tensor
    new_h: Tensor
    kernels: tuple[Tensor, ...]
    bias: Tensor | None
    gates: str
    forget_bias: float
    input_size: int
    hidden_size: int


def looks_like_cell(view: GraphView, new_h: Tensor) -> bool:
    """Whether the tensor is σ(…) · tanh(c'), the last operation of an LSTM cell."""
    node = view.source_node(new_h)
    return node is not None and node.op == "Mul" and _pair(view, node, "Sigmoid", "Tanh") is not None


def recognise_cell(view: GraphView, new_h: Tensor, is_state: Callable[[Tensor], bool]) -> Cell:
    """Describes the cell whose new hidden state is `new_h`, a tensor for which `looks_like_cell` holds.

    is_state: whether a tensor may be the previous hidden state. Raises Refusal, with the node where the search
    stopped, for any other cell.
    """
    sigmoid, tanh = _pair(view, view.source_node(new_h), "Sigmoid", "Tanh")
    new_c = view.source(tanh.inputs[0])
    c, forget, inner, update = _cell_state(view, new_c)
    forget_gate, forget_bias = _forget_gate(view, forget)
    found = {
        "o": view.source(sigmoid.inputs[0]),
        "f": forget_gate,
        "i": view.source(inner.inputs[0]),
        "c": view.source(update.inputs[0]),
    }
    gates, product = _gates(view, found)
    matmuls, bias = _bias(view, product)
    x, h, kernels = _kernels(view, matmuls, is_state)
    input_size, hidden_size = _sizes(view, kernels, bias)
    return Cell(
        x=x,
        c=c,
        h=h,
        new_c=new_c,
        new_h=view.source(new_h),
        kernels=kernels,
        bias=bias,
        gates=gates,
        forget_bias=forget_bias,
        input_size=input_size,
        hidden_size=hidden_size,
    )


def cell_weights(view: GraphView, cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weights as an OpenVINO LSTMSequence wants them, gates in the order f, i, c, o.

    Returns W `[1, 4H, I]`, R `[1, 4H, H]` and B `[1, 4H]`, float32, the forget bias added.
    """
    kernels = [view.value(kernel).astype(np.float32, copy=False) for kernel in cell.kernels]
    if len(kernels) == 1:
        kernels = [kernels[0][: cell.input_size], kernels[0][cell.input_size :]]
    bias = np.zeros(4 * cell.hidden_size, np.float32) if cell.bias is None else view.value(cell.bias)
    return sequence_weights(kernels, bias, cell.gates, cell.forget_bias)


def _refuse(looked_for: str, node: Node | None, where: Tensor) -> Refusal:
    found = f"a {node.op}" if node is not None else "nothing"
    return Refusal(
        f"{looked_for} was looked for, {found} was found", node=node.name if node else where.node, remedy=NOT_PLAIN
    )


def _pair(view: GraphView, node: Node, first: str, second: str) -> tuple[Node, Node] | None:
    """The sources of a binary operation, in the order of the two ops asked for."""
    sources = [view.source_node(tensor) for tensor in node.inputs]
    for pair in (sources, sources[::-1]):
        if [source.op if source else None for source in pair] == [first, second]:
            return pair[0], pair[1]
    return None


def _cell_state(view: GraphView, new_c: Tensor) -> tuple[Tensor, Node, Node, Node]:
    """(c, σ of the forget gate, σ of the input gate, tanh of the cell input) of c' = c · σ(f) + σ(i) · tanh(j)."""
    add = view.producer(new_c)
    if add is not None and add.op in ("ClipByValue", "Minimum", "Maximum"):
        raise Refusal("The cell state is clipped", node=add.name, remedy=NOT_PLAIN)
    if add is None or add.op not in ADDITIONS:
        raise _refuse("The cell state as a sum of what is kept and what is added", add, new_c)
    products = [view.source_node(tensor) for tensor in add.inputs]
    for kept, added in (products, products[::-1]):
        if kept is None or added is None or kept.op != "Mul" or added.op != "Mul":
            continue
        pair = _pair(view, added, "Sigmoid", "Tanh")
        if pair is None:
            continue
        for gate, state in (kept.inputs, kept.inputs[::-1]):
            node = view.source_node(gate)
            if node is not None and node.op == "Sigmoid":
                return view.source(state), node, *pair
    raise Refusal(
        "The cell state c · σ(f) + σ(i) · tanh(j) was looked for, another sum was found",
        node=add.name,
        remedy=NOT_PLAIN,
    )


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


def _gates(view: GraphView, found: dict[str, Tensor]) -> tuple[str, Tensor]:
    """(order of the gates, the tensor `[B, 4H]` that is split into them)."""
    for gate, tensor in found.items():
        node = view.producer(tensor)
        if node is None or node.op != "Split" or node.attribute("num_split") != 4:
            if node is not None and node.op in ADDITIONS:
                raise Refusal(
                    f"Something is added to gate {gate} before its sigmoid, as peephole connections are",
                    node=node.name,
                    remedy=NOT_PLAIN,
                )
            raise _refuse(f"Gate {gate} as a quarter of one product", node, tensor)
    splits = {tensor.node for tensor in found.values()}
    split = view.nodes[next(iter(splits))]
    ports = {tensor.port for tensor in found.values()}
    if len(splits) > 1 or len(ports) < 4 or view.scalar(split.inputs[0]) not in (1, -1):
        raise Refusal("The four gates are not the four quarters of one product", node=split.name, remedy=NOT_PLAIN)
    order = sorted(found, key=lambda gate: found[gate].port)
    return "".join(order), view.source(split.inputs[1])


def _bias(view: GraphView, product: Tensor) -> tuple[list[Node], Tensor | None]:
    """The MatMuls whose sum the gates are, and the bias."""
    matmuls, bias, pending = [], None, [product]
    while pending:
        tensor = view.source(pending.pop(0))
        node = view.producer(tensor)
        if len(matmuls) + len(pending) > _MOST_TERMS:  # sums of one sum twice would be followed for ever
            raise Refusal(f"The gates are a sum of more than {_MOST_TERMS} terms", node=tensor.node, remedy=NOT_PLAIN)
        if node is not None and node.op in (*ADDITIONS, "Squeeze"):  # Keras adds a product of batch 1 like a bias
            pending += node.inputs
        elif node is not None and node.op == "MatMul":
            matmuls.append(node)
        elif bias is None and view.constant_shape(tensor) is not None:
            bias = tensor
        elif node is not None and node.op in ("Placeholder", "VarHandleOp", "VariableV2", "ReadVariableOp"):
            raise _not_frozen("bias", node)
        else:
            raise _refuse("The gates as a product with a kernel plus a bias", node, tensor)
    return matmuls, bias


def _not_frozen(what: str, node: Node) -> Refusal:
    return Refusal(
        f"The LSTM's {what} is no constant",
        node=node.name,
        remedy="Freeze the graph, so that trained variables become constants",
    )


def _kernels(view: GraphView, matmuls: list[Node], is_state) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """(x, h, kernels)"""
    for node in matmuls:
        if node.attribute("transpose_a", False) or node.attribute("transpose_b", False):
            raise Refusal("The LSTM's kernel is transposed", node=node.name, remedy=NOT_PLAIN)
        if view.constant_shape(node.inputs[1]) is None:
            raise _not_frozen("kernel", view.source_node(node.inputs[1]) or node)
    if len(matmuls) == 1:
        concat = view.source_node(matmuls[0].inputs[0])
        if concat is None or concat.op != "ConcatV2" or len(concat.inputs) != 3:
            raise _refuse("The kernel's factor as [x, h]", concat, matmuls[0].inputs[0])
        x, h, axis = concat.inputs
        if view.scalar(axis) not in (1, -1):
            raise Refusal("x and h are not joined along their features", node=concat.name, remedy=NOT_PLAIN)
        return view.source(x), view.source(h), (view.source(matmuls[0].inputs[1]),)
    if len(matmuls) == 2:
        for of_x, of_h in (matmuls, matmuls[::-1]):
            if is_state(view.source(of_h.inputs[0])):
                kernels = tuple(view.source(node.inputs[1]) for node in (of_x, of_h))
                return view.source(of_x.inputs[0]), view.source(of_h.inputs[0]), kernels
    raise Refusal(
        f"The gates are a sum of {len(matmuls)} products, where those of x and h were looked for",
        node=matmuls[0].name if matmuls else None,
        remedy=NOT_PLAIN,
    )


def _sizes(view: GraphView, kernels: tuple[Tensor, ...], bias: Tensor | None) -> tuple[int, int]:
    """(I, H)"""
    kinds = {view.value(kernel).dtype.name for kernel in kernels}
    if kinds != {"float32"}:
        raise Refusal(f"The LSTM computes in {' and '.join(sorted(kinds))}", node=kernels[0].node, remedy=NOT_PLAIN)
    shapes = [view.constant_shape(kernel) for kernel in kernels]
    rows = sum(shape[0] for shape in shapes if shape)
    hidden = shapes[0][-1] // 4 if shapes[0] else 0
    fits = all(len(shape) == 2 and shape[1] == 4 * hidden for shape in shapes) and rows > hidden > 0
    if len(kernels) == 2:
        fits = fits and shapes[1][0] == hidden
    if bias is not None:
        fits = fits and view.constant_shape(bias) == (4 * hidden,)
    if not fits:
        raise Refusal(
            f"The LSTM's kernel {' and '.join(str(list(shape)) for shape in shapes)} does not fit its bias or state; "
            "a projection of the hidden state is no part of an LSTMSequence",
            node=kernels[0].node,
            remedy=NOT_PLAIN,
        )
    return rows - hidden, hidden
