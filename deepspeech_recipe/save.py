"""Writes IRs: all files of a conversion appear together, or none does."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deepspeech_recipe.audio.precision import keep_audio_fp32
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import check_writable
from deepspeech_recipe.ov_api import ov


def check_output(directory: str | os.PathLike, names) -> None:
    """Raises RecipeError, before any work is done, if the IRs cannot be written."""
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise RecipeError(f"{directory}: is a file; give a directory for the IR.")
    parent = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RecipeError(f"{directory}: no permission to write in the directory '{parent}'.")
    for name in names:
        if not name or name != Path(name).name or name in (".", ".."):
            raise RecipeError(f"The name {name!r} is no file name.")
        if directory.exists():
            for suffix in (".xml", ".bin"):
                check_writable(directory / f"{name}{suffix}")


def save_irs(models: Mapping, directory: str | os.PathLike, *, fp16: bool = False) -> list[Path]:
    """Writes `<name>.xml` and `<name>.bin` for each model of name → ov.Model; returns their paths.

    The directory is made where it is missing. fp16: weights in half precision, but for constants of audio parts.
    Raises RecipeError where nothing can be written, the disk is full for one.
    """
    check_output(directory, models)
    directory = Path(directory)
    made = not directory.exists()
    temporary = None
    files = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".deepspeech-recipe-", dir=directory))
        for name, model in models.items():
            keep_audio_fp32(model)
            ov.save_model(model, temporary / f"{name}.xml", compress_to_fp16=fp16)
        for name in models:
            for suffix in (".bin", ".xml"):
                os.replace(temporary / f"{name}{suffix}", directory / f"{name}{suffix}")
                files.append(directory / f"{name}{suffix}")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        raise RecipeError(f"{directory}: the IR cannot be written ({reason}).") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if made and not files:
            shutil.rmtree(directory, ignore_errors=True)
    return sorted(files, reverse=True)
