"""Alphabets: which text each class of the network stands for, the CTC blank excepted.

Two forms exist. Models carry the serialized form: u16 count, then for each label u16 index, u16 byte length and
the bytes, little endian. Training reads alphabet.txt: one label a line, lines that begin with `#` are comments,
`\\#` stands for the label `#`, empty lines are skipped. Labels are bytes here, for the models that output UTF-8
bytes have labels that are not text by themselves.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, reading

# What DeepSpeech trains with --bytes_output_mode (once --utf8): label i is the byte i + 1.
BYTES_ALPHABET = tuple(bytes([value]) for value in range(1, 256))

_MOST_LABELS = 2**16 - 1
_LARGEST_FILE = 2**22


def parse_alphabet(data: bytes, *, what: str = "The alphabet") -> list[bytes]:
    """Serialized alphabet → labels by class index.

    Raises RecipeError, beginning with `what`, if the data are cut off, too long, or leave an index out.
    """
    data = bytes(data)
    if len(data) < 2:
        raise RecipeError(f"{what}: {len(data)} bytes are too short for a serialized alphabet.")
    (count,) = struct.unpack_from("<H", data)
    labels: dict[int, bytes] = {}
    offset = 2
    for _ in range(count):
        if len(data) - offset < 4:
            raise RecipeError(f"{what}: the serialized alphabet is cut off after {len(labels)} of {count} labels.")
        index, size = struct.unpack_from("<HH", data, offset)
        offset += 4
        if len(data) - offset < size:
            raise RecipeError(f"{what}: the serialized alphabet is cut off in label {index} of {count}.")
        if index >= count or index in labels:
            raise RecipeError(f"{what}: label {index} of {count} comes twice or is out of range.")
        labels[index] = data[offset : offset + size]
        offset += size
    if offset != len(data):
        raise RecipeError(f"{what}: {len(data) - offset} bytes follow the last of {count} labels.")
    return [labels[index] for index in range(count)]


def serialize_alphabet(labels: Sequence[bytes]) -> bytes:
    """Labels by class index → serialized alphabet."""
    if len(labels) > _MOST_LABELS or any(len(label) > 0xFFFF for label in labels):
        raise RecipeError(f"An alphabet holds at most {_MOST_LABELS} labels of at most 65535 bytes.")
    entries = (struct.pack("<HH", index, len(label)) + label for index, label in enumerate(labels))
    return struct.pack("<H", len(labels)) + b"".join(entries)


def read_alphabet(path: str | os.PathLike) -> list[bytes]:
    """Reads an alphabet.txt as DeepSpeech and Coqui STT do; any newline convention, a byte order mark is skipped.

    Raises RecipeError if the file cannot be read, is not text, or holds no label.
    """
    with reading(path), Path(path).open("rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE or b"\0" in data:
        raise RecipeError(f"{path}: is not an alphabet file (a text file with one label a line).")
    data = data[3:] if data.startswith(b"\xef\xbb\xbf") else data
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = data.split(b"\n")
    labels = [b"#" if line == b"\\#" else line for line in lines if line and not line.startswith(b"#")]
    if not labels:
        raise RecipeError(f"{path}: holds no label (one a line; lines that begin with # are comments).")
    with error_context(path):
        serialize_alphabet(labels)  # refuses what no model can carry
    return labels


def is_bytes_alphabet(labels: Sequence[bytes]) -> bool:
    """True for models that output UTF-8 bytes: their labels become text only when joined."""
    return tuple(labels) == BYTES_ALPHABET or any(_text(label) is None for label in labels)


def label_texts(labels: Sequence[bytes]) -> list[str] | None:
    """Labels as text, or None in bytes mode (see `is_bytes_alphabet`)."""
    return None if is_bytes_alphabet(labels) else [label.decode() for label in labels]


def _text(label: bytes) -> str | None:
    try:
        return label.decode()
    except UnicodeDecodeError:
        return None
