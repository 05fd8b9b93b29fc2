"""General rewrites: an LSTM that stands in the graph step by step to one RecipeLSTM for each layer."""

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.conditions import IF_OPS
from deepspeech_recipe.patterns.lstm_cell import cell_weights
from deepspeech_recipe.patterns.static_rnn import Row, StaticRnn
from deepspeech_recipe.rewrite.edits import (
    LAST_CELL,
    LAST_HIDDEN,
    RECIPE_LSTM,
    SEQUENCE,
    SWAP_TIME_BATCH,
    TIME_STEP,
    Edits,
    NewNode,
)


def replace_static_rnn(view: GraphView, rnn: StaticRnn, edits: Edits) -> None:
    """Replaces all steps of all layers. What reads a step's hidden state reads it from the sequence."""
    x = rnn.unpack.inputs[0]
    if rnn.batch_major:
        edits.add.append(NewNode(f"{rnn.node}/time_major", SWAP_TIME_BATCH, (x,)))
        x = Tensor(f"{rnn.node}/time_major")
    for number, row in enumerate(rnn.layers):
        new = f"{rnn.node}/sequence" if len(rnn.layers) == 1 else f"{rnn.node}/sequence_{number}"
        inputs = (x, row.cell.h, row.cell.c) if row.lengths is None else (x, row.cell.h, row.cell.c, row.lengths)
        attributes = {
            "weights": cell_weights(rnn.view, row.cell),
            "hidden_size": row.cell.hidden_size,
            "steps": rnn.steps,
            "direction": "reverse" if rnn.backwards else "forward",
        }
        edits.add.append(NewNode(new, RECIPE_LSTM, inputs, attributes))
        x = Tensor(new, SEQUENCE)
        if not rnn.backwards:  # else they stack what was made last in front
            _replace_stacks(view, row, x, edits)
        last = row.steps[-1]
        ends = {**dict.fromkeys(last.c, Tensor(new, LAST_CELL)), **dict.fromkeys(last.h, Tensor(new, LAST_HIDDEN))}
        for tensor, value in ends.items():
            _replace(view, tensor, value, edits)
        for time, step in enumerate(row.steps[:: -1 if rnn.backwards else 1]):
            outputs = [tensor for tensor in sorted(step.outputs - ends.keys()) if _is_there(view, tensor)]
            if outputs:
                edits.add.append(NewNode(f"{new}/step_{time}", TIME_STEP, (x,), {"step": time}))
            for tensor in outputs:
                _replace(view, tensor, Tensor(f"{new}/step_{time}"), edits)


def _is_there(view: GraphView, tensor: Tensor) -> bool:
    """Whether it is a tensor of the graph, not of a function, and read or an output."""
    return tensor.node in view.nodes and (view.nodes[tensor.node].op not in IF_OPS or bool(view.consumers(tensor)))


def _replace(view: GraphView, tensor: Tensor, value: Tensor, edits: Edits) -> None:
    """Its node keeps its name, as far as it has no other outputs."""
    if _is_there(view, tensor):
        if view.nodes[tensor.node].op in IF_OPS:
            edits.redirect[tensor] = value
        else:
            edits.replace.append(NewNode(tensor.node, "Identity", (value,)))


def _replace_stacks(view: GraphView, row: Row, sequence: Tensor, edits: Edits) -> None:
    """Replaces the Packs of all hidden states in their order."""
    packs = {reader.name: reader for tensor in row.steps[0].outputs for reader, _ in view.readers(tensor)}
    for pack in packs.values():
        axis = pack.attribute("axis", 0)
        if pack.op != "Pack" or len(pack.inputs) != len(row.steps) or axis not in (0, 1):
            continue
        if all(view.source(tensor) in step.outputs for tensor, step in zip(pack.inputs, row.steps)):
            if axis == 1:
                edits.add.append(NewNode(f"{pack.name}/batch_major", SWAP_TIME_BATCH, (sequence,)))
            value = Tensor(f"{pack.name}/batch_major") if axis == 1 else sequence
            edits.replace.append(NewNode(pack.name, "Identity", (value,)))
