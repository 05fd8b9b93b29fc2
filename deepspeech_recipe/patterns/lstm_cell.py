"""One step of an LSTM cell, as the cells of TensorFlow and Keras write it: in plain operations, or in one.

    i = a(zi + c · pi)      f = a(zf + c · pf)      c' = clip(f · c + i · b(zc))
    o = a(zo + c' · po)     h' = o · b(c')

a is σ or another activation, b tanh or another one; peepholes p and the clip may be missing. The gates z are

- BasicLSTMCell, LSTMCell (tensorflow/python/ops/rnn_cell_impl.py): the quarters i, j, f, o of [x, h] · W + b
- Keras (keras/src/layers/rnn/lstm.py): the quarters i, f, c, o of x · W + h · R + b; of older releases also slices
- Keras with implementation=1, and whoever writes the cell down: x · Wi + bi + h · Ri, each gate with its own weights
- LSTMBlockCell, CudnnCompatibleLSTMCell (tensorflow/contrib/rnn/python/ops/lstm_ops.py): one operation, with gates
  i, c, f, o and a BlockLSTM's inputs and outputs (tensorflow/core/ops/rnn_ops.cc)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.activations import ARGUMENT, Expression, Reader, behind_functions
from deepspeech_recipe.patterns.gates import ADDITIONS, Gate, cell_weights, is_gate, read_gate
from deepspeech_recipe.patterns.lstm import NOT_FROZEN, Cell, quarters

NOT_LSTM = (
    "Only LSTM cells i · b(z) + f · c (peepholes, a clipped cell state and other activations too, but no projection) "
    "become an LSTMSequence or a loop of ours; others stay as they are"
)
_OTHER_SUM = "The cell state c · σ(f) + σ(i) · tanh(j) was looked for, another sum was found"
BLOCK_CELL, BLOCK_C, BLOCK_H = "LSTMBlockCell", 1, 6  # the operation, and its outputs that are states
_CLIPS = ("ClipByValue", "Minimum", "Maximum")


@dataclass(frozen=True)
class Step:
    """One step: new_c, new_h of x, c, h; all `[B, …]`."""

    x: Tensor
    c: Tensor
    h: Tensor
    new_c: Tensor
    new_h: Tensor
    cell: Cell


@dataclass(frozen=True)
class States:
    """What is known of states around a cell. is_old: whether a tensor may be one before the step; is_new: whether one
    after it, None if that is not known."""

    is_old: Callable[[Tensor], bool]
    is_new: Callable[[Tensor], bool] | None = None


def looks_like_cell(view: GraphView, new_h: Tensor, states: States) -> bool:
    """Whether the tensor is a(gate) · b(f · c + i · …), the last operation of an LSTM cell, or an LSTMBlockCell's."""
    source = view.source(new_h)
    node = view.producer(source)
    if node is None or node.op != "Mul":
        return node is not None and (node.op, source.port) == (BLOCK_CELL, BLOCK_H)
    return _plain_gate(view, node) is not None or _hidden(view, node, states) is not None


def recognise_cell(view: GraphView, new_h: Tensor, states: States) -> Step:
    """Describes the step whose new hidden state is `new_h`, a tensor for which `looks_like_cell` holds.

    Raises Refusal, with the node at which the search stopped, for any other cell.
    """
    source = view.source(new_h)
    node = view.producer(source)
    try:
        return _block_step(view, node) if node is not None and node.op == BLOCK_CELL else _step(view, new_h, states)
    except NoMatch as miss:
        raise Refusal(miss.reason, node=miss.node, remedy=NOT_LSTM) from None


@dataclass(frozen=True)
class _Activated:
    """An activation of an argument."""

    function: Expression
    argument: Tensor


@dataclass(frozen=True)
class _CellState:
    """c' as a sum of two products, and the bound that it is clipped to; 0 for none."""

    products: tuple[Node, Node]
    clip: float


