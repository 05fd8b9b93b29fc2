"""Recordings that are not files: pipes, addresses that fsspec opens, and bare samples without a header."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, one_line, reading
from deepspeech_recipe.installation import needed
from deepspeech_recipe.runtime.recordings.audio_files import Audio, open_audio
from deepspeech_recipe.runtime.recordings.samples import as_samples
from deepspeech_recipe.runtime.recordings.wav_file import HIGHEST_RATE, LOWEST_RATE
from deepspeech_recipe.temporary import temporary_directory

STANDARD_INPUT = "-"
_HEADERS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3")
_BLOCK = 2**14  # bytes of bare samples: half a second at 16 kHz, so that live text is not late


def is_address(name: str) -> bool:
    """Whether a recording is named as 's3://bucket/talk.wav', which fsspec opens."""
    scheme, found, _ = name.partition("://")
    return bool(found) and scheme.replace("+", "").replace(":", "").isalnum()


def descriptor(name: str) -> int | None:
    """What this process was given open: '-' and '/dev/stdin', or the '/dev/fd/63' of a shell's `<(command)`."""
    if name in (STANDARD_INPUT, "/dev/stdin"):
        return 0
    number = name.removeprefix("/dev/fd/")
    return int(number) if number != name and number.isdecimal() else None


def is_pipe(name: str) -> bool:
    """Whether it can be read only once."""
    return descriptor(name) is not None


@contextmanager
def open_recording(name: str, raw: int | None = None) -> Iterator[Audio]:
    """Opens a file, a pipe, or an address. raw: it is bare samples of that rate (Hz): 16-bit little-endian, mono.

    A pipe of bare samples is read as it comes; any other pipe, and an address, is copied to a temporary file first.
    Raises RecipeError as `open_audio` does, also while the blocks are read; messages have the name that was given.
    """
    shown = shown_name(name)
    with error_context(shown):
        if raw is None:
            with _at_hand(name) as path, open_called(shown, path) as audio:
                yield audio
            return
        if not LOWEST_RATE <= raw <= HIGHEST_RATE:
            raise RecipeError(
                f"{shown}: cannot be bare samples of {raw} Hz (--raw): {LOWEST_RATE} to {HIGHEST_RATE} Hz are read."
            )
        if is_address(name):
            with _at_hand(name) as path, path.open("rb") as file:
                yield _bare(name, file, raw)
            return
        with _stream(name) as file:
            yield _bare(shown, file, raw)


@contextmanager
def open_called(name: str, path: Path) -> Iterator[Audio]:
    """Opens a copy of a recording: messages have the name that was given, as those of `open_recording` do."""
    with error_context(name), _called(name, path), open_audio(path) as audio:
        yield audio


def shown_name(name: str) -> str:
    """A recording's name in messages."""
    return "standard input" if name == STANDARD_INPUT else name


def _bare(name: str, file: BufferedReader, rate: int) -> Audio:
    state = os.fstat(file.fileno())
    return Audio(_bare_blocks(name, file), rate, 1, state.st_size // 2 if stat.S_ISREG(state.st_mode) else 0)


def _bare_blocks(name: str, file: BufferedReader) -> Iterator[np.ndarray]:
    rest, first = b"", True
    while data := file.read1(_BLOCK):
        if first and data.startswith(_HEADERS):
            raise RecipeError(
                f"{name}: begins with the header of a file, so these are not bare samples. Leave --raw out."
            )
        first = False
        data = rest + data
        whole = len(data) // 2 * 2
        rest = data[whole:]
        if whole:
            yield as_samples(np.frombuffer(data[:whole], "<i2").astype(np.int16))
    if rest:
        raise RecipeError(f"{name}: is cut off, or not 16-bit samples: it ends in the middle of one.")


@contextmanager
def _at_hand(name: str) -> Iterator[Path]:
    """A path that can be read as often as one likes."""
    if is_address(name):
        with temporary_directory() as folder:
            path = folder / "recording"
            _fetch(name, path)
            yield path
        return
    number = descriptor(name)
    if number is None:
        yield Path(name)
        return
    with _stream(name) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            yield Path(f"/dev/fd/{number}")
            return
        with temporary_directory() as folder:
            path = folder / "recording"
            _copy(shown_name(name), file, path)
            yield path


@contextmanager
def _stream(name: str) -> Iterator[BufferedReader]:
    """The bytes of a file or pipe. Raises RecipeError for what is not one."""
    number = descriptor(name)
    if number is None:
        with reading(name), open(name, "rb") as file:
            yield file
        return
    try:
        mode = os.fstat(number).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
            raise RecipeError(
                f"{shown_name(name)}: nothing is piped in. "
                "For instance: ffmpeg -i talk.mp4 -f wav - | deepspeech-recipe transcribe -"
            )
        with open(number, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise RecipeError(f"{shown_name(name)}: cannot be read ({error.strerror}).") from None


def _copy(name: str, source: BufferedReader, path: Path) -> None:
    left = most = limits.allowed(limits.PIPE)
    with path.open("wb") as copy:
        while block := source.read(2**20):
            left -= len(block)
            if left < 0:
                raise RecipeError(
                    f"{name}: more than {most:.0f} bytes came. Write them to a file and give that, or pipe bare "
                    "samples (--raw), which are read as they come."
                )
            copy.write(block)


def _fetch(address: str, path: Path) -> None:
    with _fetching(address) as (system, place), system.open(place, "rb") as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)


def size_at(address: str) -> int:
    """How many bytes lie at an address, 0 if it does not say. Raises RecipeError if there is nothing."""
    with _fetching(address) as (system, place):
        return system.info(place).get("size") or 0


@contextmanager
def _fetching(address: str) -> Iterator[tuple]:
    """fsspec's file system and the place on it. Raises RecipeError, whatever those who fetch raise."""
    reason = f"{address}: an address needs fsspec and the package of its kind: pip install 'fsspec[http]'."
    fsspec = needed(reason, "fsspec.core")
    try:
        yield fsspec.url_to_fs(address)
    except Exception as error:  # each of fsspec's file systems has its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(one_line(f"{address}: cannot be read ({reason.rstrip('.')}).")) from None


@contextmanager
def _called(name: str, path: Path) -> Iterator[None]:
    """Messages about a copy have the name that was given."""
    try:
        yield
    except RecipeError as error:
        if str(path) == name or str(path) not in str(error):
            raise
        raise RecipeError(str(error).replace(str(path), name)) from None
