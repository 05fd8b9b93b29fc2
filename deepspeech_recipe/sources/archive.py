"""Archives as they are downloaded: .tar, .tar.gz, .tar.bz2, .tar.xz, .zip, or one compressed file.

The model inside is taken out into a temporary directory, read, and the directory removed. Where several models
are inside, full precision goes before quantised, and a file that knows its alphabet before one that does not:
pbmm, pb, pb text, SavedModel, tflite, checkpoint; then the shortest path, then the alphabet.
"""

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from deepspeech_recipe import limits
from deepspeech_recipe.alphabet import read_alphabet, serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.sources.detect import Kind, detect
from deepspeech_recipe.sources.loaded_model import Given, LoadedModel
from deepspeech_recipe.temporary import temporary_directory

_LARGEST_READ = 2**24

PREFERENCE = (Kind.PBMM, Kind.PB, Kind.PB_TEXT, Kind.SAVED_MODEL, Kind.TFLITE, Kind.CHECKPOINT)

# What lies beside models, large or many, and is never one.
_SKIPPED = {".scorer", ".binary", ".arpa", ".lm", ".klm", ".wav", ".flac", ".mp3", ".ogg", ".opus", ".csv", ".gz"}
_SKIPPED |= {".md", ".pdf", ".png", ".jpg", ".html", ".json", ".py", ".so", ".dll", ".dylib", ".exe", ".h", ".zip"}

_USUAL = {".pb", ".pbmm", ".pbtxt", ".tflite"}

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


@dataclass(frozen=True)
class _Member:
    """An ordinary file in an archive; `open` may be called once, before the next member is asked for."""

    name: str
    open: Callable[[], BinaryIO]


def read_archive(path: Path, given: Given, read_model: Callable[[Path, Kind, Given], LoadedModel]) -> LoadedModel:
    """Reads the model inside the archive `path`.

    read_model: reads an unpacked file of a kind.
    Raises RecipeError if the archive is damaged, too large, wants to write outside, or holds no model.
    """
    with temporary_directory() as directory:
        root = Path(directory).resolve()
        skipped = _unpack(path, root)
        chosen, kind, others = _choose(path, root, skipped)
        inside = chosen.relative_to(root).as_posix()
        try:
            metadata, notes = ({}, []) if "alphabet" in given.metadata else _alphabet_beside(chosen, root)
            inner = read_model(chosen, kind, Given({**metadata, **given.metadata}, given.shape))
        except RecipeError as error:
            message = str(error).replace(f"{chosen}", inside).replace(f"{root}{os.sep}", "")
            raise RecipeError(f"{path}: {message}") from error
    notes = [f"'{inside}' taken from the archive", *notes]
    notes += [f"other models in the archive: {', '.join(others)}"] if others else []
    scorers = [name for name in skipped if name.endswith(".scorer")]
    notes += [f"scorer in the archive (not used here): {', '.join(scorers)}"] if scorers else []
    return LoadedModel(
        path,
        f"archive: {inner.kind}",
        inner.graph,
        metadata={**inner.metadata, **metadata},
        notes=(*notes, *inner.notes),
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
        candidates = [(here, kind)] if kind else []
        if kind is Kind.SAVED_MODEL:
            folders.clear()
        else:
            candidates += [(here / name, _file_kind(here / name)) for name in names]
        for candidate, kind in candidates:
            inside = candidate.relative_to(root)
            if kind in PREFERENCE:
                unusual = inside.suffix.lower() not in _USUAL and candidate != here
                rank = (PREFERENCE.index(kind), unusual, len(inside.parts), inside.as_posix())
                found.append((rank, candidate, kind))
    if not found:
        names = sorted({*skipped, *(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())})
        shown = f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else "nothing"
        raise RecipeError(
            f"{path}: holds no model that can be read (.pb, .pbmm, SavedModel, .tflite, checkpoint); inside: {shown}."
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


def _unpack(path: Path, root: Path) -> list[str]:
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
                with member.open() as file, target.open("wb") as out:
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
    """A member's name as a relative path; refused where it leads outside, or into very many folders."""
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
                    yield _Member(_printable(info.name), lambda info=info: archive.extractfile(info))


def _zip_members(file: BinaryIO) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = info.external_attr >> 16 & 0o170000
            if not info.is_dir() and kind in (0, 0o100000):
                yield _Member(_printable(info.filename), lambda info=info: archive.open(info))


def _printable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def _decompress(file: BinaryIO) -> BinaryIO:
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start == b"\xfd7zXZ\0":
        return lzma.LZMAFile(file)
    return file


class _Bounded:
    """A stream that refuses to expand without end, or to read a header of many megabytes at once."""

    def __init__(self, stream: BinaryIO, path: Path, room: float):
        self._stream, self._path, self._room = stream, path, room

    def read(self, size: int) -> bytes:
        if size > _LARGEST_READ:
            raise RecipeError(f"{self._path}: a header of {size} bytes; the archive is damaged.")
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0:
            self._check(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, offset: int) -> None:
        _check_room(self._path, offset, self._room)

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> "_Bounded":
        return self

    def __exit__(self, *_) -> None:
        self.close()
