"""General rewrites: a loop of LSTM cells to one RecipeLSTM for each layer."""

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.bidirectional import recognise_reversal
from deepspeech_recipe.patterns.lstm_cell import cell_weights
from deepspeech_recipe.patterns.rnn import Rnn
from deepspeech_recipe.rewrite.edits import LAST_CELL, LAST_HIDDEN, RECIPE_LSTM, SEQUENCE, Edits, NewNode


def replace_rnn(view: GraphView, rnn: Rnn, edits: Edits, *, lengths: bool = True) -> str:
    """Replaces a loop by a RecipeLSTM for each layer; between two reversals of time by one that runs backwards.

    Nodes that carried a sequence become Identities: their names stay in the graph.
    lengths: False where every length is known to be T. Returns the direction.
    """
    reversal = recognise_reversal(view, rnn)
    direction = "forward" if reversal is None else "reverse"
    x = rnn.x
    for number, layer in enumerate(rnn.layers):
        new = f"{rnn.node}/sequence" if len(rnn.layers) == 1 else f"{rnn.node}/sequence_{number}"
        inputs = (x, layer.initial_h, layer.initial_c)
        attributes = {
            "weights": cell_weights(view, layer.cell),
            "hidden_size": layer.cell.hidden_size,
            "steps": rnn.steps,
            "direction": direction,
        }
        if lengths and rnn.lengths is not None:
            inputs += (rnn.lengths,)
        edits.add.append(NewNode(new, RECIPE_LSTM, inputs, attributes))
        if reversal is None:
            edits.replace += [NewNode(tensor.node, "Identity", (Tensor(new, SEQUENCE),)) for tensor in layer.sequence]
        else:  # their names stand for the steps in reverse order
            edits.redirect.update(dict.fromkeys(layer.sequence, Tensor(new, SEQUENCE)))
        for tensors, port in ((layer.last_h, LAST_HIDDEN), (layer.last_c, LAST_CELL)):
            for tensor in tensors:
                _replace_last(view, tensor, Tensor(new, port), edits)
        x = Tensor(new, SEQUENCE)
    edits.remove += rnn.dead
    if reversal is not None:
        edits.redirect[Tensor(reversal.before)] = view.nodes[reversal.before].inputs[0]
        edits.replace += [NewNode(name, "Identity", (view.nodes[name].inputs[0],)) for name in reversal.after]
    return direction


def _replace_last(view: GraphView, last: Tensor, new: Tensor, edits: Edits) -> None:
    if view.nodes[last.node].op == "Exit":
        edits.replace.append(NewNode(last.node, "Identity", (new,)))
    else:
        edits.redirect[last] = new
