"""General rewrites: a block-fused LSTM to one RecipeLSTM, state variables to inputs and outputs."""

from __future__ import annotations

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.lstm import HIDDEN_STATES, FusedLstm, lstm_weights, peephole_weights
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes.recognition import StatefulLstm
from deepspeech_recipe.rewrite.edits import LAST_CELL, LAST_HIDDEN, RECIPE_LSTM, SEQUENCE, Edits, NewNode


def replace_lstm(view: GraphView, lstm: FusedLstm, edits: Edits, *, steps: int | None) -> None:
    """Replaces a BlockLSTM, its mask and its last states by a RecipeLSTM.

    Nodes that carried the sequence or a last state become Identities: their names stay in the graph.
    steps: the only T for which this is exact, None for any.
    """
    new = f"{lstm.node}/sequence"
    edits.add.append(
        NewNode(
            new,
            RECIPE_LSTM,
            (lstm.x, lstm.initial_h, lstm.initial_c),
            {
                "weights": lstm_weights(view, lstm),
                "hidden_size": lstm.hidden_size,
                "steps": steps,
                "peepholes": peephole_weights(view, lstm),
                "clip": lstm.clip,
            },
        )
    )
    edits.redirect[Tensor(lstm.node, HIDDEN_STATES)] = Tensor(new, SEQUENCE)
    carriers = [(tensor.node, SEQUENCE) for tensor in lstm.sequence if tensor.node != lstm.node]
    carriers += [(state.tensor.node, LAST_HIDDEN) for state in lstm.last_h]
    carriers += [(state.tensor.node, LAST_CELL) for state in lstm.last_c]
    edits.replace += [NewNode(name, "Identity", (Tensor(new, port),)) for name, port in carriers]


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


def states_of(stateful: StatefulLstm) -> list[State]:
    return [state for state in (stateful.state_c, stateful.state_h) if state is not None]
