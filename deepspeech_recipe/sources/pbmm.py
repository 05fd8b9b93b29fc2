"""TensorFlow's memory-mapped packages (.pbmm).

Layout: raw regions, each aligned; then a MemmappedFileSystemDirectory (name, offset and length of each region);
the last 8 bytes are the directory's offset, little endian. The region `memmapped_package://.` is a GraphDef
whose large constants are `ImmutableConst` nodes (`dtype`, `shape`, `memory_region_name`).
Source: tensorflow/core/util/memmapped_file_system{,_writer}.cc.
"""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path, error_context, reading
from deepspeech_recipe.graphdef.check import check_graph
from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.graphdef.proto import GraphDef, MemmappedFileSystemDirectory, parse
from deepspeech_recipe.graphdef.tensor import numpy_dtype, shape_of
from deepspeech_recipe.sources.loaded_model import Given, LoadedModel
from deepspeech_recipe.sources.mapped import LARGEST_INSIDE, external_at, forget, map_file
from deepspeech_recipe.sources.stream import write_graph

PREFIX = "memmapped_package://"
GRAPH_REGION = PREFIX + "."
# A directory has one short entry a tensor; one this large is not a directory.
_LARGEST_DIRECTORY = 2**24
_PIECE = 2**22


class Package:
    """A package mapped into memory; `skeleton` is its graph with ordinary Consts that are still without content."""

    def __init__(self, path: Path, mapped: mmap.mmap):
        self.path, self._mapped = path, mapped
        self.external: list[External] = []
        self._regions = _read_directory(path, mapped)
        self.content: dict[str, tuple[int, int]] = {}
        if GRAPH_REGION not in self._regions:
            raise RecipeError(f"{path}: the memory-mapped package holds no graph ('{GRAPH_REGION}').")
        offset, size = self._regions[GRAPH_REGION]
        self.skeleton = parse(GraphDef, mapped[offset : offset + size], what=f"{path}: the package's graph")
        check_graph(self.skeleton, path)
        for node in self.skeleton.node:
            if node.op == "ImmutableConst":
                self._make_const(node)
        excess = sum(size for _, size in self.content.values()) - len(mapped)
        reason = f"{path}: its constants share regions, and take {excess} bytes more than the file has"
        limits.check(reason, excess, limits.EXPANDED)

    def _make_const(self, node) -> None:
        region = node.attr["memory_region_name"].s.decode(errors="replace")
        if region not in self._regions:
            raise RecipeError(f"{self.path}: constant '{node.name}' lies in '{region}', which is not in the package.")
        shape = shape_of(node.attr["shape"].shape)
        dtype = numpy_dtype(node.attr["dtype"].type)
        if shape is None or any(size < 0 for size in shape) or dtype.kind == "O":
            raise RecipeError(f"{self.path}: constant '{node.name}' has no fixed shape or is not a number.")
        size = dtype.itemsize
        for dimension in shape:
            size *= dimension
        offset, room = self._regions[region]
        if size > room:
            raise RecipeError(
                f"{self.path}: constant '{node.name}' of shape {list(shape)} needs {size} bytes, "
                f"but its region holds {room}; the file is damaged."
            )
        self.content[node.name] = (offset, size)
        number, shape_message = node.attr["dtype"].type, node.attr["shape"].shape
        tensor = node.attr["value"].tensor
        tensor.dtype = number
        tensor.tensor_shape.CopyFrom(shape_message)
        del node.attr["memory_region_name"], node.attr["shape"]
        node.op = "Const"

    def graph(self):
        """The GraphDef with every constant filled in, large ones as `external` (the skeleton itself; call once)."""
        for node in self.skeleton.node:
            if node.name in self.content:
                self._fill(node.attr["value"].tensor, *self.content[node.name])
        return self.skeleton

    def _fill(self, tensor, offset: int, size: int) -> None:
        outside = external_at(self._mapped, tensor, offset, size) if size > LARGEST_INSIDE else None
        if outside is None:
            tensor.tensor_content = self.read(offset, size)
        else:
            self.external.append(outside)
            tensor.external = outside.number

    def write(self, file) -> None:
        """Writes the graph to a binary file without holding any constant in memory."""
        contents = {name: (size, self._pieces(offset, size)) for name, (offset, size) in self.content.items()}
        write_graph(self.skeleton, file, contents)

    def _pieces(self, offset: int, size: int) -> Iterator[bytes]:
        for at in range(offset, offset + size, _PIECE):
            yield self.read(at, min(_PIECE, offset + size - at))

    def read(self, offset: int, size: int) -> bytes:
        data = self._mapped[offset : offset + size]
        forget(self._mapped, offset, size)
        return data


