"""Archives as they are downloaded: .tar, .tar.gz, .tar.bz2, .tar.xz, .zip, or one compressed file.

The model inside is taken out into a temporary directory, read, and the directory removed. If several models
are inside, full precision goes before quantised, and a file that knows its alphabet before one that does not:
pbmm, pb, pb text, SavedModel, tflite, checkpoint; then the shortest path, then the alphabet.
"""

import os
from collections.abc import Callable
from pathlib import Path

from deepspeech_recipe.alphabet import read_alphabet, serialize_alphabet
from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.sources.archive.unpacking import unpack_archive
from deepspeech_recipe.sources.detect import Kind, detect
from deepspeech_recipe.sources.loaded_model import Given, LoadedModel
from deepspeech_recipe.temporary import temporary_directory

_PREFERENCE = (Kind.PBMM, Kind.PB, Kind.PB_TEXT, Kind.SAVED_MODEL, Kind.TFLITE, Kind.CHECKPOINT)

_USUAL = {".pb", ".pbmm", ".pbtxt", ".tflite"}


def read_archive(path: Path, given: Given, read_model: Callable[[Path, Kind, Given], LoadedModel]) -> LoadedModel:
    """Reads the model inside the archive `path`.

    read_model: reads an unpacked file of a kind.
    Raises RecipeError if the archive is damaged, too large, wants to write outside, or holds no model.
    """
    with temporary_directory() as directory:
        root = Path(directory).resolve()
        skipped = unpack_archive(path, root)
        chosen, kind, others = _choose(path, root, skipped)
        inside = chosen.relative_to(root).as_posix()
        try:
            metadata, notes = ({}, []) if "alphabet" in given.metadata else _alphabet_beside(chosen, root)
            inner = read_model(chosen, kind, Given({**metadata, **given.metadata}, given.shape))
        except RecipeError as error:
            message = str(error).replace(f"{chosen}", inside).replace(f"{root}{os.sep}", "")
            raise RecipeError(f"{path}: {message}") from error
    notes = [f"'{inside}' taken from the archive", *notes]
    notes += [f"other models in the archive: {some_of(others)}"] if others else []
    scorers = [name for name in skipped if name.endswith(".scorer")]
    notes += [f"scorer in the archive (not used here): {some_of(scorers)}"] if scorers else []
    return LoadedModel(
        path,
        f"archive: {inner.kind}",
        inner.graph,
        metadata={**inner.metadata, **metadata},
        notes=(*notes, *inner.notes),
        external=inner.external,
    )


def _alphabet_beside(chosen: Path, root: Path) -> tuple[dict, list[str]]:
    """The alphabet.txt next to the model, or above it."""
    for directory in (chosen, *chosen.parents):
        if (directory / "alphabet.txt").is_file():
            labels = read_alphabet(directory / "alphabet.txt")
            return {"alphabet": serialize_alphabet(labels)}, [f"alphabet.txt of {len(labels)} labels beside it"]
        if directory == root:
            break
    return {}, []


def _choose(path: Path, root: Path, skipped: list[str]) -> tuple[Path, Kind, list[str]]:
    """The model to take, its kind, and the names of the other models."""
    found: list[tuple[tuple, Path, Kind]] = []
    for directory, folders, names in os.walk(root):
        here = Path(directory)
        kind = _kind_or_none(here)
        candidates: list[tuple[Path, Kind | None]] = [(here, kind)] if kind else []
        if kind is Kind.SAVED_MODEL:
            folders.clear()
        else:
            candidates += [(here / name, _file_kind(here / name)) for name in names]
        for candidate, kind in candidates:
            inside = candidate.relative_to(root)
            if kind is not None and kind in _PREFERENCE:
                unusual = inside.suffix.lower() not in _USUAL and candidate != here
                rank = (_PREFERENCE.index(kind), unusual, len(inside.parts), inside.as_posix())
                found.append((rank, candidate, kind))
    if not found:
        names = sorted({*skipped, *(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())})
        raise RecipeError(
            f"{path}: holds no model that can be read (.pb, .pbmm, SavedModel, .tflite, checkpoint); inside: "
            f"{some_of(names, none='nothing')}."
        )
    found.sort(key=lambda item: item[0])
    _, chosen, kind = found[0]
    return chosen, kind, [candidate.relative_to(root).as_posix() for _, candidate, _ in found[1:]]


def _kind_or_none(path: Path) -> Kind | None:
    try:
        return detect(path)
    except RecipeError:
        return None


def _file_kind(path: Path) -> Kind | None:
    """The kind of one file; parts of checkpoints belong to their directory, and a graph begins with a node."""
    kind = _kind_or_none(path)
    with path.open("rb") as file:
        is_graph = file.read(1) == b"\n"
    return None if kind is Kind.CHECKPOINT or (kind is Kind.PB and not is_graph) else kind
