"""Changes to a file that know nothing of its form: bytes, integers, and, for text, lines and words.

A mutation is a function of (bytearray, Random, other files of the kind) that changes the bytearray.
"""

import struct
from collections.abc import Sequence
from random import Random

# What readers take for a size, a count or an offset, at the edges of its range.
INTEGERS = (0, 1, 2, 7, 8, 16, 100, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65535, 65536, 10**6, 10**9)
INTEGERS += (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
INTEGERS += (-1, -2, -128, -32768, -(2**31), -(2**63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, 3e38, float("inf"), float("-inf"), float("nan"))
WORDS = (
    *("", " ", "\t", "\0", "\n", "\r\n", '"', "'", "\\", "/", "..", "../../x", ",", ":", ";", "#", "{", "}", "[", "]"),
    *("<", ">", "--", "^", "%s", "\ufeff", "\u2028", "\ud7ff", "é", "𝄞", "\x1b[31m", "a" * 300, "{" * 200, "[" * 3000),
    *("0", "-1", "1e999", "nan", "99999999999999999999", "18446744073709551615", "true", "null", "/etc/passwd"),
)


def position(random: Random, size: int) -> int:
    """A place in a file of `size` bytes: often in its head or its tail, which hold what the rest hangs on."""
    kind = random.random()
    if kind < 0.3:
        return random.randrange(min(size, 256))
    if kind < 0.45:
        return size - 1 - random.randrange(min(size, 256))
    return random.randrange(size)


def _flip_bit(data: bytearray, random: Random, others) -> None:
    data[position(random, len(data))] ^= 1 << random.randrange(8)


def _set_byte(data: bytearray, random: Random, others) -> None:
    data[position(random, len(data))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))


def _set_integer(data: bytearray, random: Random, others) -> None:
    width = random.choice((1, 2, 4, 8))
    at = position(random, len(data))
    value = random.choice(INTEGERS) % (1 << 8 * width)
    data[at : at + width] = value.to_bytes(width, random.choice(("little", "big")))


def _shift_integer(data: bytearray, random: Random, others) -> None:
    """What stands there becomes a little more, a little less, or twice as much: lengths and offsets."""
    width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    at = position(random, len(data))
    at -= at % width if random.random() < 0.7 else 0
    value = int.from_bytes(data[at : at + width], order)
    value = random.choice((value + random.choice((-8, -4, -1, 1, 4, 8)), 2 * value, value // 2, -value))
    data[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, order)


def _set_float(data: bytearray, random: Random, others) -> None:
    form = random.choice(("<f", "<d"))
    at = position(random, len(data))
    at -= at % 4
    value = struct.pack(form, random.choice(FLOATS))
    data[at : at + len(value)] = value


def _span(data: bytearray, random: Random) -> tuple[int, int]:
    at = position(random, len(data))
    return at, at + min(len(data) - at, random.choice((1, 2, 4, 8, 16, 64, 500, random.randrange(1, len(data) + 1))))


def _zero(data: bytearray, random: Random, others) -> None:
    begin, end = _span(data, random)
    data[begin:end] = bytes(end - begin)


def _insert(data: bytearray, random: Random, others) -> None:
    at = position(random, len(data))
    size = random.choice((1, 2, 4, 8, 64))
    data[at:at] = random.choice((bytes(size), b"\xff" * size, random.randbytes(size)))


def _delete(data: bytearray, random: Random, others) -> None:
    begin, end = _span(data, random)
    del data[begin:end]


def _duplicate(data: bytearray, random: Random, others) -> None:
    begin, end = _span(data, random)
    at = random.choice((end, position(random, len(data))))
    data[at:at] = data[begin:end] * random.choice((1, 1, 2, 20 if end - begin < 1000 else 1))


def _truncate(data: bytearray, random: Random, others) -> None:
    del data[position(random, len(data)) :]


def _append(data: bytearray, random: Random, others) -> None:
    data += random.choice((b"\0", b"\n", bytes(1000), random.randbytes(40), data[:100]))


def _splice(data: bytearray, random: Random, others) -> None:
    """The beginning of one file and the end of another, or a piece of another in the middle."""
    other = random.choice(others) if others else bytes(data)
    if not other:
        return
    at, begin = position(random, len(data)), position(random, len(other))
    end = len(other) if random.random() < 0.5 else begin + random.randrange(1, 200)
    data[at : at + (end - begin)] = other[begin:end]


_BINARY = (_flip_bit, _flip_bit, _set_byte, _set_integer, _set_integer, _shift_integer, _shift_integer, _set_float)
_BINARY += (_zero, _insert, _delete, _duplicate, _truncate, _append, _splice)


def mutate_bytes(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """`data` with one to eight changes. others: files of the same kind, for pieces of them."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        random.choice(_BINARY)(changed, random, others)
    return bytes(changed)


def mutate_text(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """`data` as text: lines dropped, repeated, exchanged, words and numbers replaced; now and then as bytes."""
    if random.random() < 0.25:
        return mutate_bytes(data, random, others)
    lines = data.split(b"\n")
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(lines))
        kind = random.randrange(7)
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines[at:at] = [lines[at]] * random.choice((1, 1, 2, 50))
        elif kind == 2:
            other = random.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3 and others:
            lines[at] = random.choice(random.choice(others).split(b"\n"))
        else:
            lines[at] = _changed_line(lines[at], random)
    return random.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r", b"")).join(lines)


def _changed_line(line: bytes, random: Random) -> bytes:
    word = random.choice(WORDS).encode()
    parts = line.split(b" ")
    at = random.randrange(len(parts))
    kind = random.randrange(4)
    if kind == 0:
        parts[at] = word
    elif kind == 1:
        del parts[at]
    elif kind == 2:
        parts[at] = str(random.choice(INTEGERS)).encode()
    else:
        place = random.randrange(len(line) + 1)
        return line[:place] + word + line[place + random.choice((0, 0, 1, 5)) :]
    return b" ".join(parts)
