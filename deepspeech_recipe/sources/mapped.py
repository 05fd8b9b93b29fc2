"""Large constants of a serialized GraphDef, left where they are in the file."""

import math
import mmap
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.graphdef.proto import GraphDef, Message, TensorProto, parse
from deepspeech_recipe.graphdef.tensor import DT_BFLOAT16, is_number, numpy_dtype, shape_of

LARGEST_INSIDE = 2**18  # bytes of a constant that lies in the graph
# Tags of length-delimited fields on the way to a constant's bytes: GraphDef.node, NodeDef.attr, its entry's value,
# AttrValue.tensor, TensorProto.tensor_content.
_WAY = tuple(number << 3 | 2 for number in (1, 5, 2, 8, 4))
_WIDTHS = {1: 8, 5: 4}  # of fields that are neither numbers nor delimited by a length


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
    except (RecipeError, ValueError):
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

    Raises ValueError if it is not a message."""
    parts, copied = [], start
    for tag, at, begin, stop in _fields(data, start, end):
        if tag != way[0] or stop - begin < LARGEST_INSIDE:
            continue
        if len(way) > 1:
            inner = _without(data, begin, stop, way[1:], places)
            field = bytes([tag]) + _varint(len(inner)) + inner
        else:
            places.append((begin, stop - begin))
            field = TensorProto(external=len(places)).SerializeToString()
        parts += [data[copied:at], field]
        copied = stop
    return b"".join([*parts, data[copied:end]])


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Of each field its tag, where it starts, and from where to where its value is."""
    at = start
    while at < end:
        tag, begin = _number(data, at, end)
        kind = tag & 7
        if kind == 2:
            size, begin = _number(data, begin, end)
        elif kind == 0:
            size = _number(data, begin, end)[1] - begin
        elif kind in _WIDTHS:
            size = _WIDTHS[kind]
        else:
            raise ValueError("groups")
        if begin + size > end:
            raise ValueError("it ends early")
        yield tag, at, begin, begin + size
        at = begin + size


def _number(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    number = 0
    for place in range(min(10, end - at)):
        byte = data[at + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    raise ValueError("a number without an end")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
