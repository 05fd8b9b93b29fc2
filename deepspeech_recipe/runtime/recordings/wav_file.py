"""WAV files: where their samples lie and what they are, by the header. RIFF, and RF64 for files beyond 4 GB.

Source: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), mmreg.h for the formats,
EBU Tech 3306 for RF64.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from deepspeech_recipe.errors import RecipeError

# What programs write as a size when they do not know it (into a pipe, for one), and RF64 if its ds64 chunk has it.
_UNKNOWN_SIZE, _SIZE_ELSEWHERE = 0x7FFF0000, 2**32 - 1
_PCM, _EXTENSIBLE = 1, 0xFFFE
_FORMATS = {1: "PCM", 2: "ADPCM", 3: "float", 6: "A-law", 7: "µ-law", 17: "ADPCM", 49: "GSM", 85: "MP3"}
_MOST_CHUNKS = 10_000
LOWEST_RATE, HIGHEST_RATE = 1000, 768_000


@dataclass(frozen=True)
class WavFile:
    """What a WAV file's header says.

    format: 1 for PCM; rate: Hz; bits: of a sample; at, size: bytes of the audio data, as far as they are there.
    """

    format: int
    channels: int
    rate: int
    bits: int
    at: int
    size: int

    @property
    def frames(self) -> int:
        return self.size // (2 * self.channels)

    @property
    def kind(self) -> str:
        return f"{self.bits}-bit {_FORMATS.get(self.format, f'format {self.format}')}"

    @property
    def is_pcm16(self) -> bool:
        return (self.format, self.bits) == (_PCM, 16)


def is_wav(start: bytes) -> bool:
    """Whether a file is a WAV, by its first 12 bytes."""
    return start[:4] in (b"RIFF", b"RF64") and start[8:12] == b"WAVE"


def read_header(path: Path, file: BinaryIO) -> WavFile:
    """Reads the header of a WAV file. Raises RecipeError if it is cut off or damaged."""
    file.seek(0)
    is_rf64 = file.read(12)[:4] == b"RF64"
    end = file.seek(0, 2)
    at, form, long_size = 12, None, 0
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            break
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        at += 8
        if kind == b"ds64" and is_rf64:
            long_size = int.from_bytes(file.read(min(length, 16))[8:], "little")
        elif kind == b"fmt ":
            form = _read_format(path, file.read(min(length, 40)))
        elif kind == b"data":
            length = long_size if is_rf64 and length == _SIZE_ELSEWHERE else length
            if end - at < length and (is_rf64 or length < _UNKNOWN_SIZE):
                raise RecipeError(f"{path}: is cut off: {end - at} of {length} bytes of audio are there.")
            if form is None:
                raise RecipeError(f"{path}: is damaged: a WAV file without a format before its audio data.")
            return WavFile(*form, at, min(length, end - at))
        at += length + length % 2
    raise RecipeError(f"{path}: is cut off or damaged: a WAV file without audio data.")


def _read_format(path: Path, data: bytes) -> tuple[int, int, int, int]:
    """The fmt chunk → format, channels, rate, bits."""
    if len(data) < 16:
        raise RecipeError(f"{path}: is damaged: its format has {len(data)} bytes, a WAV file's has at least 16.")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", data[:16])
    if kind == _EXTENSIBLE and len(data) >= 26:
        kind = int.from_bytes(data[24:26], "little")
    if not channels:
        raise RecipeError(f"{path}: is damaged: it has no channels by its header.")
    check_rate(path, rate)
    return kind, channels, rate, bits


def check_rate(path: Path, rate: int) -> None:
    """Raises RecipeError for a rate at which nobody records: some bytes at 1 Hz would be hours of audio."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise RecipeError(
            f"{path}: has a sample rate of {rate} Hz by its header; {LOWEST_RATE} to {HIGHEST_RATE} Hz are read. The "
            "file is damaged, or its header is wrong: write it anew with the rate it was recorded at."
        )


def pcm16_blocks(file: BinaryIO, wav: WavFile, samples: int) -> Iterator[np.ndarray]:
    """Samples −1…1 of 16-bit PCM, float32 `[n, channels]`. samples: of all channels together, about, in a block."""
    file.seek(wav.at)
    frame, left = 2 * wav.channels, wav.frames
    while left:
        count = min(left, max(1, samples // wav.channels))
        data = file.read(count * frame)
        yield np.frombuffer(data, "<i2").reshape(-1, wav.channels) / np.float32(32768)
        left -= count
