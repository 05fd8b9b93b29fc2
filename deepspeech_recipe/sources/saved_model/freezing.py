"""Variables of a SavedModel become constants of what they were saved with."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.build import DType, turn_into
from deepspeech_recipe.graphdef.node import node_of
from deepspeech_recipe.graphdef.tensor import dtype_number
from deepspeech_recipe.graphdef.view import ASSIGN_OPS, VARIABLE_OPS
from deepspeech_recipe.sources.checkpoint.bundle import Bundle
from deepspeech_recipe.sources.checkpoint.files import find_prefix


class Variables:
    """The values that the directory `variables` of a SavedModel holds: `node in variables`, `variables[node]`.

    keys: a variable's name → its key in the checkpoint, in TensorFlow 2 (`object_graph`); empty in TensorFlow 1, where
    they are the same, or the variable's shared name is the key.
    Raises RecipeError if there is no such directory, or it is damaged.
    """

    def __init__(self, path: Path, keys: Mapping[str, str]):
        if not (path / "variables").is_dir():
            raise RecipeError(
                f"{path}: the weights are variables, but the SavedModel has no directory 'variables'; copy it again."
            )
        self.bundle, self._keys = Bundle(find_prefix(path / "variables" / "variables")), keys

    def _key(self, node) -> str | None:
        names = [node.attr["shared_name"].s.decode(errors="replace"), node.name]
        if self._keys:
            names = [self._keys[node.name]] if node.name in self._keys else []
        return next((name for name in names if name and name in self.bundle), None)

    def __contains__(self, node) -> bool:
        return self._key(node) is not None

    def __getitem__(self, node) -> np.ndarray:
        """The value. Raises Refusal if it is not there."""
        key = self._key(node)
        if key is None:
            raise Refusal(
                f"The weight '{node.name}' is not among the variables by its name",
                node=node.name,
                remedy="Freeze the model to a .pb first (convert_variables_to_constants_v2)",
            )
        return self.bundle[key]


def variable_nodes(nodes: list) -> tuple[list, list]:
    """(variables that the needed part of the graph only reads, those that it assigns: state)."""
    assigned = {node_of(node.input[0]) for node in nodes if node.op in ASSIGN_OPS and node.input}
    variables = [node for node in nodes if node.op in VARIABLE_OPS]
    weights = [node for node in variables if node.name not in assigned]
    return weights, [node for node in variables if node.name in assigned]


def freeze(nodes: Iterable, frozen: Iterable, variables: Variables) -> None:
    """Variables become constants of the same name, reads of resources become Identity.

    The assignments of a state stay, so it is known as what it is (`GraphView.is_variable`).
    """
    by_name, excess = {node.name: node for node in frozen}, -variables.bundle.stored
    for node in nodes:
        if node.name in by_name:
            value = variables[node]
            excess += value.nbytes
            reason = f"The variables share values, and take {excess} bytes more than their files have"
            limits.check(reason, excess, limits.EXPANDED)
            turn_into(node, "Const", (), dtype=DType(dtype_number(value.dtype)), value=np.asarray(value))
        elif node.op == "ReadVariableOp" and node_of(node.input[0]) in by_name:
            turn_into(node, "Identity", T=DType(node.attr["dtype"].type))