def _block_step(view: GraphView, node: Node) -> Step:
    x, c, h, kernel, *peepholes, bias = map(view.source, node.inputs)
    shapes = []
    for tensor, what in ((kernel, "kernel"), (bias, "bias")):
        shape = view.constant_shape(tensor)
        if shape is None:
            raise Refusal(f"The LSTM's {what} is not a constant", node=tensor.node, remedy=NOT_FROZEN)
        shapes.append(shape)
    rows, size = shapes[0][0] if shapes[0] else 0, shapes[0][-1] // 4 if shapes[0] else 0
    if shapes != [(rows, 4 * size), (4 * size,)] or not 0 < size < rows:
        raise NoMatch(f"The LSTM's kernel {list(shapes[0])} and bias {list(shapes[1])} do not fit", node=kernel.node)
    if not node.attribute("use_peephole", False):
        peepholes = []
    if any(view.constant_shape(tensor) != (size,) for tensor in peepholes):
        raise NoMatch("The LSTM's peephole weights are not constants, or do not fit its bias", node=node.name)
    for port in set(range(7)) - {BLOCK_C, BLOCK_H}:
        for reader in view.consumers(Tensor(node.name, port)):
            raise NoMatch(f"Output {port} of the LSTM's steps is read by '{reader.name}' ({reader.op})", node=node.name)
    cell = Cell(
        kernel=quarters(kernel, "icfo", size),
        recurrent=quarters(kernel, "icfo", size, row=rows - size),
        biases=tuple((part,) for part in quarters(bias, "icfo", size)),
        # Exporters strip attributes that have their default.
        forget_bias=float(node.attribute("forget_bias", 1.0)),
        input_size=rows - size,
        hidden_size=size,
        peepholes=tuple(peepholes),
        clip=max(0.0, float(node.attribute("cell_clip", 3.0))),
    )
    return Step(x, c, h, Tensor(node.name, BLOCK_C), Tensor(node.name, BLOCK_H), cell)


def _step(view: GraphView, new_h: Tensor, states: States) -> Step:
    product = view.match(new_h, "Mul")
    found = _hidden(view, product, states)
    if found is None:
        raise _miss(view, product, states)
    output, squashed = found
    new_c = squashed.argument
    state = _cell_state(view, new_c, states)
    assert state is not None  # for it is what `_hidden` looked for
    misses = []
    for c, forget, update, candidate in _products(view, state.products, output, states):
        functions = (forget.function, update.function, candidate.function, output.function, squashed.function)
        try:
            if len({each.argument for each in (forget, update, candidate, output)}) < 4:
                raise NoMatch("Two of the cell's four gates are one, as coupled gates are", node=forget.argument.node)
            gates = [read_gate(view, forget.argument, forgets=True)]
            gates += [read_gate(view, each.argument) for each in (update, candidate, output)]
            weights = cell_weights(view, gates, states.is_old)
            peepholes = _peepholes(view, gates, c, new_c, weights.hidden_size)
        except NoMatch as nearest:
            misses.append(nearest)
            continue
        cell = Cell(
            weights.kernel, weights.recurrent, weights.biases, weights.forget_bias, weights.input_size,
            weights.hidden_size, peepholes, state.clip, functions,
        )  # fmt: skip
        return Step(weights.x, c, weights.h, new_c, view.source(new_h), cell)
    raise misses[0] if misses else NoMatch(_OTHER_SUM, node=new_c.node)


def _hidden(view: GraphView, product: Node, states: States) -> tuple[_Activated, _Activated] | None:
    """(the output gate, the cell state behind its activation) of a product of them."""
    for gate, state in (product.inputs, product.inputs[::-1]):
        output = _activated(view, gate, lambda tensor: is_gate(view, tensor))
        if output is None or output.function == ARGUMENT:
            continue
        squashed = _activated(view, state, lambda tensor: _cell_state(view, tensor, states) is not None)
        if squashed is not None:
            return output, squashed
    return None


def nearest_miss(view: GraphView, new_h: Tensor, states: States) -> NoMatch | None:
    """Why the tensor is not the hidden state of a cell, if it is the product of a gate with something."""
    node = view.source_node(new_h)
    return _miss(view, node, states) if node is not None and node.op == "Mul" else None


