"""Audio files as samples at the model's rate: block after block, so that a long file needs little memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, one_line, reading
from deepspeech_recipe.installation import needed
from deepspeech_recipe.quiet import native_code_quiet
from deepspeech_recipe.runtime.recordings.samples import as_samples
from deepspeech_recipe.runtime.recordings.wav_file import check_rate, is_wav, pcm16_blocks, read_header

_BLOCK = 2**16  # samples of all channels together
_SPEECH_RATE, _SAMPLE_BYTES = 16_000, 4  # as what models take
_MOST_FOR_A_BYTE = 100  # bytes of samples; more than any codec of speech makes of one
_UNKNOWN_LENGTH = 2**62
_INSTALL = "pip install soundfile soxr"
# Of an OGG file.
_LARGEST_PAGE = 2**16
_LAST_PAGE_FLAG = 4


def read_audio(path: str | os.PathLike, sample_rate: int, log: Callable[[str], None] | None = None) -> np.ndarray:
    """All samples of a file, float32 `[N]`: see `audio_blocks`."""
    return np.concatenate(list(audio_blocks(path, sample_rate, log)))


def audio_blocks(
    path: str | os.PathLike, sample_rate: int, log: Callable[[str], None] | None = None
) -> Iterator[np.ndarray]:
    """Samples of a WAV, FLAC, OGG, Opus or MP3 file as float32 blocks `[n]`, mixed to mono, at sample_rate.

    Read by soundfile; without it, 16-bit WAV files still are. Other rates are converted by soxr.
    log: gets a line where something was converted. Raises RecipeError as `open_audio` does, and for an empty file.
    """
    with open_audio(path) as audio:
        yield from at_rate(audio, str(path), sample_rate, log)


def at_rate(
    audio: "Audio", name: str, sample_rate: int, log: Callable[[str], None] | None = None
) -> Iterator[np.ndarray]:
    """The blocks of an open recording, which `name` stands for in messages, as `audio_blocks` gives them."""
    changes = []
    if audio.channels > 1:
        changes.append(f"{audio.channels} channels → mono")
    convert = resampler(name, audio.rate, sample_rate)
    if audio.rate != sample_rate:
        lower = audio.rate < sample_rate
        worse = " (what is above half its rate is missing: expect worse text)" if lower else ""
        changes.append(f"{audio.rate} Hz → {sample_rate} Hz{worse}")
    if changes and log:
        log(one_line(f"{name}: {', '.join(changes)}"))
    count = 0
    for block in audio.blocks:
        count += len(block)
        yield convert(block, False)
    if not count:
        raise RecipeError(f"{name}: holds no audio.")
    yield convert(np.zeros(0, np.float32), True)


@dataclass(frozen=True)
class Audio:
    """An open audio file.

    blocks: float32 `[n]`, mixed to mono, at `rate` (Hz); channels: what they were mixed of; frames: how many samples
    there are by the header, 0 if it does not say.
    """

    blocks: Iterator[np.ndarray]
    rate: int
    channels: int
    frames: int


@contextmanager
def open_audio(path: str | os.PathLike) -> Iterator[Audio]:
    """Opens an audio file, at its own rate.

    Raises RecipeError, also while its blocks are read, if the file is missing, cut off, damaged or not audio, or holds
    NaN or infinity, or far more audio than its size explains.
    """
    path = Path(path)
    with error_context(path), reading(path):
        if path.is_dir():
            raise RecipeError(f"{path}: is a directory, an audio file is needed.")
        _check_complete(path)
        with _opened(path) as audio:
            check_rate(path, audio.rate)
            yield Audio(_mono(path, audio), audio.rate, audio.channels, audio.frames)


def _mono(path: Path, audio: Audio) -> Iterator[np.ndarray]:
    done = 0
    _check_length(path, audio.frames / audio.rate)
    for block in audio.blocks:
        _check_length(path, (done + len(block)) / audio.rate)
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused
            samples = as_samples(block.mean(1) if block.shape[1] > 1 else block[:, 0], done)
        yield samples
        done += len(block)


def _check_length(path: Path, seconds: float) -> None:
    """Raises RecipeError if a file of its size cannot hold that much audio: some bytes of silence are hours."""
    beyond = seconds * _SPEECH_RATE * _SAMPLE_BYTES - _MOST_FOR_A_BYTE * path.stat().st_size
    reason = (
        f"{path}: holds {seconds / 60:.0f} minutes of audio in {path.stat().st_size} bytes. In memory they are "
        f"{beyond:.0f} bytes more than {_MOST_FOR_A_BYTE} times the file"
    )
    limits.check(reason, beyond, limits.AUDIO)


def seconds_of(path: str | os.PathLike) -> float:
    """How long a file is by its header, in seconds; 0 if it cannot be read: `audio_blocks` says why."""
    try:
        with open_audio(path) as audio:
            return audio.frames / audio.rate
    except RecipeError:
        return 0.0


@contextmanager
def _opened(path: Path) -> Iterator[Audio]:
    """With blocks `[n, channels]`."""
    try:
        import soundfile
    except ImportError:
        with path.open("rb") as stream:
            yield _opened_alone(path, stream)
        return
    try:
        with path.open("rb") as stream, _sound_file(soundfile, stream) as file:
            frames = file.frames if file.frames < _UNKNOWN_LENGTH else 0
            yield Audio(_sound_blocks(path, file), file.samplerate, file.channels, frames)
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", None) or str(error)
        raise RecipeError(f"{path}: cannot be read as audio ({reason.strip().rstrip('.')}).") from None


@contextmanager
def _sound_file(soundfile, stream) -> Iterator:
    """By its descriptor: it is not opened by its name, whose end would tell the format, and a damaged file's impossible
    seeks are not written to stderr, as they are for Python's streams."""
    with native_code_quiet():
        file = soundfile.SoundFile(stream.fileno(), closefd=False)
    try:
        yield file
    finally:
        with native_code_quiet():
            file.close()


