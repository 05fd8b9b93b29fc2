"""Writes IRs: all files of a conversion appear together, or none does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import check_writable, existing_parent, last_line
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.ir.precision import keep_audio_fp32
from deepspeech_recipe.ir.replace import is_whole, replace_irs
from deepspeech_recipe.temporary import temporary_directory

_XML_SIZE = 2**18


def check_output(directory: str | os.PathLike, names) -> None:
    """Raises RecipeError, before any work is done, if the IRs cannot be written."""
    directory = Path(directory)
    try:
        exists = directory.exists()
    except OSError:  # too long
        exists = None
    if exists is None or "\0" in str(directory):
        raise RecipeError(f"{str(directory)[:80]!r} is not the name of a directory.")
    if exists and not directory.is_dir():
        raise RecipeError(f"{directory}: is a file; give a directory for the IR.")
    parent = existing_parent(directory)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RecipeError(f"{directory}: no permission to write in the directory '{parent}'.")
    for name in names:
        if not name or name != Path(name).name or name in (".", ".."):
            raise RecipeError(f"The name {name!r} is not a file name.")
        if exists:
            for suffix in (".xml", ".bin"):
                check_writable(directory / f"{name}{suffix}")


def save_irs(models: Mapping, directory: str | os.PathLike) -> list[Path]:
    """Writes `<name>.xml` and `<name>.bin` for each model of name → ov.Model; returns their paths.

    The first is the model, the others are parts of it. Pairs that are there already are replaced (`replace_ir`).
    The directory is made if it is missing.
    Raises RecipeError if nothing can be written, for example because the disk is full.
    """
    directory = Path(directory)
    check_output(directory, models)
    made = [path for path in (directory, *directory.parents) if not path.exists()]
    files = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with temporary_directory(directory) as temporary:
            written = {name: temporary / f"{name}.xml" for name in models}
            for name, model in models.items():
                keep_audio_fp32(model)
                _save(model, written[name])
            files = replace_irs(written, directory, temporary)
    except OSError as error:
        raise RecipeError(f"{directory}: the IR cannot be written ({error.strerror or error}).") from error
    finally:
        if not files:
            _remove_empty(made)
    return files


def _save(model, xml: Path) -> None:
    """OpenVINO does not say why it could not write a file, or that it wrote a part of a small one only."""
    try:
        ov.save_model(model, xml, compress_to_fp16=False)
        reason = "" if is_whole(xml) else "a file is not whole"
    except RuntimeError as error:
        reason = last_line(error)
    if reason:
        sizes = [node.get_byte_size() for node in model.get_ops() if node.get_type_name() == "Constant"]
        _reserve(xml.with_suffix(".probe"), sum(sizes) + _XML_SIZE)
        raise OSError(reason)


def _reserve(path: Path, size: int) -> None:
    """Makes a file of this size. Raises OSError, with the reason, if there is no room."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    path.unlink()


def _remove_empty(directories: list[Path]) -> None:
    """Those that this call made, if nobody has put anything there meanwhile."""
    for path in directories:
        try:
            path.rmdir()
        except OSError:
            return
