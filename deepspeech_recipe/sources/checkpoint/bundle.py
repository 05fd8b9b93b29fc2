"""TensorFlow's checkpoints without TensorFlow: the table of tensors (.index) and their bytes (.data-…-of-…).

The table is LevelDB's format: blocks of entries with shared key prefixes, found through an index block that the last
48 bytes of the file point to (tensorflow/core/lib/io/table_format.txt, tensorflow/core/util/tensor_bundle).
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.proto import BundleEntryProto, BundleHeaderProto, parse
from deepspeech_recipe.graphdef.tensor import is_number, numpy_dtype, shape_of
from deepspeech_recipe.sources.checkpoint.crc32c import masked_crc32c
from deepspeech_recipe.sources.checkpoint.files import data_files
from deepspeech_recipe.sources.wire import read_varint

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER = 5  # kind of compression, checksum


# Keys share prefixes, of which every sixteenth is written out.
_PREFIXES = 16


class Bundle:
    """The tensors of a checkpoint by key: `key in bundle`, `bundle[key]`. Raises RecipeError for damaged files.

    shapes: key → shape. stored: bytes in the data files, of which the index says how many there are.
    """

    def __init__(self, prefix: Path):
        """prefix: the path without .index."""
        self._prefix = prefix
        index = prefix.with_name(f"{prefix.name}.index")
        with reading(index):
            data = index.read_bytes()
        try:
            entries = dict(_table(data))
        except (IndexError, ValueError) as error:
            raise RecipeError(
                f"{index}: is not a table of a checkpoint, or damaged ({error}). Copy it again."
            ) from None
        header = parse(BundleHeaderProto, entries.pop("", b""), what=f"{index}: its first entry")
        if header.endianness:
            raise RecipeError(f"{index}: was written by a big-endian machine. Save the checkpoint again on another.")
        self._shards = data_files(prefix, header.num_shards)
        with reading(prefix):
            sizes = [shard.stat().st_size for shard in self._shards]
        what = f"{index}: the entry of"
        self._entries = {key: parse(BundleEntryProto, value, what=f"{what} '{key}'") for key, value in entries.items()}
        self.shapes = {key: shape_of(entry.shape) or () for key, entry in self._entries.items()}
        _check_places(index, self._entries, sizes)
        self.stored = sum(sizes)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> np.ndarray:
        """The tensor, in the type that it was saved in."""
        entry = self._entries[key]
        if not is_number(entry.dtype):
            raise RecipeError(f"{self._prefix}: '{key}' cannot be read: it does not hold numbers.")
        shape, dtype, shard = self.shapes[key], numpy_dtype(entry.dtype), self._shards[entry.shard_id]
        with reading(shard), shard.open("rb") as file:
            file.seek(entry.offset)
            data = file.read(entry.size)
        if len(data) != dtype.itemsize * math.prod(shape):
            raise RecipeError(f"{shard}: ends before '{key}' does, or holds it in parts. Copy it again.")
        if masked_crc32c(data) != entry.crc32c:
            raise RecipeError(f"{shard}: '{key}' is damaged: its checksum is another. Copy the file again.")
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def _check_places(index: Path, entries: dict, sizes: list[int]) -> None:
    """Every tensor has as many bytes of its own in a data file as its shape takes: else a small file would stand for a
    large model."""
    ends: dict[int, int] = {}
    for key, entry in entries.items():
        shape = shape_of(entry.shape) or ()
        wanted = math.prod(shape) * (numpy_dtype(entry.dtype).itemsize if is_number(entry.dtype) else 1)
        # What is stored in parts has no size of its own here.
        fits = wanted in (entry.size, *([] if entry.size else [min(wanted, sum(sizes))]))
        if min(shape, default=0) < 0 or (is_number(entry.dtype) and not fits):
            raise RecipeError(
                f"{index}: '{key}' of shape {list(shape)} has {entry.size} bytes; the checkpoint is damaged. Copy it "
                "again."
            )
    placed = [(entry.shard_id, entry.offset, entry.size, key) for key, entry in entries.items() if entry.size]
    for shard, offset, size, key in sorted(placed):
        if offset < ends.get(shard, 0):
            raise RecipeError(
                f"{index}: '{key}' ({size} bytes at {offset}) overlaps another tensor; the checkpoint is damaged. Copy "
                "it again."
            )
        if not 0 <= shard < len(sizes):
            raise RecipeError(f"{index}: '{key}' lies in a data file {shard} of {len(sizes)}; it is damaged.")
        if offset < 0 or size < 0 or offset + size > sizes[shard]:
            raise RecipeError(f"{index}: the data file ends before '{key}' does. Copy both again.")
        ends[shard] = offset + size


def _table(data: bytes) -> Iterator[tuple[str, bytes]]:
    if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise ValueError("its end is another")
    footer = data[-_FOOTER:]
    _, at = read_varint(footer, 0)
    _, at = read_varint(footer, at)
    room, end = _PREFIXES * len(data), 0
    for _, handle in _block(data, footer[at:]):
        start, _ = read_varint(handle, 0)
        if start < end:
            raise ValueError("blocks overlap")
        end = start + 1
        for key, value in _block(data, handle):
            room -= len(key)
            if room < 0:
                raise ValueError("its keys are longer than the file")
            yield key.decode(), value


def _block(data: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset, at = read_varint(handle, 0)
    size, _ = read_varint(handle, at)
    block, trailer = data[offset : offset + size], data[offset + size : offset + size + _TRAILER]
    if len(block) != size or len(trailer) != _TRAILER:
        raise ValueError("a block is cut off")
    if trailer[0]:
        raise ValueError("it is compressed, as TensorFlow never writes it")
    end = size - 4 * (1 + int.from_bytes(block[-4:], "little"))
    if end < 0:
        raise ValueError("a block is too short")
    key, at = b"", 0
    while at < end:
        shared, at = read_varint(block, at)
        fresh, at = read_varint(block, at)
        length, at = read_varint(block, at)
        if shared > len(key) or at + fresh + length > end:
            raise ValueError("an entry leads outside of its block")
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length
