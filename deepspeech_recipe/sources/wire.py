"""Protobuf's wire format, as far as it is read and written without protobuf: numbers, and fields with a length.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap

_LONGEST = 10  # bytes of a number
_WIDTHS = {1: 8, 5: 4}  # of fields that are neither numbers nor delimited by a length
# Tags of the fields on the way to a constant's bytes: GraphDef.node, NodeDef.attr, its entry's key and value,
# AttrValue.tensor, TensorProto.tensor_content.
NODE, ATTR, KEY, VALUE, TENSOR, CONTENT = (number << 3 | 2 for number in (1, 5, 1, 2, 8, 4))


def varint(number: int) -> bytes:
    """A number, seven bits a byte."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def read_varint(data: bytes | mmap, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends. Raises ValueError or IndexError if it has no end."""
    number = 0
    for shift in range(0, 7 * _LONGEST, 7):
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
    raise ValueError("a number has no end")


def header(tag: int, size: int) -> bytes:
    """What stands before a field's bytes."""
    return bytes([tag]) + varint(size)


def fields(data: bytes | mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Of each field of the message data[start:end] its tag, where it starts, and from where to where its value is.

    Raises ValueError or IndexError if it is not a message."""
    at = start
    while at < end:
        tag, begin = read_varint(data, at)
        kind = tag & 7
        if kind == 2:
            size, begin = read_varint(data, begin)
        elif kind == 0:
            size = read_varint(data, begin)[1] - begin
        elif kind in _WIDTHS:
            size = _WIDTHS[kind]
        else:
            raise ValueError("groups")
        if begin + size > end:
            raise ValueError("it ends early")
        yield tag, at, begin, begin + size
        at = begin + size
