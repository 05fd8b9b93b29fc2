"""Model files where an IR is asked for: converted at first use, and kept in the user's cache directory."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from deepspeech_recipe import __version__
from deepspeech_recipe.conversion import pipeline
from deepspeech_recipe.conversion.convert import write_irs
from deepspeech_recipe.conversion.options import check_model
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import cache_directory, error_context, reading
from deepspeech_recipe.ir.find import find_ir
from deepspeech_recipe.ir.options import DYNAMIC, Options, Weights
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.sources.checkpoint.files import find_prefix
from deepspeech_recipe.sources.detect import Kind, detect

_FORM = "1"  # of what is kept
_BESIDE_A_CHECKPOINT = ("alphabet.txt", "flags.txt")


def ir_of(
    model: str | os.PathLike | ov.Model,
    *,
    weights: Weights | None = None,
    alphabet: str | os.PathLike | None = None,
    log: Callable[[str], None] | None = None,
) -> Path | ov.Model:
    """What recognises speech: an IR's path as it is, and of a folder its only one; an ov.Model as it is; a model file
    of any kind as the path of an IR that was made of it, for recordings of any length and any number at once.

    That IR is kept by the content of the model, the options and the versions. If the cache cannot be written, the
    model is converted in memory, to an ov.Model. weights, alphabet: of the conversion. log: gets a line if one is made.
    Raises RecipeError, also for weights of an IR, which has its own.
    """
    if isinstance(model, ov.Model):
        return model
    path = find_ir(model)
    if path is not None:
        if weights is not None:
            raise RecipeError(
                f"{path}: is an IR, whose weights are what they are. --weights is for model files: convert one with "
                f"`deepspeech-recipe convert MODEL -o DIR --weights {weights}`."
            )
        return path
    path, options = Path(model), Options(weights=weights or Options.weights)
    directory = models_directory() / _key(path, options, alphabet)
    kept = directory / "model.xml"
    if kept.is_file() and kept.with_suffix(".bin").is_file():
        return kept
    begin, job = time.monotonic(), _job(path, options, alphabet)
    with error_context(path):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            writable = os.access(directory, os.W_OK | os.X_OK)
        except OSError:
            writable = False
        if not writable:
            return pipeline.convert(job, keep_graph=False)[0]
        try:
            write_irs(job, directory, kept.stem, keep_graph=False)
        finally:
            with suppress(OSError):  # it is not empty: this IR is in it, or another process's
                directory.rmdir()
    if log:
        log(f"{path}: converted in {time.monotonic() - begin:.1f} s and kept as {kept}")
    return kept


def models_directory() -> Path:
    """Where the IRs lie that were made of model files; it need not exist."""
    return cache_directory() / "models"


def _job(path: Path, options: Options, alphabet: str | os.PathLike | None) -> pipeline.Job:
    job = pipeline.start(path, options, {"alphabet": alphabet}, lambda line: None)
    model = job.recognition.acoustic
    if model is None:
        raise RecipeError(f"{path}: is not a model that recognises speech: {job.recognition.why_not}.")
    fixed = model.state_c.kind == "constant" and model.batch is not None
    with error_context(path):
        job.options = replace(options, time_steps=DYNAMIC, batch=None if fixed else DYNAMIC)
        check_model(job.options, job.source, job.recognition)
    return job


def _key(path: Path, options: Options, alphabet: str | os.PathLike | None) -> str:
    """Of the content of all files that a model is read from, and of what is made of them."""
    digest = hashlib.sha256(f"{_FORM} {__version__} {ov.get_version()} {options}".encode())
    files = {str(each.relative_to(path.parent)) if each != path else "": each for each in _files(path)}
    if alphabet is not None:
        files["/alphabet"] = Path(alphabet)
    for name, file in files.items():
        with reading(file), file.open("rb") as stream:
            digest.update(f"\0{name}\0{os.fstat(stream.fileno()).st_size}\0".encode(errors="surrogateescape"))
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:32]


def _files(path: Path) -> Iterator[Path]:
    kind = detect(path)
    if kind is Kind.CHECKPOINT:
        prefix = find_prefix(path)
        beside = (each for each in prefix.parent.iterdir() if each.name.startswith(f"{prefix.name}."))
        files = [*beside, *(prefix.parent / name for name in _BESIDE_A_CHECKPOINT)]
    else:
        files = [*path.rglob("*")] if path.is_dir() else [path]
    yield from sorted(each for each in files if each.is_file())
