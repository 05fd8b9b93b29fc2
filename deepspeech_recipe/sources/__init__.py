"""Model files of every kind → one frozen graph and its metadata.

`open_model` recognises a file by its content (`detect`); its name plays no part. The reader of its kind (READERS) makes
a `LoadedModel` of it: `frozen`, `pbmm`, `checkpoint/`, `saved_model/`, `tflite/`, or `archive/` with one inside.
Files that hold weights and no graph get the one of `canonical/`.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from deepspeech_recipe.alphabet import parse_alphabet, read_alphabet, serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, last_net
from deepspeech_recipe.sources.archive.read import read_archive
from deepspeech_recipe.sources.checkpoint.rebuild import read_checkpoint
from deepspeech_recipe.sources.detect import Kind, detect
from deepspeech_recipe.sources.frozen import read_pb, read_pb_text
from deepspeech_recipe.sources.loaded_model import METADATA, Given, LoadedModel
from deepspeech_recipe.sources.pbmm import read_pbmm
from deepspeech_recipe.sources.saved_model.read import read_saved_model
from deepspeech_recipe.sources.tflite.read import read_tflite

__all__ = ["METADATA", "LoadedModel", "open_model"]

# Kinds whose graph may be rebuilt from variables, which do not know its shape.
_REBUILT = (Kind.CHECKPOINT, Kind.SAVED_MODEL, Kind.ARCHIVE)


def open_model(
    path: str | os.PathLike,
    *,
    alphabet: str | os.PathLike | bytes | None = None,
    sample_rate: int | None = None,
    window_ms: int | None = None,
    step_ms: int | None = None,
    n_steps: int | None = None,
    n_context: int | None = None,
    upper_frequency: float | None = None,
    beam_width: int | None = None,
    language: str | None = None,
) -> LoadedModel:
    """Reads a model: .pb, .pbmm, checkpoint, SavedModel, .tflite, or an archive with one of them inside.

    alphabet: an alphabet.txt, or the serialized alphabet as bytes. The keyword arguments are what the file itself
    does not know; they go before what it says. n_steps (-1: open), n_context and upper_frequency (Hz, of the
    MFCCs) shape the graph that is rebuilt from a checkpoint, and are refused for other kinds, whose graphs have them.
    Raises RecipeError, naming the file and the cause, for whatever cannot be read as a model.
    """
    path = Path(path)
    overrides = {
        "alphabet": _serialized(alphabet),
        "sample_rate": _positive("sample rate", sample_rate),
        "window_ms": _positive("window", window_ms),
        "step_ms": _positive("step", step_ms),
        "beam_width": _positive("beam width", beam_width),
        "language": language,
    }
    overrides = {key: value for key, value in overrides.items() if value is not None}
    shape = {"n_steps": n_steps, "n_context": n_context, "upper_frequency": upper_frequency}
    shape = {key: value for key, value in shape.items() if value is not None}
    kind = detect(path)
    if shape and kind not in _REBUILT:
        raise RecipeError(
            f"{path}: only a checkpoint needs {' and '.join(shape)}; this is a {kind.value}, whose graph has its own."
        )
    with error_context(path), last_net(str(path)):
        return replace(_read(path, kind, Given(overrides, shape)), overrides=overrides)


def _read(path: Path, kind: Kind, given: Given) -> LoadedModel:
    return READERS[kind](path, given)


# Another kind of file is another line here, and one in `detect`.
READERS: dict[Kind, Callable[[Path, Given], LoadedModel]] = {
    Kind.PB: read_pb,
    Kind.PB_TEXT: read_pb_text,
    Kind.PBMM: read_pbmm,
    Kind.CHECKPOINT: read_checkpoint,
    Kind.SAVED_MODEL: read_saved_model,
    Kind.TFLITE: read_tflite,
    Kind.ARCHIVE: partial(read_archive, read_model=_read),
}


def _serialized(alphabet) -> bytes | None:
    if alphabet is None:
        return None
    if isinstance(alphabet, (bytes, bytearray)):
        parse_alphabet(bytes(alphabet))
        return bytes(alphabet)
    return serialize_alphabet(read_alphabet(alphabet))


def _positive(what: str, value: int | None) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise RecipeError(f"The {what} must be a whole number above zero, not {value!r}.")
    return value
