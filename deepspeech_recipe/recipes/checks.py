"""What a recipe returned, against the graph: one line with the recipe, the field, and what belongs there."""

from __future__ import annotations

import json

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Tensor
from deepspeech_recipe.patterns.block_lstm import fused_lstms
from deepspeech_recipe.patterns.state_links import links_of, parts, way_to
from deepspeech_recipe.patterns.stateful import new_values
from deepspeech_recipe.recipes import AcousticModel, Model

_ONE_OUTPUT = (*PLACEHOLDER_OPS, "Const", "Identity", "VariableV2", "VarHandleOp", "Softmax", "MatMul", "Reshape")


def check_model(where: str, view: GraphView, model: Model | AcousticModel) -> None:
    """Raises RecipeError for a mistake of a recipe that is in the file or package `where`."""
    _check_tensors(where, view, model)
    _check_states(where, model)
    if isinstance(model, Model):
        _check_inputs(where, view, model)
        _check_new_values(where, view, model)
        try:
            json.dumps(model.metadata)
        except (TypeError, ValueError) as error:
            raise RecipeError(
                f"{where}: `metadata` cannot be written as JSON ({error}). Give texts, numbers, lists and dicts."
            ) from None


def _check_tensors(where: str, view: GraphView, model: Model | AcousticModel) -> None:
    for kind, roles in (("input", model.inputs), ("output", model.outputs)):
        if not isinstance(roles, dict) or not all(isinstance(role, str) and role for role in roles):
            raise RecipeError(f"{where}: `{kind}s` is {roles!r}. Give a dict, name → Tensor.")
        for role, tensor in roles.items():
            if not isinstance(tensor, Tensor):
                raise RecipeError(
                    f"{where}: the {kind} '{role}' is {tensor!r}, a {type(tensor).__name__}. Give a Tensor: "
                    "Tensor(node.name), or Tensor(node.name, port)."
                )
            if tensor.node not in view.nodes:
                raise RecipeError(
                    f"{where}: the {kind} '{role}' is '{tensor}', which the graph does not have. Give a Tensor of one "
                    "of its nodes."
                )
            node = view.nodes[tensor.node]
            if tensor.port and node.op in _ONE_OUTPUT:
                raise RecipeError(
                    f"{where}: the {kind} '{role}' is '{tensor}', and a {node.op} has one output. Give "
                    f"Tensor('{tensor.node}')."
                )
    both = sorted({*model.inputs} & {*model.outputs})
    if both:
        raise RecipeError(f"{where}: '{both[0]}' is an input and an output. Give each a name of its own.")


def _check_states(where: str, model: Model | AcousticModel) -> None:
    if not isinstance(model.states, dict):
        raise RecipeError(f"{where}: `states` is {model.states!r}. Give a dict, name of an input → name of an output.")
    for before, after in model.states.items():
        if before not in model.inputs or after not in model.outputs:
            raise RecipeError(
                f"{where}: the state '{before}' → '{after}' is not both an input and an output of the model. "
                "Name both in `inputs` and `outputs`."
            )
    twice = next((after for after in model.states.values() if list(model.states.values()).count(after) > 1), None)
    if twice is not None:
        raise RecipeError(f"{where}: '{twice}' is the new value of two states. Give each one its own.")


def _check_inputs(where: str, view: GraphView, model: Model) -> None:
    names: dict[Tensor, str] = {}
    for role, tensor in model.inputs.items():
        node = view.nodes[tensor.node]
        if tensor in names:
            raise RecipeError(f"{where}: the inputs '{names[tensor]}' and '{role}' are both '{tensor}'. Name it once.")
        names[tensor] = role
        if node.op not in PLACEHOLDER_OPS and not (role in model.states and view.is_variable(node)):
            wanted = "a placeholder, or a variable that is in `states`"
            raise RecipeError(
                f"{where}: the input '{role}' is '{tensor}', which comes from a {node.op}. An input is {wanted}."
            )


def _check_new_values(where: str, view: GraphView, model: Model) -> None:
    """Each state against what the graph assigns its variable, or against the cells that it goes through."""
    links = links_of(view, fused_lstms(view))
    new = new_values(view, links, model.inputs.values())
    for before, after in model.states.items():
        kept, value = model.inputs[before], model.outputs[after]
        assigned = [writer.inputs[1] for writer in view.updates(view.nodes[kept.node])]
        if assigned and view.source(value) not in map(view.source, assigned):
            raise RecipeError(
                f"{where}: the state '{before}' → '{after}' is not the graph's, which assigns the variable "
                f"'{kept.node}' not '{value}' but '{assigned[0]}'. Give the output with that Tensor."
            )
        pieces = parts(view, value, way_to(links))
        others = [role for role, tensor in model.inputs.items() if pieces & new[tensor]]
        if others and new[kept] and before not in others:  # else topology does not tell
            raise RecipeError(
                f"{where}: the state '{before}' → '{after}' is not the graph's, in which '{value}' is the new value of "
                f"'{others[0]}'. Give each input the output with its own new value."
            )
