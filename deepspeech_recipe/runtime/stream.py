"""A stream: audio in blocks of any size, text at any time."""

from collections.abc import Callable

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.recordings.samples import as_samples
from deepspeech_recipe.runtime.result import Progress, Result, Texts


class Stream:
    """One utterance at a time, as DeepSpeech's client has them; not for several threads at once.

    Made by `Recognizer.stream()`. After `finish`, `reset` begins the next utterance.
    """

    def __init__(self, session, start: Callable, texts: Texts, sample_rate: int):
        """session: samples → probabilities; start() → a decoder's utterance."""
        self._session, self._start, self._texts, self._rate = session, start, texts, sample_rate
        self.reset()

    def reset(self) -> None:
        """Forgets all audio and begins an utterance."""
        self._session.reset()
        self._decoder = self._start()
        self._count = 0
        self._ended = False

    def feed(self, samples) -> None:
        """Samples `[N]` at the model's rate: float from −1 to 1 or int16, any N. (feedAudioContent)"""
        self._check_open()
        samples = as_samples(samples)
        self._count += len(samples)
        for probabilities in self._session.feed(samples):
            self._decoder.feed(probabilities)

    def partial(self) -> str:
        """The text so far, up to a chunk less than was fed. (intermediateDecode)"""
        return self._texts.text(self._partial())

    def partial_with_metadata(self) -> Result:
        """`partial` with confidence and times. (intermediateDecodeWithMetadata)"""
        return self._result(self._partial())

    def progress(self) -> Progress:
        """`partial`, how much of it is settled, and how long nothing was said."""
        return self._texts.progress(self._partial(), self._count / self._rate)

    def finish(self) -> str:
        """Ends the utterance → its text. (finishStream)"""
        return self._texts.text(self._finish(1)[0])

    def finish_with_metadata(self) -> Result:
        """Ends the utterance → its text with confidence and times. (finishStreamWithMetadata)"""
        return self._result(self._finish(1)[0])

    def finish_with_alternatives(self, count: int) -> list[Result]:
        """Ends the utterance → up to `count` results, the best first. (finishStreamWithMetadata(count))"""
        return [self._result(hypothesis) for hypothesis in self._finish(count)]

    def close(self) -> None:
        """Gives the utterance up and frees what it holds. `reset` may follow. (freeStream)"""
        self._ended = True
        self._session.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _partial(self):
        if not self._ended:
            for probabilities in self._session.settled():
                self._decoder.feed(probabilities)
        return self._decoder.partial()

    def _finish(self, count: int):
        self._check_open()
        self._ended = True
        for probabilities in self._session.finish():
            self._decoder.feed(probabilities)
        return self._decoder.finish(count)

    def _result(self, hypothesis) -> Result:
        return self._texts.result(hypothesis, self._count / self._rate)

    def _check_open(self) -> None:
        if self._ended:
            raise RecipeError("The stream has ended. Call reset() to begin the next utterance.")
