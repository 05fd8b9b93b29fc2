"""A checkpoint's .index with entries changed and its checksums right, so that no reader stops at these."""

import struct
from random import Random

from ci.fuzzing.byte_mutations import INTEGERS, WORDS
from ci.fuzzing.message_mutations import mutate_message
from deepspeech_recipe.graphdef.proto import BundleEntryProto
from deepspeech_recipe.sources.checkpoint.crc32c import masked_crc32c
from deepspeech_recipe.sources.wire import read_varint, varint

_MAGIC = 0xDB4775248B80FB57


def read_table(data: bytes) -> list[tuple[bytes, bytes]]:
    """Key and value of every entry of a whole, uncompressed table."""

    def block(offset: int, size: int):
        end = offset + size
        end -= 4 * (1 + struct.unpack_from("<I", data, end - 4)[0])
        key, at = b"", offset
        while at < end:
            shared, at = read_varint(data, at)
            fresh, at = read_varint(data, at)
            length, at = read_varint(data, at)
            key = key[:shared] + data[at : at + fresh]
            yield key, at + fresh, length
            at += fresh + length

    def handle(at: int) -> tuple[int, int]:
        offset, at = read_varint(data, at)
        return offset, read_varint(data, at)[0]

    at = read_varint(data, len(data) - 48)[1]
    index = handle(read_varint(data, at)[1])
    return [
        (key, data[start : start + length])
        for _, place, _ in block(*index)
        for key, start, length in block(*handle(place))
    ]


def write_table(entries: list[tuple[bytes, bytes]], random: Random | None = None) -> bytes:
    """The table of entries in one block. random: with a length, an offset or a shared prefix that is wrong."""
    wrong = random.randrange(3 * len(entries) + 1) if random and entries and random.random() < 0.3 else -1
    out = bytearray()

    def add(content: bytes) -> bytes:
        """A block and its handle."""
        offset = len(out)
        out.extend(content + b"\0" + struct.pack("<I", masked_crc32c(content + b"\0")))
        return varint(offset) + varint(len(content))

    body = bytearray()
    for place, (key, value) in enumerate(entries):
        numbers = [0, len(key), len(value)]
        if wrong // 3 == place:
            numbers[wrong % 3] = abs(random.choice(INTEGERS))
        body += b"".join(map(varint, numbers)) + key + value
    handle = add(bytes(body) + struct.pack("<II", 0, 1))
    meta = add(struct.pack("<II", 0, 1))
    last = entries[-1][0] if entries else b""
    index = add(varint(0) + varint(len(last)) + varint(len(handle)) + last + handle + struct.pack("<II", 0, 1))
    return bytes(out) + (meta + index).ljust(40, b"\0") + struct.pack("<Q", _MAGIC)


def mutate_table(data: bytes, random: Random) -> bytes:
    """`data`, a table of a checkpoint, with one to three entries dropped, doubled, renamed or changed."""
    entries = read_table(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(entries))
        key, value = entries[at]
        kind = random.randrange(8)
        if kind == 0 and len(entries) > 1:
            del entries[at]
        elif kind == 1:
            entries.insert(at, entries[random.randrange(len(entries))])
        elif kind == 2:
            entries[at] = random.choice((*(word.encode() for word in WORDS), key + b"x", b"\xff\xfe")), value
        elif key:
            entry = BundleEntryProto.FromString(value)
            mutate_message(entry, random)
            entries[at] = key, entry.SerializeToString()
    if random.random() < 0.8:
        entries.sort()
    return write_table(entries, random)
