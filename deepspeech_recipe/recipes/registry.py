"""Finds recipes, and asks them."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.recipes import AcousticModel, Model, deepspeech, deepspeech_v01

GROUP = "deepspeech_recipe.recipes"
_PARTS = ("NAME", "pattern", "model")
_OWN = (deepspeech, deepspeech_v01)


@dataclass(frozen=True)
class Recipe:
    """A recipe and where it comes from, for messages."""

    name: str
    where: str
    module: Any

    def pattern(self, view: GraphView) -> str | None:
        return self._call("pattern", view)

    def model(self, view: GraphView) -> Model | AcousticModel:
        found = self._call("model", view)
        if not isinstance(found, (Model, AcousticModel)):
            raise RecipeError(
                f"{self.where}: model(view) gave {type(found).__name__}, not a Model or an AcousticModel. Return one."
            )
        return _checked(self, view, replace(found, recipe=self.name))

    def _call(self, part: str, view: GraphView):
        try:
            return getattr(self.module, part)(view)
        except RecipeError:
            raise
        except Exception as error:
            if self.module in _OWN:
                raise  # nothing that the user could correct
            line = error.__traceback__
            while line.tb_next is not None:
                line = line.tb_next
            raise RecipeError(
                f"{self.where}: {part}(view) failed with {type(error).__name__}: {error} "
                f"({line.tb_frame.f_code.co_filename}, line {line.tb_lineno}). Correct the recipe."
            ) from error


def recipes(extra: Iterable[Recipe] = ()) -> list[Recipe]:
    """All recipes in the order in which they are asked. extra: those that the user named."""
    return [*extra, *(_recipe(module, f"the recipe '{module.NAME}'") for module in _OWN), *_installed()]


def load(path: str | os.PathLike) -> Recipe:
    """The recipe in a Python file. Raises RecipeError where it is none."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path}: no such file. Give a recipe, a Python file with {', '.join(_PARTS)}.")
    # A name of its own: two recipes of one file name may be asked in one process.
    name = f"_deepspeech_recipe_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise RecipeError(f"{path}: is no Python file. Give a recipe, a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look themselves up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RecipeError(f"{path}: cannot be loaded as a recipe ({type(error).__name__}: {error}).") from error
    return _recipe(module, str(path))


@functools.lru_cache(maxsize=1)
def _installed() -> tuple[Recipe, ...]:
    found = []
    points = importlib.metadata.entry_points
    # Python 3.8 and 3.9 have no argument `group`, and give a dict.
    points = points(group=GROUP) if sys.version_info >= (3, 10) else points().get(GROUP, ())
    for point in sorted(points, key=lambda point: point.name):
        where = f"the installed recipe '{point.name}' ({point.value})"
        try:
            module = point.load()
        except Exception as error:
            raise RecipeError(
                f"{where} cannot be loaded ({type(error).__name__}: {error}). Update or remove the package it is in."
            ) from error
        found.append(_recipe(module, where))
    return tuple(found)


def _recipe(module, where: str) -> Recipe:
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise RecipeError(f"{where}: has no {' and no '.join(missing)}. A recipe has {', '.join(_PARTS)}.")
    return Recipe(str(module.NAME), where, module)


def _checked(recipe: Recipe, view: GraphView, model: Model | AcousticModel) -> Model | AcousticModel:
    """Roles must be tensors that exist, states must be roles."""
    for kind, roles in (("input", model.inputs), ("output", model.outputs)):
        for role, tensor in roles.items():
            if not isinstance(tensor, Tensor) or tensor.node not in view.nodes:
                raise Refusal(
                    f"{recipe.where}: the {kind} '{role}' is '{tensor}', which the graph does not have",
                    remedy="Give a Tensor of a node of the graph",
                )
    for before, after in model.states.items():
        if before not in model.inputs or after not in model.outputs:
            raise Refusal(
                f"{recipe.where}: the state '{before}' → '{after}' is not both an input and an output of the model",
                remedy="Name both in `inputs` and `outputs`",
            )
    return model
