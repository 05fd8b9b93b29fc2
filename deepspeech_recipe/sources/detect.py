"""Tells kinds of model files apart by their content."""

import enum
import os
import re
from pathlib import Path

from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.files import reading
from deepspeech_recipe.sources import pbmm

# The magic number at the end of a checkpoint's .index (a LevelDB table).
_TABLE_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")
_TEXT = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}


class Kind(enum.Enum):
    """What a model file may be, by the name that users read."""

    PB = "pb"
    PB_TEXT = "pb text"
    PBMM = "pbmm"
    CHECKPOINT = "checkpoint"
    SAVED_MODEL = "saved_model"
    TFLITE = "tflite"
    ARCHIVE = "archive"


ARCHIVE_MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04", b"PK\x05\x06")

# What people hold in their hands by mistake: first bytes → what it is, and what to give instead.
_OTHERS = (
    (b"\x89HDF", "a HDF5 file (Keras weights)", "give the frozen graph or the checkpoint"),
    (b"mmap lm http", "a scorer (language model)", "give the acoustic model, and the scorer with --scorer"),
    (b"RIFF", "a sound file", "give the acoustic model"),
    (b"fLaC", "a sound file", "give the acoustic model"),
    (b"OggS", "a sound file", "give the acoustic model"),
    (b"%PDF", "a PDF document", "give the acoustic model"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it with `git lfs pull`"),
)


def detect(path: Path) -> Kind:
    """The kind of model at `path` (for a checkpoint also a prefix).

    Raises RecipeError if there is nothing, or what is there is not a model.
    """
    if checkpoint_prefix_exists(path):
        return Kind.CHECKPOINT
    with reading(path):
        if not path.exists():
            raise RecipeError(f"{path}: does not exist.")
        if path.is_dir():
            return _detect_directory(path)
        with path.open("rb") as file:
            start = file.read(4096)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8))
            end = file.read(8)
    return _detect_file(path, start, end)


def checkpoint_prefix_exists(path: Path) -> bool:
    """True for `DIR/best_dev-1234` if `DIR/best_dev-1234.index` or a data file of it exists."""
    parent = path.parent
    if path.exists() or not parent.is_dir() or not path.name:
        return False
    with reading(parent):
        names = os.listdir(parent)
    return any(name == f"{path.name}.index" or name.startswith(f"{path.name}.data-") for name in names)


def _detect_directory(path: Path) -> Kind:
    names = sorted(os.listdir(path))
    if "saved_model.pb" in names or "saved_model.pbtxt" in names:
        return Kind.SAVED_MODEL
    if any(name.endswith(".index") or ".data-" in name for name in names) or "checkpoint" in names:
        return Kind.CHECKPOINT
    found = f"it holds {some_of(names)}" if names else "it is empty"
    raise RecipeError(
        f"{path}: is a directory without a model: neither saved_model.pb nor a checkpoint's .index was found "
        f"({found}). Name the model file itself."
    )


def _detect_file(path: Path, start: bytes, end: bytes) -> Kind:
    if not start:
        raise RecipeError(f"{path}: is empty.")
    if start[4:8] == b"TFL3":
        return Kind.TFLITE
    if start.startswith(ARCHIVE_MAGICS) or start[257:262] == b"ustar":
        return Kind.ARCHIVE
    if end == _TABLE_MAGIC or _SHARD.search(path.name):  # a data file is nothing but numbers
        return Kind.CHECKPOINT
    if pbmm.has_directory(path):
        return Kind.PBMM
    for magic, what, remedy in _OTHERS:
        if start.startswith(magic):
            raise RecipeError(f"{path}: is {what}; {remedy}.")
    if _is_text(start):
        return _detect_text(path, start)
    _refuse_onnx(path, start)
    return Kind.PB


def _is_text(start: bytes) -> bool:
    if not all(byte in _TEXT or byte >= 0x80 for byte in start):
        return False
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.end == len(start)  # cut within a character
    return True


def _detect_text(path: Path, start: bytes) -> Kind:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        what = "an OpenVINO IR already" if b"<net" in text else "an XML or HTML file"
        raise RecipeError(f"{path}: is {what}; give the model it was made from.")
    if text.startswith(b"model_checkpoint_path"):
        return Kind.CHECKPOINT
    if b"{" not in text or b":" not in text:
        raise RecipeError(f"{path}: is a text file, but not a text graph; give the model file.")
    return Kind.PB_TEXT


def _refuse_onnx(path: Path, start: bytes) -> None:
    """An ONNX model begins with its small version number and then, mostly, its producer's name."""
    if len(start) > 3 and start[0] == 0x08 and 0 < start[1] < 32 and start[2:3] == b"\x12":
        name = start[4 : 4 + start[3]]
        if name and all(byte in _TEXT for byte in name) and len(name) == start[3]:
            raise RecipeError(
                f"{path}: is an ONNX model (made by {name.decode()}); DeepSpeech's frozen graph is needed."
            )