def _sound_blocks(path: Path, file) -> Iterator[np.ndarray]:
    count, size = 0, max(1, _BLOCK // file.channels)
    while True:
        with native_code_quiet():
            block = file.read(size, dtype="float32", always_2d=True)
        if not len(block):
            break
        count += len(block)
        yield block
    if count < file.frames:
        raise RecipeError(f"{path}: is cut off or damaged: {count} of {file.frames} samples can be read.")


def _opened_alone(path: Path, stream) -> Audio:
    """A 16-bit WAV file, read without soundfile."""
    if not is_wav(stream.read(12)):
        raise RecipeError(f"{path}: is not a WAV file; other kinds need soundfile: {_INSTALL}.")
    wav = read_header(path, stream)
    if not wav.is_pcm16:
        raise RecipeError(f"{path}: is not a 16-bit WAV file but {wav.kind}, which needs soundfile: {_INSTALL}.")
    return Audio(pcm16_blocks(stream, wav, _BLOCK), wav.rate, wav.channels, wav.frames)


def _no_change(samples: np.ndarray, last: bool) -> np.ndarray:
    return samples


def resampler(name: str, rate: int, sample_rate: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    """A function of (float32 samples `[n]` at `rate`, whether they are the last ones) → samples at sample_rate, block
    after block; behind the last one a new recording may begin. Raises RecipeError, about `name`, if soxr is missing."""
    if rate == sample_rate:
        return _no_change
    reason = f"{name}: has a sample rate of {rate} Hz, the model wants {sample_rate} Hz. soxr converts it: {_INSTALL}."
    soxr = needed(reason, "soxr")
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")

    def convert(samples: np.ndarray, last: bool) -> np.ndarray:
        found = stream.resample_chunk(samples, last=last)
        if last:
            stream.clear()
        return found

    return convert


def _check_complete(path: Path) -> None:
    """Raises RecipeError for a WAV shorter than its header says, and for an OGG without its last page: libsndfile reads
    what there is, without a word."""
    with path.open("rb") as file:
        start = file.read(12)
        if is_wav(start):
            read_header(path, file)
        elif start[:4] == b"OggS":
            size = file.seek(0, 2)
            file.seek(max(0, size - _LARGEST_PAGE))
            _check_ogg(path, file.read())


def _check_ogg(path: Path, end: bytes) -> None:
    page = end[max(0, end.rfind(b"OggS")) :]
    sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if not sizes or not page[5] & _LAST_PAGE_FLAG or len(page) < 27 + len(sizes) + sum(sizes):
        raise RecipeError(f"{path}: is cut off: its last page is missing.")