def _miss(view: GraphView, product: Node, states: States) -> NoMatch:
    try:
        for factor, state in (product.inputs, product.inputs[::-1]):
            gate = _plain_gate(view, product)
            if gate is not None:
                read_gate(view, gate)
            output = _activated(view, factor, lambda tensor: is_gate(view, tensor))
            if output is not None and output.function != ARGUMENT:
                total = behind_functions(view, state)
                view.match(total, *ADDITIONS, what="The cell state as a sum of what is kept and what is added")
                return NoMatch(_OTHER_SUM, node=total.node)
            if _activated(view, state, lambda tensor: _cell_state(view, tensor, states) is not None) is not None:
                behind_functions(view, factor)
    except NoMatch as miss:
        return miss
    return NoMatch("the hidden state σ(o) · tanh(c) was looked for, another product was found", node=product.name)


def _plain_gate(view: GraphView, product: Node) -> Tensor | None:
    """z of σ(z) · tanh(…), which only recurrent cells compute."""
    one, other = (view.source_node(tensor) for tensor in product.inputs)
    for gate, state in ((one, other), (other, one)):
        if gate is not None and state is not None and (gate.op, state.op) == ("Sigmoid", "Tanh"):
            return gate.inputs[0]
    return None


def _activated(view: GraphView, tensor: Tensor, is_argument: Callable[[Tensor], bool]) -> _Activated | None:
    reader = Reader(view, is_argument)
    try:
        function = reader.read(tensor)
    except NoMatch:
        return None
    return None if reader.argument is None else _Activated(function, reader.argument)


def _cell_state(view: GraphView, tensor: Tensor, states: States) -> _CellState | None:
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
    return _CellState((one, other), clip) if carried else None


def _unclipped(view: GraphView, tensor: Tensor) -> tuple[Tensor, float]:
    """(what is clipped to ±bound, bound); the tensor itself and 0 if it is not clipped so."""
    low = high = None
    inner = tensor
    for _ in range(2):
        node = view.source_node(inner)
        if node is None or node.op not in _CLIPS:
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


def _products(
    view: GraphView, products: tuple[Node, Node], output: _Activated, states: States
) -> Iterator[tuple[Tensor, _Activated, _Activated, _Activated]]:
    """(c, forget gate, input gate, candidate) of c' = f · c + i · b(z), for each way to read the sum."""

    def gate(tensor: Tensor) -> _Activated | None:
        return _activated(view, tensor, lambda each: is_gate(view, each))

    for kept, added in (products, products[::-1]):
        update, candidate = (gate(tensor) for tensor in added.inputs)
        if update is None or candidate is None:
            continue
        if candidate.function == output.function != update.function:
            # Which of two factors is the input gate is of no account, but that the gates are alike.
            update, candidate = candidate, update
        for factor, state in (kept.inputs, kept.inputs[::-1]):
            forget = gate(factor)
            if forget is not None and forget.function != ARGUMENT and states.is_old(view.source(state)):
                yield view.source(state), forget, update, candidate
                if update.function == candidate.function:  # one of them may have a peephole connection
                    yield view.source(state), forget, candidate, update


def _peepholes(view: GraphView, gates: list[Gate], c: Tensor, new_c: Tensor, size: int) -> tuple[Tensor | None, ...]:
    """The weights of the gates i, f, o, None for a gate without; an empty tuple if no gate has any."""
    forget, update, candidate, output = gates
    found: list[Tensor | None] = []
    for gate, state in ((update, c), (forget, c), (output, new_c), (candidate, None)):
        weights = None
        for product in gate.products_with_state:
            sides = (product.inputs, product.inputs[::-1])
            fitting = [w for w, s in sides if view.source(s) == state and _is_vector(view, w, size)]
            if weights is not None or not fitting:
                raise NoMatch(
                    f"A {product.op} is added to a gate that is not a peephole connection of the cell state",
                    node=product.name,
                )
            weights = view.source(fitting[0])
        found.append(weights)
    return tuple(found[:3]) if any(found) else ()


def _is_vector(view: GraphView, tensor: Tensor, size: int) -> bool:
    shape = view.constant_shape(tensor)
    return shape is not None and shape in ((size,), (1, size))
