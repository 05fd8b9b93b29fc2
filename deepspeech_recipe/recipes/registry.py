"""Finds recipes, and asks them."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deepspeech_recipe.errors import NoMatch, RecipeError, some_of
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes import AcousticModel, Model, deepspeech, deepspeech_v01
from deepspeech_recipe.recipes.acoustic_checks import check_acoustic
from deepspeech_recipe.recipes.checks import check_model

GROUP = "deepspeech_recipe.recipes"
_PARTS = ("NAME", "recognise")
_OWN = (deepspeech, deepspeech_v01)


@dataclass(frozen=True)
class Recipe:
    """A recipe and where it comes from, for messages."""

    name: str
    where: str
    module: Any

    @property
    def broken(self) -> str:
        """Why it cannot be asked, if it is installed and broken; else ''."""
        return self.module.reason if isinstance(self.module, _Broken) else ""

    def recognise(self, view: GraphView) -> Model | AcousticModel:
        """What the recipe says of a graph. Raises NoMatch if it does not fit, Refusal if the model cannot be converted
        exactly, RecipeError if the recipe itself is wrong."""
        try:
            model = self.module.recognise(view)
        except RecipeError:
            raise
        except Exception as error:
            if self.module in _OWN:
                raise  # nothing that the user could correct
            line = traceback.extract_tb(error.__traceback__)[-1]
            raise RecipeError(
                f"{self.where}: recognise(view) failed with {type(error).__name__}: {error} "
                f"({line.filename}, line {line.lineno}). Correct the recipe."
            ) from error
        if not isinstance(model, (Model, AcousticModel)):
            raise RecipeError(
                f"{self.where}: recognise(view) returned {type(model).__name__}, not a Model or an AcousticModel. "
                "Return one, or raise NoMatch(reason) if the graph is not of this kind."
            )
        if isinstance(model, AcousticModel) and self.module not in _OWN:
            check_acoustic(self.where, view, model)
        check_model(self.where, view, model)
        return replace(model, recipe=self.name)


@dataclass(frozen=True)
class _Broken:
    """In the place of the module of an installed recipe that is none."""

    reason: str

    def recognise(self, view: GraphView) -> Model:
        raise NoMatch(self.reason)


def recipes(extra: Iterable[Recipe] = ()) -> list[Recipe]:
    """All recipes in the order in which they are asked. extra: those that the user named."""
    return [*extra, *(_recipe(module, f"the recipe '{module.NAME}'") for module in _OWN), *installed()]


def named(recipe: str | os.PathLike | None) -> list[Recipe]:
    """What `recipes` and `recognise` take of a recipe that the user may have named. Raises RecipeError as `load`."""
    return [] if recipe is None else [load(recipe)]


def load(path: str | os.PathLike) -> Recipe:
    """The recipe in a Python file, or the installed one of that name. Raises RecipeError if there is none."""
    named = [recipe for recipe in installed() if recipe.name == str(path)]
    path = Path(path)
    if not path.is_file() and named:
        return named[0]
    if not path.is_file():
        names = some_of((recipe.name for recipe in installed()), none="none is installed")
        raise RecipeError(
            f"{path}: no such file. Give a recipe, a Python file with {' and '.join(_PARTS)}, or the name of an "
            f"installed one ({names})."
        )
    # A name of its own: two recipes of one file name may be asked in one process.
    name = f"_deepspeech_recipe_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
        raise RecipeError(f"{path}: is not a Python file. Give a recipe, a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look themselves up there
    try:
        # As it is now: Python would take what it compiled of a file of the same size in the same second.
        exec(spec.loader.source_to_code(path.read_bytes(), str(path)), module.__dict__)
    except Exception as error:
        raise RecipeError(f"{path}: cannot be loaded as a recipe ({type(error).__name__}: {error}).") from error
    return _recipe(module, str(path))


@functools.lru_cache(maxsize=1)
def installed() -> tuple[Recipe, ...]:
    """Those of installed packages, by name. One that cannot be loaded fits no graph, and says why."""
    recipes_found = []
    if sys.version_info >= (3, 10):
        points = importlib.metadata.entry_points(group=GROUP)
    else:  # no argument `group` there, and a dict
        points = importlib.metadata.entry_points().get(GROUP, ())
    for point in sorted(points, key=lambda point: point.name):
        where = f"the installed recipe '{point.name}' ({point.value})"
        try:
            recipes_found.append(_recipe(point.load(), where))
        except RecipeError as error:
            recipes_found.append(Recipe(point.name, where, _Broken(str(error))))
        except Exception as error:
            reason = f"{where} cannot be loaded ({type(error).__name__}: {error}). Update or remove its package"
            recipes_found.append(Recipe(point.name, where, _Broken(reason)))
    return tuple(recipes_found)


def _recipe(module, where: str) -> Recipe:
    if not hasattr(module, "recognise") and hasattr(module, "pattern") and hasattr(module, "model"):
        raise RecipeError(
            f"{where}: has pattern and model, which recipes had before. Write one function recognise(view): it returns "
            "what model returned, and raises NoMatch(reason) if pattern returned a reason."
        )
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise RecipeError(f"{where}: has no {' and no '.join(missing)}. A recipe has {' and '.join(_PARTS)}.")
    return Recipe(str(module.NAME), where, module)
