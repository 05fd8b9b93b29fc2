"""Finds IRs where users name them. Nothing is loaded for it."""

from __future__ import annotations

import os
from pathlib import Path

from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.files import reading
from deepspeech_recipe.ir.names import FEATURE_PART


def find_ir(path: str | os.PathLike) -> Path | None:
    """The path of an IR's .xml: of one that is named, or of the only one in a folder; None for anything else.

    Audio parts beside an IR do not count. Raises RecipeError if a folder holds several.
    """
    path = Path(path)
    if path.suffix == ".xml" and not path.is_dir():
        return path
    if not path.is_dir():
        return None
    with reading(path):
        found = sorted(each for each in path.glob("*.xml") if not each.stem.endswith(FEATURE_PART))
    if len(found) > 1:
        names = some_of(each.name for each in found)
        raise RecipeError(f"{path}: holds {len(found)} IRs ({names}). Name one.")
    return found[0] if found else None