@contextmanager
def open_package(path: str | os.PathLike) -> Iterator[Package]:
    """Maps a .pbmm file. Raises RecipeError if it is cut off or damaged, or cannot be read."""
    path = Path(path)
    with _mapped(path) as mapped, error_context(path):
        yield Package(path, mapped)


def _mapped(path: Path) -> mmap.mmap:
    with reading(path):
        if path.stat().st_size <= 8:
            raise RecipeError(f"{path}: is too short for a memory-mapped package; it is cut off.")
    return map_file(path)


def read_pbmm(path: Path, given: Given) -> LoadedModel:
    """Reads a .pbmm file as an ordinary GraphDef; the file stays mapped as long as the model lives."""
    with error_context(path):
        package = Package(path, _mapped(path))
        count, regions_size = len(package.content), sum(size for _, size in package.content.values())
        note = f"{count} constants ({regions_size} bytes) unpacked from the memory-mapped package"
        return LoadedModel(path, "pbmm", package.graph(), notes=(note,), external=tuple(package.external))


def unpack(source: str | os.PathLike, destination: str | os.PathLike) -> None:
    """Writes the graph of a .pbmm file as an ordinary .pb, which appears whole or not at all."""
    with open_package(source) as package, atomic_path(destination) as temporary, temporary.open("wb") as file:
        package.write(file)


def has_directory(path: Path) -> bool:
    """True if the file ends in a package's directory, however damaged the rest may be."""
    with reading(path), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        offset = int.from_bytes(file.read(8), "little")
        if size <= 8 or not 0 < size - 8 - offset < _LARGEST_DIRECTORY or offset > size - 8:
            return False
        file.seek(offset)
        return PREFIX.encode() in file.read(size - 8 - offset)


def _read_directory(path: Path, mapped: mmap.mmap) -> dict[str, tuple[int, int]]:
    """Region name → offset and length, every one checked to lie in the file and apart from the others."""
    size = len(mapped)
    end = int.from_bytes(mapped[max(0, size - 8) :], "little")
    if size <= 8 or end > size - 8:
        raise RecipeError(f"{path}: the package's directory would lie outside the file; it is cut off or damaged.")
    if size - 8 - end > _LARGEST_DIRECTORY:
        raise RecipeError(f"{path}: the package's directory would be {size - 8 - end} bytes; the file is damaged.")
    what = f"{path}: the package's directory"
    elements = parse(MemmappedFileSystemDirectory, mapped[end : size - 8], what=what).element
    # TensorFlow before 1.14 wrote no lengths: a region ends where the next begins.
    has_lengths = any(element.length for element in elements)
    regions: dict[str, tuple[int, int]] = {}
    for element in reversed(elements):
        if element.name in regions:
            raise RecipeError(f"{path}: the package holds '{element.name}' twice; the file is damaged.")
        length = element.length if has_lengths else end - element.offset
        if element.offset >= end or element.offset + length > end:
            raise RecipeError(
                f"{path}: region '{element.name}' ({element.length} bytes at {element.offset}) overlaps the next "
                f"or lies outside the file; the file is damaged."
            )
        regions[element.name] = (element.offset, length)
        end = element.offset
    return regions
