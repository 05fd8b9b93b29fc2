"""Output files that appear whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepspeech_recipe.errors import RecipeError, Refusal

_LONGEST_MESSAGE = 700
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@contextmanager
def atomic_path(destination: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path beside `destination` to write to, and renames it when the block ends well.

    The temporary name keeps the suffix, for writers that look at it. When the block raises, the temporary
    file is removed and `destination` stays as it was. Raises RecipeError if the directory does not exist or
    cannot be written, if `destination` is a directory, or when the disk is full.
    """
    destination = Path(destination)
    check_writable(destination)
    temporary = destination.with_name(f".{destination.stem}.{secrets.token_hex(4)}.part{destination.suffix}")
    try:
        yield temporary
        os.replace(temporary, destination)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise RecipeError(f"{destination}: cannot be written ({os.strerror(error.errno)}).") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(destination: str | os.PathLike) -> None:
    """Raises RecipeError, before any work is done, if no file can be made at `destination`."""
    destination = Path(destination)
    directory = destination.parent
    if destination.is_dir():
        raise RecipeError(f"{destination}: is a directory; give the name of a file.")
    if not directory.is_dir():
        raise RecipeError(f"{destination}: the directory '{directory}' does not exist; make it first.")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise RecipeError(f"{destination}: no permission to write in the directory '{directory}'.")


def cache_directory() -> Path:
    """Where this user's caches lie (XDG base directories); it need not exist or be writable."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path(os.path.expanduser("~/.cache"))) / "deepspeech-recipe"


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[None]:
    """Turns the operating system's errors on reading `path` into a RecipeError that names it."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RecipeError(f"{path}: cannot be read ({reason}).") from error


@contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Puts `path` in front of a RecipeError from inside that does not name it, and keeps it to one short line.

    What a damaged file says, in names or through a library, may be long and hold control characters.
    """
    try:
        yield
    except Refusal as error:
        if _is_fit(error, path):
            raise
        reason = error.reason if str(path) in error.reason else f"{path}: {error.reason}"
        raise Refusal(_short(reason), node=_short(error.node), remedy=_short(error.remedy)) from error
    except RecipeError as error:
        if _is_fit(error, path):
            raise
        raise RecipeError(_short(str(error) if str(path) in str(error) else f"{path}: {error}")) from error


def _is_fit(error: RecipeError, path: str | os.PathLike) -> bool:
    return str(path) in str(error) and str(error).isprintable() and len(str(error)) <= _LONGEST_MESSAGE


def _short(text: str) -> str:
    """Printable, and without the middle where it is long."""
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    half = _LONGEST_MESSAGE // 2
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:half]} … {text[-half:]}"
