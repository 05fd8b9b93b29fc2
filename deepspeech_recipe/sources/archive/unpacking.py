"""Unpacks an archive below a directory: no more than it explains, nothing outside, no links and devices."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading

_LARGEST_READ = 2**24

# What lies beside models, large or many, and is never one.
_SKIPPED = {".scorer", ".binary", ".arpa", ".lm", ".klm", ".wav", ".flac", ".mp3", ".ogg", ".opus", ".csv", ".gz"}
_SKIPPED |= {".md", ".pdf", ".png", ".jpg", ".html", ".json", ".py", ".so", ".dll", ".dylib", ".exe", ".h", ".zip"}

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
)


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class _Member:
    """An ordinary file in an archive; `open` may be called once, before the next member is asked for."""

    name: str
    open: Callable[[], _Stream]


def unpack_archive(path: Path, root: Path) -> list[str]:
    """Writes the members that may be models below `root`; returns the names of those left out."""
    skipped, written, folders, count = [], 0, {root}, 0
    try:
        with reading(path):
            room = _room(path)
            for member in _members(path, room):
                target = root / _inside(path, member.name)
                if target.suffix.lower() in _SKIPPED:
                    skipped.append(member.name)
                    continue
                count += 1
                folders.update(folder for folder in target.parents if root in folder.parents)
                if count > limits.allowed(limits.MEMBERS) or len(folders) > limits.allowed(limits.FOLDERS):
                    raise RecipeError(
                        f"{path}: holds more than {count - 1} files in {len(folders)} folders; "
                        "unpack it and name the model."
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                with closing(member.open()) as file, target.open("wb") as out:
                    while piece := file.read(2**20):
                        written += len(piece)
                        _check_room(path, written, room)
                        out.write(piece)
    except _DAMAGE as error:
        raise RecipeError(f"{path}: the archive cannot be read ({error or type(error).__name__}).") from error
    return skipped


def _room(path: Path) -> float:
    """The bytes that an archive may unpack to: models hardly get smaller, what unpacks to a hundred times its size is
    none."""
    return 10 * path.stat().st_size + limits.allowed(limits.UNPACKED)


def _check_room(path: Path, written: int, room: float) -> None:
    if written > room:
        raise RecipeError(f"{path}: unpacks to more than {room:.0f} bytes; unpack it and name the model.")


def _inside(path: Path, name: str) -> str:
    """A member's name as a relative path; refused if it leads outside, or into very many folders."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise RecipeError(f"{path}: member {name!r} would be written outside; the archive is not safe.")
    if len(parts) > limits.allowed(limits.DEPTH):
        raise RecipeError(f"{path}: holds files {len(parts) - 1} folders deep; unpack it and name the model.")
    return "/".join(parts)


def _members(path: Path, room: float) -> Iterator[_Member]:
    """The ordinary files of an archive; links and devices are passed over."""
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            yield from _zip_members(file)
            return
        file.seek(0)
        stream = _Bounded(_decompress(file), path, room)
        is_tar = stream.read(512)[257:262] == b"ustar"
        stream.seek(0)
        if not is_tar:
            yield _Member(path.stem, lambda: stream)
            return
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for info in archive:
                if info.isreg():
                    yield _Member(_printable(info.name), partial(_content, archive, info))


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Stream:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return file


def _zip_members(file: BinaryIO) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = info.external_attr >> 16 & 0o170000
            if not info.is_dir() and kind in (0, 0o100000):
                yield _Member(_printable(info.filename), partial(archive.open, info))


def _printable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def _decompress(file: BinaryIO) -> _Stream:
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start == b"\xfd7zXZ\0":
        return lzma.LZMAFile(file)
    return file


class _Bounded(io.RawIOBase):
    """A stream that refuses to expand without end, or to read a header of many megabytes at once."""

    def __init__(self, stream: _Stream, path: Path, room: float):
        self._stream, self._path, self._room = stream, path, room

    def read(self, size: int = -1, /) -> bytes:
        if size > _LARGEST_READ:
            raise RecipeError(f"{self._path}: a header of {size} bytes; the archive is damaged.")
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 0:
            self._check(offset)
        return self._stream.seek(offset, whence)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, offset: int) -> None:
        _check_room(self._path, offset, self._room)

    def close(self) -> None:
        self._stream.close()
