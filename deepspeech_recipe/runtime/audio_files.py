"""Audio files as samples at the model's rate: block after block, so that a long file needs little memory."""

import os
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import naming, reading
from deepspeech_recipe.runtime.cut_off import check_complete
from deepspeech_recipe.runtime.samples import as_samples

_BLOCK = 2**16
LOWEST_RATE, HIGHEST_RATE = 1000, 768_000
# RuntimeError: of chunks whose sizes contradict each other.
_WAVE_ERRORS = (wave.Error, EOFError, RuntimeError)
_INSTALL = "pip install soundfile soxr"


def read_audio(path: str | os.PathLike, sample_rate: int, note: Callable[[str], None] | None = None) -> np.ndarray:
    """All samples of a file, float32 `[N]`: see `audio_blocks`."""
    return np.concatenate(list(audio_blocks(path, sample_rate, note)))


def audio_blocks(
    path: str | os.PathLike, sample_rate: int, note: Callable[[str], None] | None = None
) -> Iterator[np.ndarray]:
    """Samples of a WAV, FLAC or OGG file as float32 blocks `[n]`, mixed to mono, at sample_rate.

    Read by soundfile; without it, 16-bit WAV files still are. Other rates are converted by soxr.
    note: gets a line where something was converted. Raises RecipeError as `open_audio` does, and for an empty file.
    """
    path = Path(path)
    with open_audio(path) as audio:
        changes = []
        if audio.channels > 1:
            changes.append(f"{audio.channels} channels → mono")
        convert = _no_change
        if audio.rate != sample_rate:
            convert = _resampler(path, audio.rate, sample_rate)
            lower = audio.rate < sample_rate
            worse = " (what is above half its rate is missing: expect worse text)" if lower else ""
            changes.append(f"{audio.rate} Hz → {sample_rate} Hz{worse}")
        if changes and note:
            note(f"{path}: {', '.join(changes)}")
        count = 0
        for block in audio.blocks:
            count += len(block)
            yield convert(block, False)
        if not count:
            raise RecipeError(f"{path}: holds no audio.")
        yield convert(np.zeros(0, np.float32), True)


@dataclass(frozen=True)
class Audio:
    """blocks: float32 `[n]`, mixed to mono, at `rate` (Hz); channels: what they were mixed of."""

    blocks: Iterator[np.ndarray]
    rate: int
    channels: int


@contextmanager
def open_audio(path: str | os.PathLike) -> Iterator[Audio]:
    """An audio file as it is. Raises RecipeError, also while its blocks are read, where the file is missing, cut off
    or not audio, or holds NaN or infinity."""
    path = Path(path)
    with naming(path), reading(path):
        if path.is_dir():
            raise RecipeError(f"{path}: is a directory, an audio file is needed.")
        if path.exists() and not path.is_file():
            raise RecipeError(f"{path}: is not an ordinary file; write the audio to a file first.")
        check_complete(path)
        with _opened(path) as (blocks, rate, channels):
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise RecipeError(
                    f"{path}: has a sample rate of {rate} Hz by its header; {LOWEST_RATE} to {HIGHEST_RATE} Hz are "
                    "read. The file is damaged, or its header is wrong: write it anew with the rate it was recorded at."
                )
            yield Audio(_mono(blocks), rate, channels)


def _mono(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    for block in blocks:
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused
            yield as_samples(block.mean(1) if block.shape[1] > 1 else block[:, 0])


def seconds_of(path: str | os.PathLike) -> float:
    """How long a file is by its header; 0 where that cannot be read, for `audio_blocks` says why."""
    try:
        import soundfile

        with open(path, "rb") as stream, _sound_file(soundfile, stream) as file:
            return file.frames / file.samplerate
    except ImportError:
        pass
    except (OSError, RuntimeError, ZeroDivisionError):
        return 0.0
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() / file.getframerate()
    except (*_WAVE_ERRORS, OSError, ZeroDivisionError):
        return 0.0


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Iterator[np.ndarray], int, int]]:
    """Blocks `[n, channels]`, sample rate, channels."""
    try:
        import soundfile
    except ImportError:
        with _opened_by_wave(path) as found:
            yield found
        return
    try:
        with path.open("rb") as stream, _sound_file(soundfile, stream) as file:
            yield _sound_blocks(path, file), file.samplerate, file.channels
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", None) or str(error)
        raise RecipeError(f"{path}: cannot be read as audio ({reason.strip().rstrip('.')}).") from None


def _sound_file(soundfile, stream):
    """By its descriptor: it is not opened by its name, whose end would tell the format, and a damaged file's impossible
    seeks are not written to stderr, as they are for Python's streams."""
    return soundfile.SoundFile(stream.fileno(), closefd=False)


def _sound_blocks(path: Path, file) -> Iterator[np.ndarray]:
    count = 0
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        count += len(block)
        yield block
    if count < file.frames:
        raise RecipeError(f"{path}: is cut off or damaged: {count} of {file.frames} samples can be read.")


@contextmanager
def _opened_by_wave(path: Path) -> Iterator[tuple[Iterator[np.ndarray], int, int]]:
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise wave.Error
            channels = file.getnchannels()
            data = iter(lambda: file.readframes(_BLOCK), b"")
            blocks = (np.frombuffer(each, "<i2").reshape(-1, channels) / np.float32(32768) for each in data)
            yield blocks, file.getframerate(), channels
    except (*_WAVE_ERRORS, ValueError):
        raise RecipeError(f"{path}: is not a 16-bit WAV file; other kinds need soundfile: {_INSTALL}.") from None


def _no_change(samples: np.ndarray, last: bool) -> np.ndarray:
    return samples


def _resampler(path: Path, rate: int, sample_rate: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    try:
        import soxr
    except ImportError:
        raise RecipeError(
            f"{path}: has a sample rate of {rate} Hz, the model wants {sample_rate} Hz. soxr converts it: {_INSTALL}."
        ) from None
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
    return lambda samples, last: stream.resample_chunk(samples, last=last)
