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

from collections.abc import Iterator
from dataclasses import dataclass

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.activations import ARGUMENT
from deepspeech_recipe.patterns.block_cell import read_block_cell
from deepspeech_recipe.patterns.gates import Gate, cell_weights, is_gate, read_gate
from deepspeech_recipe.patterns.hidden_state import (
    OTHER_SUM,
    Activated,
    States,
    activated,
    miss_of,
    plain_gate,
    read_cell_state,
    read_hidden,
)
from deepspeech_recipe.patterns.lstm import Cell

NOT_LSTM = (
    "Only LSTM cells i · b(z) + f · c (peepholes, a clipped cell state and other activations too, but no projection) "
    "become an LSTMSequence or a loop of ours; others stay as they are"
)
BLOCK_CELL, BLOCK_C, BLOCK_H = "LSTMBlockCell", 1, 6  # the operation, and its outputs that are states


@dataclass(frozen=True)
class Step:
    """One step: new_c, new_h of x, c, h; all `[B, …]`."""

    x: Tensor
    c: Tensor
    h: Tensor
    new_c: Tensor
    new_h: Tensor
    cell: Cell


def looks_like_cell(view: GraphView, new_h: Tensor, states: States) -> bool:
    """Whether the tensor is a(gate) · b(f · c + i · …), the last operation of an LSTM cell, or an LSTMBlockCell's."""
    source = view.source(new_h)
    node = view.producer(source)
    if node is None or node.op != "Mul":
        return node is not None and (node.op, source.port) == (BLOCK_CELL, BLOCK_H)
    return plain_gate(view, node) is not None or read_hidden(view, node, states) is not None


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


def _block_step(view: GraphView, node: Node) -> Step:
    x, c, h, kernel, *peepholes, bias = map(view.source, node.inputs)
    cell = read_block_cell(view, node, kernel, bias, tuple(peepholes))
    for port in set(range(7)) - {BLOCK_C, BLOCK_H}:
        for reader in view.consumers(Tensor(node.name, port)):
            raise NoMatch(f"Output {port} of the LSTM's steps is read by '{reader.name}' ({reader.op})", node=node.name)
    return Step(x, c, h, Tensor(node.name, BLOCK_C), Tensor(node.name, BLOCK_H), cell)


def _step(view: GraphView, new_h: Tensor, states: States) -> Step:
    product = view.match(new_h, "Mul")
    found = read_hidden(view, product, states)
    if found is None:
        raise miss_of(view, product, states)
    output, squashed = found
    new_c = squashed.argument
    state = read_cell_state(view, new_c, states)
    assert state is not None  # for it is what `read_hidden` looked for
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
    raise misses[0] if misses else NoMatch(OTHER_SUM, node=new_c.node)


def _products(
    view: GraphView, products: tuple[Node, Node], output: Activated, states: States
) -> Iterator[tuple[Tensor, Activated, Activated, Activated]]:
    """(c, forget gate, input gate, candidate) of c' = f · c + i · b(z), for each way to read the sum."""

    def gate(tensor: Tensor) -> Activated | None:
        return activated(view, tensor, lambda each: is_gate(view, each))

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
