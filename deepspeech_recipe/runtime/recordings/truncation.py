"""Recognises audio files that end too early, where libsndfile reads what there is without a word."""

from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.recordings.wav_file import is_wav, read_header

_LARGEST_PAGE = 2**16
_LAST_PAGE_FLAG = 4


def check_complete(path: Path) -> None:
    """Raises RecipeError for a WAV shorter than its header says, and for an OGG without its last page."""
    with path.open("rb") as file:
        start = file.read(12)
        if is_wav(start):
            read_header(path, file)
        elif start[:4] == b"OggS":
            size = file.seek(0, 2)
            file.seek(max(0, size - _LARGEST_PAGE))
            _check_ogg(path, file.read())


def _check_ogg(path: Path, end: bytes) -> None:
    page = end[max(0, end.rfind(b"OggS")) :]
    sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if not sizes or not page[5] & _LAST_PAGE_FLAG or len(page) < 27 + len(sizes) + sum(sizes):
        raise RecipeError(f"{path}: is cut off: its last page is missing.")
