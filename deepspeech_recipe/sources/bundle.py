"""TensorFlow's checkpoints without TensorFlow: the table of tensors (.index) and their bytes (.data-…-of-…).

The table is LevelDB's format: blocks of entries with shared key prefixes, found through an index block that the last
48 bytes of the file point to (tensorflow/core/lib/io/table_format.txt, tensorflow/core/util/tensor_bundle).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.proto import BundleEntryProto, parse
from deepspeech_recipe.graphdef.tensor import numpy_dtype

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER = 5  # kind of compression, checksum


class Bundle:
    """The tensors of a checkpoint by key: `key in bundle`, `bundle[key]`. Raises RecipeError for damaged files."""

    def __init__(self, prefix: Path):
        """prefix: the path without .index."""
        self._prefix = prefix
        index = prefix.with_name(f"{prefix.name}.index")
        with reading(index):
            data = index.read_bytes()
        try:
            self._entries = {key: value for key, value in _table(data) if key}
        except (IndexError, ValueError) as error:
            raise RecipeError(f"{index}: is no table of a checkpoint, or damaged ({error}). Copy it again.") from None
        shards = sorted(prefix.parent.glob(f"{prefix.name}.data-*-of-*"))
        self._shards = {int(shard.name.rpartition(".data-")[2][:5]): shard for shard in shards}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> np.ndarray:
        entry = parse(BundleEntryProto, self._entries[key], what=f"{self._prefix}: the entry of '{key}'")
        shape = [dim.size for dim in entry.shape.dim]
        dtype = numpy_dtype(entry.dtype)
        shard = self._shards.get(entry.shard_id)
        if shard is None or dtype.kind == "O":
            reason = "its data file is missing" if shard is None else "it holds text"
            raise RecipeError(f"{self._prefix}: '{key}' cannot be read: {reason}.")
        with reading(shard), shard.open("rb") as file:
            file.seek(entry.offset)
            data = file.read(entry.size)
        if len(data) != entry.size or entry.size != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
            raise RecipeError(f"{shard}: ends before '{key}' does, or holds another size of it. Copy it again.")
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def _table(data: bytes) -> Iterator[tuple[str, bytes]]:
    if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise ValueError("its end is another")
    footer = data[-_FOOTER:]
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)
    for _, handle in _block(data, footer[at:]):
        yield from ((key.decode(), value) for key, value in _block(data, handle))


def _block(data: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset, at = _varint(handle, 0)
    size, _ = _varint(handle, at)
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
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
