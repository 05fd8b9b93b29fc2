"""Audio files as samples at the model's rate: block after block, so that a long file needs little memory."""

import os
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import naming, reading
from deepspeech_recipe.runtime.cut_off import check_complete
from deepspeech_recipe.runtime.samples import as_samples

_BLOCK = 2**16
_INSTALL = "pip install soundfile soxr"


def read_audio(path: str | os.PathLike, sample_rate: int, note: Callable[[str], None] | None = None) -> np.ndarray:
    """All samples of a file, float32 `[N]`: see `audio_blocks`."""
    return np.concatenate(list(audio_blocks(path, sample_rate, note)))


def audio_blocks(
    path: str | os.PathLike, sample_rate: int, note: Callable[[str], None] | None = None
) -> Iterator[np.ndarray]:
    """Samples of a WAV, FLAC or OGG file as float32 blocks `[n]`, mixed to mono, at sample_rate.

    Read by soundfile; without it, 16-bit WAV files still are. Other rates are converted by soxr.
    note: gets a line where something was converted. Raises RecipeError where the file is missing, empty, cut off
    or no audio, or holds NaN or infinity.
    """
    path = Path(path)
    with naming(path), reading(path):
        if path.is_dir():
            raise RecipeError(f"{path}: is a directory, an audio file is needed.")
        check_complete(path)
        with _opened(path) as (blocks, rate, channels):
            changes = []
            if channels > 1:
                changes.append(f"{channels} channels → mono")
            convert = _no_change
            if rate != sample_rate:
                convert = _resampler(path, rate, sample_rate)
                worse = " (what is above half its rate is missing: expect worse text)" if rate < sample_rate else ""
                changes.append(f"{rate} Hz → {sample_rate} Hz{worse}")
            if changes and note:
                note(f"{path}: {', '.join(changes)}")
            count = 0
            for block in blocks:
                count += len(block)
                yield convert(as_samples(block.mean(1) if channels > 1 else block[:, 0]), False)
            if not count:
                raise RecipeError(f"{path}: holds no audio.")
            yield convert(np.zeros(0, np.float32), True)


def seconds_of(path: str | os.PathLike) -> float:
    """How long a file is by its header; 0 where that cannot be read, for `audio_blocks` says why."""
    try:
        import soundfile

        with open(path, "rb") as stream, soundfile.SoundFile(stream) as file:
            return file.frames / file.samplerate
    except ImportError:
        pass
    except (OSError, RuntimeError):
        return 0.0
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() / file.getframerate()
    except (wave.Error, EOFError, OSError):
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
        with path.open("rb") as stream, soundfile.SoundFile(stream) as file:
            yield _sound_blocks(path, file), file.samplerate, file.channels
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", None) or str(error)
        raise RecipeError(f"{path}: cannot be read as audio ({reason.strip().rstrip('.')}).") from None


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
    except (wave.Error, EOFError, ValueError):
        raise RecipeError(f"{path}: is no 16-bit WAV file; other kinds need soundfile: {_INSTALL}.") from None


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
