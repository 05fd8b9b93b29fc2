"""An acoustic model's own thin layer on the general rewrites."""

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.names import STATE_PAIRS
from deepspeech_recipe.patterns.lstm import LOOP
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.rewrite.edits import UNFLATTEN_TIME, Edits, NewNode, follow_redirects
from deepspeech_recipe.rewrite.lstm import free_variable, replace_lstm
from deepspeech_recipe.rewrite.reachability import edited_inputs, needed


def rewrite_acoustic(view: GraphView, model: AcousticModel) -> Edits:
    """Enforces time_len == seq_len, frees the state, and lets T and B be changed after conversion.

    The lengths reach nothing any more; the two Reshapes to `[T, B, …]`, which have sizes written down, follow
    the input.
    """
    edits = Edits()
    for lstm in model.lstms:
        replace_lstm(view, lstm, edits, lengths=False, steps=lstm.steps if lstm.form == LOOP else None)
    for name, features in ((model.to_sequence, model.lstm.cell.input_size), (model.to_logits, model.classes)):
        data = view.nodes[name].inputs[0]
        inputs, attributes = (data, model.time_major), {"features": features}
        if name == model.logits.node:  # an output of the model keeps its name as a node of TensorFlow's
            edits.add.append(NewNode(f"{name}/split", UNFLATTEN_TIME, inputs, attributes))
            edits.replace.append(NewNode(name, "Identity", (Tensor(f"{name}/split"),)))
        else:
            edits.replace.append(NewNode(name, UNFLATTEN_TIME, inputs, attributes))
    if model.no_batch:
        edits.replace.append(NewNode(model.no_batch, "Identity", (Tensor(model.to_logits),)))
    for state, output in zip((model.state_c, model.state_h), STATE_PAIRS.values()):
        if state.kind == "variable":
            free_variable(view, state, edits, output=output)
        elif state.new and output not in view.nodes:
            edits.add.append(NewNode(output, "Identity", (state.new[0],)))
    if model.is_bidirectional:
        # Loops, and the decoder behind the scores, which Model Optimizer would stumble over.
        follow_redirects(edits)
        edges = edited_inputs(view, edits)
        kept = needed(edges, [model.logits.node])
        edits.remove += [name for name in edges if name not in kept]
    return edits
