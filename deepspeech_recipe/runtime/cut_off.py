"""Recognises audio files that end too early, where libsndfile reads what there is without a word."""

import struct
from pathlib import Path

from deepspeech_recipe.errors import RecipeError

# What programs write as the size when they do not know it: into a pipe, for one.
_UNKNOWN_SIZE = 0x7FFF0000
_LARGEST_PAGE = 2**16
_LAST_PAGE_FLAG = 4


def check_complete(path: Path) -> None:
    """Raises RecipeError for a WAV shorter than its header says, and for an OGG without its last page."""
    with path.open("rb") as file:
        start = file.read(12)
        size = file.seek(0, 2)
        if start[:4] == b"RIFF" and start[8:] == b"WAVE":
            _check_wav(path, file, size)
        elif start[:4] == b"OggS":
            file.seek(max(0, size - _LARGEST_PAGE))
            _check_ogg(path, file.read())


def _check_wav(path: Path, file, size: int) -> None:
    at = 12
    while at + 8 <= size:
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind == b"data":
            present = size - at - 8
            if present < length < _UNKNOWN_SIZE:
                raise RecipeError(f"{path}: is cut off: {present} of {length} bytes of audio are there.")
            return
        at += 8 + length + length % 2
    raise RecipeError(f"{path}: is cut off or damaged: a WAV file without audio data.")


def _check_ogg(path: Path, end: bytes) -> None:
    page = end[max(0, end.rfind(b"OggS")) :]
    sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if not sizes or not page[5] & _LAST_PAGE_FLAG or len(page) < 27 + len(sizes) + sum(sizes):
        raise RecipeError(f"{path}: is cut off: its last page is missing.")
