"""Changes to files made of chunks, headers and offsets that keep them readable enough to get past the first check."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from functools import lru_cache
from random import Random

from ci.fuzzing.byte_mutations import INTEGERS, mutate_bytes

_NAMES = (
    *("../escape", "/tmp/escape", "a/../../escape", "..\\escape", "C:\\escape", "", ".", "..", "a\0b", "é" * 40),
    *("d/" * 40 + "model.pb", "x" * 99, "model.pb/", "model.pb/model.pb", "saved_model.pb", "checkpoint", "a.index"),
    *("alphabet.txt", "m.data-00000-of-00001", "variables/variables.index", "\x1b[31m", "model.pbmm", "a.scorer"),
)


def mutate_riff(data: bytes, random: Random) -> bytes:
    """A WAV file with chunks dropped, doubled, exchanged or of another size, or another format."""
    head, chunks, at = data[:12], [], 12
    while at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        chunks.append([data[at : at + 4], size, data[at + 8 : at + 8 + size]])
        at += 8 + size + size % 2
    for _ in range(random.choice((1, 1, 2, 3))):
        if not chunks:
            break
        kind, chunk = random.randrange(7), random.choice(chunks)
        if kind == 0:
            chunks.remove(chunk)
        elif kind == 1:
            chunks.insert(random.randrange(len(chunks) + 1), list(chunk))
        elif kind == 2:
            chunk[1] = random.choice(INTEGERS) % 2**32
        elif kind == 3:
            chunk[0] = random.choice((b"data", b"fmt ", b"LIST", b"fact", b"\0\0\0\0"))
        elif kind == 4:
            random.shuffle(chunks)
        elif len(chunks[0][2]) >= 16:
            form, at = random.choice((("<H", 0), ("<H", 2), ("<I", 4), ("<I", 8), ("<H", 12), ("<H", 14)))
            body = bytearray(chunks[0][2])
            value = random.choice((*INTEGERS, 8000, 44100, 24, 3, 0xFFFE))
            struct.pack_into(form, body, at, value % (1 << 8 * struct.calcsize(form)))
            chunks[0][2] = bytes(body)
    return head + b"".join(name + struct.pack("<I", size) + body for name, size, body in chunks)


def mutate_flatbuffer(data: bytes, random: Random) -> bytes:
    """Offsets of a flatbuffer led elsewhere: to themselves, to another table, out of the file; entries exchanged."""
    changed, places = bytearray(data), _offsets(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at, other = random.choice(places), random.choice(places)
        target = other + struct.unpack_from("<I", data, other)[0]
        kind = random.randrange(5)
        value = struct.unpack_from("<I", data, at)[0]
        if kind == 0:
            value = target - at
        elif kind == 1:
            value = random.choice(INTEGERS)
        elif kind == 2:
            value += random.choice((-4, 4, -1, 1, 2))
        elif kind == 3:
            changed[other : other + 4] = changed[at : at + 4]
        else:
            value = value ^ (1 << random.randrange(32))
        struct.pack_into("<I", changed, at, value % 2**32)
    return bytes(changed)


@lru_cache(maxsize=16)
def _offsets(data: bytes) -> list[int]:
    """Places of words that, read as an offset, lead into the file. Weights look like that seldom."""
    return [at for at in range(0, len(data) - 4, 4) if 0 < struct.unpack_from("<I", data, at)[0] <= len(data) - at]


def mutate_archive(members: dict[str, bytes], random: Random) -> tuple[bytes, str]:
    """An archive of members, with odd names, kinds and headers, compressed; the file, and its suffix."""
    members = dict(members)
    if random.random() < 0.5:
        name = random.choice(list(members))
        members[random.choice(_NAMES)] = members[name]
        if random.random() < 0.5:
            del members[name]
    if random.random() < 0.3:
        data, suffix = _zip(members, random), "zip"
    else:
        suffix = random.choice(("tar", "tar", "tar.gz", "tar.bz2", "tar.xz", "gz"))
        data = random.choice(list(members.values())) if suffix == "gz" else _tar(members, random)
        data = _COMPRESS[suffix](data)
    if random.random() < 0.3:
        data = mutate_bytes(data, random)
    return data, suffix


_COMPRESS = {
    "tar": lambda data: data,
    "tar.gz": lambda data: gzip.compress(data, 1),
    "gz": lambda data: gzip.compress(data, 1),
    "tar.bz2": lambda data: bz2.compress(data, 1),
    "tar.xz": lambda data: lzma.compress(data, preset=0),
}


def _tar(members: dict[str, bytes], random: Random) -> bytes:
    out = io.BytesIO()
    form = random.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name.replace("\0", "?") or "x")
            info.size = len(data)
            if random.random() < 0.15:
                info.type = random.choice((b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"x", b"g", b"L", b"K"))
                info.linkname = random.choice((*_NAMES[:4], *members)).replace("\0", "?")
            if form == tarfile.PAX_FORMAT and random.random() < 0.3:
                info.pax_headers = {random.choice(("path", "size", "GNU.sparse.map")): random.choice(("1", "-1,x"))}
            try:
                archive.addfile(info, io.BytesIO(data))
            except ValueError:  # a name that this form cannot hold
                continue
    data = bytearray(out.getvalue())
    if random.random() < 0.5:
        _change_header(data, random)
    return bytes(data)


# Place and length of a tar header's fields.
_FIELDS = ((0, 100), (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))


def _change_header(data: bytearray, random: Random) -> None:
    """A field of a header, with the checksum made right."""
    headers = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    if not headers:
        return
    header = random.choice(headers)
    at, size = random.choice(_FIELDS)
    field = random.choice((b"7" * size, b"\0" * size, b"\xff" * size, b"\x80" + b"\x7f" * (size - 1), b"-1", b"0"))
    data[header + at : header + at + size] = field[:size].ljust(size, b"\0")
    data[header + 148 : header + 156] = b" " * 8
    data[header + 148 : header + 156] = b"%06o\0 " % sum(data[header : header + 512])


def _zip(members: dict[str, bytes], random: Random) -> bytes:
    out = io.BytesIO()
    kind = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", kind, compresslevel=1) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name or "x")
            info.compress_type = kind
            if random.random() < 0.1:
                info.external_attr = random.choice((0o120777, 0o020666, 0o010666, 0o040755)) << 16
            archive.writestr(info, data)
    data = bytearray(out.getvalue())
    places = [at for magic in (b"PK\1\2", b"PK\3\4", b"PK\5\6") if (at := data.find(magic)) >= 0]
    if random.random() < 0.6:
        at = random.choice(places) + random.randrange(4, 44)
        width = random.choice((2, 4))
        value = random.choice(INTEGERS) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, "little")
    return bytes(data)
