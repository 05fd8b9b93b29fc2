"""General rewrites: an LSTM that stands in the graph step by step to one RecipeLSTM for each layer."""

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.recognise.lstm_cell import Cell, cell_weights
from deepspeech_recipe.recognise.static_rnn import StaticRnn
from deepspeech_recipe.rewrite.edits import (
    EXCHANGE,
    LAST_CELL,
    LAST_HIDDEN,
    RECIPE_LSTM,
    SEQUENCE,
    STEP,
    Edits,
    NewNode,
)


def replace_static_rnn(view: GraphView, rnn: StaticRnn, edits: Edits) -> None:
    """Replaces all steps of all layers. What reads a step's hidden state reads it from the sequence."""
    x = rnn.unpack.inputs[0]
    if rnn.batch_major:
        edits.add.append(NewNode(f"{rnn.node}/time_major", EXCHANGE, (x,)))
        x = Tensor(f"{rnn.node}/time_major")
    for number, cells in enumerate(rnn.layers):
        new = f"{rnn.node}/sequence" if len(rnn.layers) == 1 else f"{rnn.node}/sequence_{number}"
        attributes = {
            "weights": cell_weights(view, cells[0]),
            "hidden_size": cells[0].hidden_size,
            "steps": rnn.steps,
        }
        edits.add.append(NewNode(new, RECIPE_LSTM, (x, cells[0].h, cells[0].c), attributes))
        x = Tensor(new, SEQUENCE)
        stacked = _replace_stacks(view, cells, x, edits)
        inner = _inside(view, rnn)
        for step, cell in enumerate(cells):
            if step == len(cells) - 1:
                edits.redirect[cell.new_h] = Tensor(new, LAST_HIDDEN)
                edits.redirect[cell.new_c] = Tensor(new, LAST_CELL)
            elif any(reader.name not in inner and reader.name not in stacked for reader, _ in view.readers(cell.new_h)):
                edits.add.append(NewNode(f"{new}/step_{step}", STEP, (x,), {"step": step}))
                edits.redirect[cell.new_h] = Tensor(f"{new}/step_{step}")


def _inside(view: GraphView, rnn: StaticRnn) -> set[str]:
    """The names of the nodes that put a hidden state in front of a kernel."""
    kernels = {kernel for cells in rnn.layers for kernel in cells[0].kernels}
    products = [node for node in view.of_op("MatMul") if view.source(node.inputs[1]) in kernels]
    return {node.inputs[0].node for node in products}


def _replace_stacks(view: GraphView, cells: tuple[Cell, ...], sequence: Tensor, edits: Edits) -> set[str]:
    """Replaces the Packs of all hidden states in their order; returns their names."""
    states, found = [cell.new_h for cell in cells], set()
    for reader, _ in view.readers(states[0]):
        if reader.op == "Pack" and list(map(view.source, reader.inputs)) == states:
            axis = reader.attribute("axis", 0)
            if axis == 0:
                edits.replace.append(NewNode(reader.name, "Identity", (sequence,)))
            elif axis == 1:
                edits.add.append(NewNode(f"{reader.name}/batch_major", EXCHANGE, (sequence,)))
                edits.replace.append(NewNode(reader.name, "Identity", (Tensor(f"{reader.name}/batch_major"),)))
            else:
                continue
            found.add(reader.name)
    return found
