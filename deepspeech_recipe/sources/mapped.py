"""Large constants of a serialized GraphDef, left where they are in the file."""

import math
import mmap
from functools import partial
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.graphdef.proto import GraphDef, Message, TensorProto, parse
from deepspeech_recipe.graphdef.tensor import DT_BFLOAT16, is_number, numpy_dtype, shape_of
from deepspeech_recipe.sources import wire

# Bytes of a constant that lies in the graph. Larger ones have 256 elements at least, so that converters take them out
# of the graph before it is given up, and with it what lies outside.
LARGEST_INSIDE = 2**18
_WAY = (wire.NODE, wire.ATTR, wire.VALUE, wire.TENSOR, wire.CONTENT)  # to a constant's bytes


def map_file(path: Path) -> mmap.mmap:
    """The file's bytes, in memory as far as they are read."""
    with reading(path), path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def forget(mapped: mmap.mmap, offset: int, size: int) -> None:
    """Lets go of pages that have been read; the kernel would only do so under pressure."""
    first = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (offset + size - first) // mmap.PAGESIZE * mmap.PAGESIZE
    if length > 0 and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED, first, length)


def external_at(mapped: mmap.mmap, tensor, offset: int, size: int) -> External | None:
    """The constant whose type and shape are a TensorProto's, and whose bytes lie there; None if they do not fit, or
    are not numbers as numpy has them."""
    shape = shape_of(tensor.tensor_shape)
    if shape is None or min(shape, default=0) < 0 or not is_number(tensor.dtype) or tensor.dtype == DT_BFLOAT16:
        return None
    count, dtype = math.prod(shape), numpy_dtype(tensor.dtype).newbyteorder("<")
    if count * dtype.itemsize != size:
        return None
    values = np.frombuffer(mapped, dtype, count, offset).reshape(shape)
    return External(values, forget=partial(forget, mapped, offset, size))


def parse_mapped(mapped: mmap.mmap) -> tuple[Message, list[External]] | None:
    """The GraphDef of a mapped file, and the constants that stay in it; None if there are none, or anything about the
    file is unusual: then protobuf has to read all of it."""
    places: list[tuple[int, int]] = []
    try:
        graph = parse(GraphDef, _without(mapped, 0, len(mapped), _WAY, places), what="")
    except (RecipeError, IndexError, ValueError):
        return None
    tensors = [node.attr["value"].tensor for node in graph.node if node.op == "Const"]
    tensors = [tensor for tensor in tensors if tensor.external]
    if [tensor.external for tensor in tensors] != [*range(1, len(places) + 1)]:
        return None
    found = [external_at(mapped, tensor, *place) for tensor, place in zip(tensors, places, strict=True)]
    kept = [each for each in found if each is not None]
    if not kept or len(kept) < len(tensors) or any(tensor.tensor_content for tensor in tensors):
        return None
    for tensor, each in zip(tensors, kept, strict=True):
        tensor.external = each.number
    return graph, kept


def _without(data: mmap.mmap, start: int, end: int, way: tuple[int, ...], places: list) -> bytes:
    """The message data[start:end] with the place in `places`, from 1 on, of each large constant in place of its bytes.

    Raises ValueError or IndexError if it is not a message."""
    parts, copied = [], start
    for tag, at, begin, stop in wire.fields(data, start, end):
        if tag != way[0] or stop - begin < LARGEST_INSIDE:
            continue
        if len(way) > 1:
            inner = _without(data, begin, stop, way[1:], places)
            field = wire.header(tag, len(inner)) + inner
        else:
            places.append((begin, stop - begin))
            field = TensorProto(external=len(places)).SerializeToString()
        parts += [data[copied:at], field]
        copied = stop
    return b"".join([*parts, data[copied:end]])
