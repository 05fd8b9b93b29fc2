"""Output files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.temporary import temporary_directory

TRACEBACK = "DEEPSPEECH_RECIPE_TRACEBACK"
_LONG_MESSAGE, _LONGEST_MESSAGE = 900, 1800
_LONGEST_WORD = 160
_LONGEST_NAME = 255  # bytes, on most file systems
_ENDLESS = {stat.S_ISCHR: "device", stat.S_ISBLK: "device", stat.S_ISFIFO: "pipe", stat.S_ISSOCK: "socket"}
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@contextmanager
def atomic_path(destination: str | os.PathLike) -> Iterator[Path]:
    """Gives a path of the same name in a temporary directory beside it, and renames it when the block ends well.

    When the block raises, `destination` stays as it was. Raises RecipeError if the directory does not exist or
    cannot be written, if `destination` is a directory, or when the disk is full.
    """
    destination = Path(destination)
    check_writable(destination)
    try:
        with temporary_directory(destination.parent) as directory:
            yield directory / destination.name
            os.replace(directory / destination.name, destination)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise RecipeError(f"{destination}: cannot be written ({os.strerror(error.errno)}).") from error
        raise


def check_writable(destination: str | os.PathLike) -> None:
    """Raises RecipeError, before any work is done, if no file can be made at `destination`."""
    destination = Path(destination)
    directory = destination.parent
    if "\0" in str(destination) or len(os.fsencode(destination.name)) > _LONGEST_NAME:
        raise RecipeError(f"{str(destination)[:80]!r} is not the name of a file.")
    if destination.is_dir():
        raise RecipeError(f"{destination}: is a directory; give the name of a file.")
    if not directory.is_dir():
        raise RecipeError(f"{destination}: the directory '{directory}' does not exist; make it first.")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise RecipeError(f"{destination}: no permission to write in the directory '{directory}'.")


def existing_parent(directory: Path) -> Path:
    """The directory, or the next one above it that exists. Raises RecipeError if none can be made there."""
    for path in (directory, *directory.absolute().parents):
        if path.is_dir():
            return path
        if path.is_symlink():
            raise RecipeError(f"{directory}: cannot be made, '{path}' is a link that leads nowhere.")
        if path.exists():
            raise RecipeError(f"{directory}: cannot be made, '{path}' is a file.")
    raise RecipeError(f"{directory}: cannot be made.")


def cache_directory() -> Path:
    """Where this user's caches lie (XDG base directories); it need not exist or be writable."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path(os.path.expanduser("~/.cache"))) / "deepspeech-recipe"


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[None]:
    """Turns the operating system's errors on reading `path` into a RecipeError that names it.

    Devices, pipes and sockets are refused before they are opened: /dev/zero never ends, a pipe may never begin.
    """
    if "\0" in str(path):
        raise RecipeError(one_line(f"{path}: is not the name of a file."))
    try:
        mode = os.stat(path).st_mode if os.path.exists(path) else stat.S_IFREG
        for is_kind, kind in _ENDLESS.items():
            if is_kind(mode):
                raise RecipeError(one_line(f"{path}: is a {kind}, not a file. Write what it gives to a file first."))
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RecipeError(one_line(f"{path}: cannot be read ({reason}).")) from error


@contextmanager
def error_context(path: str | os.PathLike) -> Iterator[None]:
    """Puts `path` in front of a RecipeError from inside that does not name it, and keeps it to one short line.

    What a damaged file says, in names or through a library, may be long and hold control characters.
    """
    try:
        yield
    except Refusal as error:
        if _is_fit(error, path):
            raise
        reason = error.reason if _names(error.reason, path) else f"{path}: {error.reason}"
        raise type(error)(one_line(reason), node=one_line(error.node), remedy=one_line(error.remedy)) from error
    except RecipeError as error:
        if _is_fit(error, path):
            raise
        raise RecipeError(one_line(str(error) if _names(str(error), path) else f"{path}: {error}")) from error


@contextmanager
def last_net(what: str) -> Iterator[None]:
    """Turns an exception that nobody foresaw while a file is read into one line: a file can hold anything.

    what: the file, or what of it is looked at. Damage that is foreseen has messages of its own, which say more; with
    DEEPSPEECH_RECIPE_TRACEBACK=1 in the environment, as in all tests, nothing is caught here.
    """
    try:
        yield
    except (RecipeError, OSError):
        raise
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        raise RecipeError(
            f"{what} is damaged, or unusual in a way that was not foreseen ({type(error).__name__} in {place}: "
            f"{one_line(str(error))}). Copy it again; if other programs read it, please report this line with the file."
        ) from error


def _names(text: str, path: str | os.PathLike) -> bool:
    """A file may be called as a word of the message is."""
    return (f"{path}:" if str(path).isidentifier() else str(path)) in text


def _is_fit(error: RecipeError, path: str | os.PathLike) -> bool:
    return _names(str(error), path) and str(error).isprintable() and len(str(error)) <= _LONG_MESSAGE


def one_line(text: str) -> str:
    """Prepares what a file says, or is called, for a terminal: printable, and not too long.

    If it is long, its long words and lists are shortened, 'a, b, c and 14 more', so that every sentence stays. Only
    what a damaged file or a library says may be longer even so: words in its middle are left out then.
    """
    text = printable(text)
    for shorten in (_with_short_words, _with_short_lists):
        text = text if len(text) <= _LONG_MESSAGE else shorten(text)
    if len(text) <= _LONGEST_MESSAGE:
        return text
    first, last = text[: _LONGEST_MESSAGE // 2], text[-_LONGEST_MESSAGE // 2 :]
    return f"{first.rpartition(' ')[0]} … {last.partition(' ')[2]}"


def _with_short_words(text: str) -> str:
    half = _LONGEST_WORD // 2
    words = (f"{word[:half]}…{word[-half:]}" if len(word) > _LONGEST_WORD else word for word in text.split(" "))
    return " ".join(words)


def _with_short_lists(text: str) -> str:
    """Keeps three of each list 'a, b, c, d, e' that ends a sentence or a bracket."""
    words: list[str] = []
    items: list[str] = []
    for word in text.split(" "):
        items.append(word)
        if word.endswith(","):
            continue
        end = word[len(word.rstrip(".;:)]")) :]
        if end and len(items) > 4:
            items[2:] = [items[2].rstrip(","), f"and {len(items) - 3} more{end}"]
        words += items
        items = []
    return " ".join([*words, *items])


def printable(text: str) -> str:
    """Puts a mark in the place of each letter that a terminal would follow."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def last_line(error: Exception) -> str:
    """What the many lines of a library's error end with, OpenVINO's for one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
