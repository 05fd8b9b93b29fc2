"""Reads IRs as users name them."""

import os
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.ov_api import ov


def read_ir(path: str | os.PathLike):
    """The ov.Model of an IR's .xml. Raises RecipeError, naming the file, where it is none, or its .bin is missing."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path}: no such file. Give an IR (.xml), as `deepspeech-recipe convert` writes it.")
    with reading(path), path.open("rb") as file:
        start = file.read(4096)
    # Asked first: OpenVINO tries every frontend it has on another file, and each writes to stderr.
    if b"<net" not in start:
        raise RecipeError(f"{path}: is no IR. Give the .xml that `deepspeech-recipe convert` or mo wrote.")
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise RecipeError(f"{path}: its weights '{weights.name}' are not beside it. Copy both files.")
    try:
        return ov.Core().read_model(str(path))
    except RuntimeError as error:
        raise RecipeError(f"{path}: is no IR that OpenVINO can read ({last_line(error)}).") from None


def last_line(error: Exception) -> str:
    """What OpenVINO's many-line errors end with."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
