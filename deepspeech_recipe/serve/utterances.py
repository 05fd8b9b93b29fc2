"""Bytes as they come in → texts: utterance after utterance of one live stream. No network in here, and no clock."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Event

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer, Result
from deepspeech_recipe.runtime.recordings.audio_files import resampler
from deepspeech_recipe.runtime.recordings.wav_file import HIGHEST_RATE, LOWEST_RATE
from deepspeech_recipe.runtime.result import Progress

_ASKED = {"rate", "silence", "alpha", "beta", "hot_words"}
_BYTES = 2  # of a sample
_NOTHING = Progress("", 0, 0.0, 0.0)


@dataclass(frozen=True)
class Settings:
    """What a client may choose for its stream.

    rate: of its samples, in Hz; None: the model's. silence, longest: seconds; as in `Options`. alpha, beta, hot_words:
    of the scorer; None: the server's.
    """

    rate: int | None = None
    silence: float = 0.0
    longest: float = float("inf")
    alpha: float | None = None
    beta: float | None = None
    hot_words: dict[str, float] | None = None


def chosen(settings: Settings, asked: dict) -> Settings:
    """The settings with what a client asks for; fields of other names are ignored. Raises RecipeError."""
    found = replace(settings, **{name: asked[name] for name in _ASKED & asked.keys()})
    rate, silence, hot_words = found.rate, found.silence, found.hot_words
    if rate is not None and not (isinstance(rate, int) and LOWEST_RATE <= rate <= HIGHEST_RATE):
        raise RecipeError(f"The rate must be a whole number from {LOWEST_RATE} to {HIGHEST_RATE}, in Hz.")
    if not (_is_number(silence) and 0 <= silence < float("inf")):
        raise RecipeError("The silence must be a number of seconds; 0 ends no utterance.")
    if not all(each is None or _is_number(each) for each in (found.alpha, found.beta)):
        raise RecipeError("alpha and beta must be numbers.")
    if hot_words is not None and not (isinstance(hot_words, dict) and all(map(_is_number, hot_words.values()))):
        raise RecipeError('The hot words must be an object of words and numbers: {"word": boost}.')
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Utterances:
    """Blocks of 16-bit little-endian samples, one channel, of any size → Progress while an utterance lasts, and its
    Result, which ends it: the next one begins with the next sample.

    What is said of them does not depend on how the samples were cut into blocks. Not for several threads at once.
    """

    def __init__(self, recognizer: Recognizer, settings: Settings, gone: Event | None = None):
        """gone: set when nobody wants the texts any more. Raises RecipeError if the recognizer cannot do what the
        settings ask for."""
        self._settings, self._rate, self._gone = settings, recognizer.sample_rate, gone or Event()
        self._resample = resampler("The stream", settings.rate or self._rate, self._rate)
        self._lines = recognizer.chunk_samples
        self._stream = recognizer.stream(alpha=settings.alpha, beta=settings.beta, hot_words=settings.hot_words)
        self._bytes = bytearray()
        self._samples = np.zeros(0, np.float32)
        self._count, self._wanted, self._last = 0, self._lines[0], _NOTHING

    @property
    def idle(self) -> bool:
        """Whether an utterance has yet to begin."""
        return not (self._count or len(self._samples) or self._bytes)

    @property
    def due(self) -> bool:
        """Whether enough came for `work` to do something."""
        waiting = len(self._bytes) // _BYTES * self._rate / (self._settings.rate or self._rate)
        return len(self._samples) + waiting >= self._wanted

    def add(self, block: bytes) -> None:
        """Keeps a block: quick."""
        self._bytes += block

    def work(self) -> Iterator[Progress | Result]:
        """What comes of the blocks so far; waits for the network."""
        self._take()
        while len(self._samples) >= self._wanted and not self._gone.is_set():
            part, self._samples = self._samples[: self._wanted], self._samples[self._wanted :]
            self._stream.feed(part)
            self._count += len(part)
            self._wanted = self._lines[1]
            progress = self._stream.progress()
            silence, longest = self._settings.silence, self._settings.longest
            if (progress.text and 0 < silence <= progress.quiet) or progress.seconds >= longest:
                yield self._finish()
            elif progress != self._last:
                self._last = progress
                yield progress

    def end(self) -> Iterator[Progress | Result]:
        """Ends the utterance with what came so far; waits for the network."""
        yield from self.work()
        if self._gone.is_set():
            return
        self._take(last=True)
        self._stream.feed(self._samples)
        self._samples = self._samples[:0]
        yield self._finish()

    def close(self) -> None:
        """Gives the utterance up."""
        self._stream.close()

    def _finish(self) -> Result:
        result = self._stream.finish_with_metadata()
        self._stream.reset()
        self._count, self._wanted, self._last = 0, self._lines[0], _NOTHING
        return result

    def _take(self, last: bool = False) -> None:
        whole = len(self._bytes) // _BYTES * _BYTES
        samples = np.frombuffer(bytes(self._bytes[:whole]), "<i2").astype(np.float32) / np.float32(32768)
        del self._bytes[:whole]
        if last:
            self._bytes.clear()
        self._samples = np.concatenate([self._samples, self._resample(samples, last)])
