"""What a recipe says of a model, as edits and names: which tensors stay, what they are called, what is carried."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.state import any_of, state_variable
from deepspeech_recipe.recipes import Model
from deepspeech_recipe.rewrite.edits import Edits, NewNode
from deepspeech_recipe.rewrite.lstm import free_variable


@dataclass
class RecipeNames:
    """inputs, outputs: name in the IR → names its tensor may be found by. states: as `Model.states`.
    ends: output → the node that it is. claimed: the state variables that became inputs here → their new outputs.
    initial: name in the IR → what such a variable holds before the first call."""

    inputs: dict[str, set[str]] = field(default_factory=dict)
    outputs: dict[str, set[str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    claimed: dict[str, str] = field(default_factory=dict)
    initial: dict[str, np.ndarray | None] = field(default_factory=dict)


def apply_recipe_names(view: GraphView, model: Model, edits: Edits) -> RecipeNames:
    """Gives every output a node of its own and frees the state variables. Raises Refusal if a variable is not
    assigned the output that the recipe says."""
    roles = RecipeNames(states=model.states)
    for role, tensor in model.outputs.items():
        end = role if role not in view.nodes or Tensor(role) == tensor else f"{role}/output"
        if end not in view.nodes:
            edits.add.append(NewNode(end, "Identity", (tensor,)))
        roles.ends[role] = end
        roles.outputs[role] = {end, *(str(alias) for alias in view.aliases(tensor)), str(tensor)}
    for role, tensor in model.inputs.items():
        node = view.nodes[tensor.node]
        roles.inputs[role] = {str(alias) for alias in view.aliases(tensor)} | {node.name}
        if role in model.states and view.is_variable(node):
            new = model.outputs[model.states[role]]
            state = state_variable(view, node, any_of(view, [new]), "state")
            free_variable(view, state, edits, output=None)
            roles.initial[role] = state.initial
            roles.claimed[node.name] = roles.ends[model.states[role]]
    return roles
