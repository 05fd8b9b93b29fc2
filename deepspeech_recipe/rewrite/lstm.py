"""General rewrites: an LSTM of any form to a RecipeLSTM for each layer, state variables to inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.block_lstm import LSTM_OPS
from deepspeech_recipe.patterns.conditions import IF_OPS
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.lstm_cell import BLOCK_CELL
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.patterns.while_loop import WHILE_OPS
from deepspeech_recipe.rewrite.edits import (
    LAST_CELL,
    LAST_HIDDEN,
    PACK,
    RECIPE_LSTM,
    RESHAPE,
    SEQUENCE,
    SWAP_TIME_BATCH,
    TIME_STEP,
    Edits,
    NewNode,
)

_MANY_OUTPUTS = (*LSTM_OPS, BLOCK_CELL, *WHILE_OPS, *IF_OPS)


def replace_lstm(view: GraphView, lstm: Lstm, edits: Edits, *, lengths: bool, steps: int | None) -> None:
    """Replaces all of an LSTM's layers. Whatever held a state or the hidden states is another one's output then.

    lengths: whether rows stop at their lengths; else all run to the end. steps: the only number of steps for which this
    is exact, None for any.
    """
    x = lstm.x
    if lstm.packed:
        x = _added(f"{lstm.node}/steps", PACK, lstm.packed, edits)
    if lstm.reshape:
        x = _added(f"{lstm.node}/sequence_of_parts", RESHAPE, (x,), edits, sizes=list(lstm.reshape))
    if lstm.is_batch_major:
        x = _added(f"{lstm.node}/time_major", SWAP_TIME_BATCH, (x,), edits)
    for number, layer in enumerate(lstm.layers):
        name = f"{lstm.node}/sequence" if len(lstm.layers) == 1 else f"{lstm.node}/sequence_{number}"
        cell, constants = layer.cell, lstm.inside or view
        attributes = {
            "weights": cell.weights(constants),
            "hidden_size": cell.hidden_size,
            "steps": steps,
            "direction": lstm.direction,
            "peepholes": cell.peephole_weights(constants),
            "clip": cell.clip,
            "activations": None if cell.is_plain else cell.activations,
        }
        own_lengths = (layer.lengths,) if lengths and layer.lengths is not None else ()
        inputs = (x, layer.initial_h, layer.initial_c, *own_lengths)
        edits.add.append(NewNode(name, RECIPE_LSTM, inputs, attributes))
        x = Tensor(name, SEQUENCE)
        if lstm.reversals:  # the names stand for the steps in reverse order
            edits.redirect.update(dict.fromkeys(layer.sequence, x))
        else:
            _replace(view, layer.sequence, x, edits)
        _replace(view, layer.last_h, Tensor(name, LAST_HIDDEN), edits)
        _replace(view, layer.last_c, Tensor(name, LAST_CELL), edits)
        for tensor in layer.batch_major:
            swapped = _added(f"{tensor.node}/batch_major", SWAP_TIME_BATCH, (x,), edits)
            _replace(view, [tensor], swapped, edits)
        for tensor in layer.rows:
            joined = _added(f"{tensor.node}/rows", RESHAPE, (x,), edits, sizes=[-1, cell.hidden_size])
            _replace(view, [tensor], joined, edits)
        for tensor in layer.columns:
            swapped = _added(f"{tensor.node}/batch_major", SWAP_TIME_BATCH, (x,), edits)
            sizes = [-1, len(layer.steps) * cell.hidden_size]
            _replace(view, [tensor], _added(f"{tensor.node}/columns", RESHAPE, (swapped,), edits, sizes=sizes), edits)
        for time, tensors in enumerate(layer.steps):
            if tensors:
                step = _added(f"{name}/step_{time}", TIME_STEP, (x,), edits, step=time)
                _replace(view, tensors, step, edits)
    edits.redirect.update(lstm.passed_on)
    if lstm.reversals:
        # As a name of what goes in, that of the reversal in front would be wrong.
        before, *after = lstm.reversals
        edits.redirect[Tensor(before)] = view.nodes[before].inputs[0]
        edits.replace += [NewNode(name, "Identity", view.nodes[name].inputs[:1]) for name in after]


def _added(name: str, op: str, inputs: tuple[Tensor, ...], edits: Edits, **attributes) -> Tensor:
    """The output of a new node."""
    edits.add.append(NewNode(name, op, inputs, attributes))
    return Tensor(name)


def _replace(view: GraphView, old: Iterable[Tensor], new: Tensor, edits: Edits) -> None:
    """Lets the readers of tensors read another one. A node keeps its name in the graph if it has no other outputs."""
    for tensor in old:
        if view.nodes[tensor.node].op in _MANY_OUTPUTS:
            edits.redirect[tensor] = new
        else:
            edits.replace.append(NewNode(tensor.node, "Identity", (new,)))


def free_variable(view: GraphView, state: State, edits: Edits, *, output: str | None) -> None:
    """Turns a state variable into an input of its name; what it was assigned becomes the output `output`, if named."""
    edits.remove += [*state.update, *state.reset]
    edits.replace.append(NewNode(state.name, "Placeholder", (), {"shape": state.shape}))
    for reader in view.consumers(state.source):
        if reader.op == "ReadVariableOp":
            edits.replace.append(NewNode(reader.name, "Identity", (state.source,)))
        elif reader.op == "VarIsInitializedOp":
            edits.remove.append(reader.name)
    if output is not None and output not in view.nodes:
        edits.add.append(NewNode(output, "Identity", (state.new[0],)))


def new_state_name(state: State) -> str:
    """The output that carries on a state: `new_<variable>`."""
    return f"new_{state.name}"
