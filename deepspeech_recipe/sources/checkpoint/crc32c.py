"""The checksum of TensorFlow's checkpoints, CRC-32C (Castagnoli), over hundreds of megabytes in numpy.

Long data is cut into lanes of equal length that take each step together. A checksum is linear over GF(2): two lanes are
joined by moving the first one's on, as if zeros stood where the second one's bytes are.
Source of the polynomial and of the mask: RFC 3720, section 12.1, and tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_WORD = 8  # bytes of a step
_LANE_BITS = 8
_LANE = 1 << _LANE_BITS  # bytes of a lane


def _tables() -> np.ndarray:
    """[8, 256]: what a byte adds to the checksum, with 0 to 7 zeros behind it."""
    found = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        found = np.where(found & 1, found >> 1 ^ _POLYNOMIAL, found >> 1).astype(np.uint32)
    rows = [found]
    for _ in range(_WORD - 1):
        rows.append(found[rows[-1] & 0xFF] ^ rows[-1] >> 8)
    return np.stack(rows)


_TABLES = _tables()
_BYTE = _TABLES[0].tolist()


def masked_crc32c(data: bytes) -> int:
    """The checksum of `data` as checkpoints store it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The checksum CRC-32C of bytes."""
    whole = len(data) // _LANE * _LANE
    state = _of_lanes(np.frombuffer(data, "<u8", whole // _WORD)) if whole else 0xFFFFFFFF
    for byte in data[whole:]:
        state = _BYTE[(state ^ byte) & 0xFF] ^ state >> 8
    return state ^ 0xFFFFFFFF


def _of_lanes(words: np.ndarray) -> int:
    words = words.reshape(-1, _LANE // _WORD)
    states = np.zeros(len(words), np.uint32)
    states[0] = 0xFFFFFFFF
    for step in range(words.shape[1]):
        mixed = words[:, step] ^ states
        states = _TABLES[_WORD - 1][mixed & 0xFF]
        for byte in range(1, _WORD):
            states = states ^ _TABLES[_WORD - 1 - byte][mixed >> np.uint64(8 * byte) & 0xFF]
    # What each bit of a checksum becomes behind a zero, then behind twice as many.
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    zeros = _TABLES[0][bits & 0xFF] ^ bits >> 8
    for _ in range(_LANE_BITS):
        zeros = _moved(zeros, zeros)
    while len(states) > 1:
        if len(states) % 2:
            states = np.concatenate([np.zeros(1, np.uint32), states])
        states = _moved(states[::2], zeros) ^ states[1::2]
        zeros = _moved(zeros, zeros)
    return int(states[0])


def _moved(states: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    found = np.zeros_like(states)
    for bit, image in enumerate(zeros):
        found ^= np.where(states >> np.uint32(bit) & 1, image, np.uint32(0))
    return found
