"""Greedy CTC decoding: the best class of every frame, repeats merged, blanks dropped.

A decoder has two parts. Its settings know `for_model(labels, beam_width)`, which checks them against a model; what
that returns knows `start()`, which begins an utterance. An utterance knows `feed(probabilities)`, `partial()`
→ Hypothesis, and `finish(count)` → list of Hypothesis, the best first.
"""

from collections.abc import Sequence

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.result import Hypothesis, Texts, Token

_SMALLEST = 1e-30


class Greedy:
    """Greedy decoding: the most likely class of every frame, without a language model. It has no settings."""

    def for_model(self, labels: Sequence[bytes], beam_width: int | None = None) -> "Greedy":
        """The decoder for a model with these labels; beam_width is ignored."""
        return self

    def start(self) -> "GreedyUtterance":
        """Begins an utterance."""
        return GreedyUtterance()


class GreedyUtterance:
    """Holds the runs of equal classes seen so far: memory for the text, not for the audio."""

    def __init__(self):
        self._labels: list[int] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._peaks: list[float] = []
        self._last = -1  # class of the last frame; the blank is kept in no list
        self._frames = 0
        self._log = 0.0

    def feed(self, probabilities: np.ndarray) -> None:
        """Frames `[n, classes]`, the blank being the last class; n may be 0."""
        check_frames(probabilities)
        if not len(probabilities):
            return
        best = probabilities.argmax(1)
        peaks = probabilities.max(1)
        self._log += float(np.log(np.maximum(peaks, _SMALLEST)).sum(dtype=np.float64))
        begins = np.flatnonzero(np.append(True, best[1:] != best[:-1]))
        highest = np.maximum.reduceat(peaks, begins).tolist()
        ends = [*begins[1:].tolist(), len(best)]
        blank = probabilities.shape[1] - 1
        runs = zip(best[begins].tolist(), begins.tolist(), ends, highest, strict=True)
        for number, (label, start, end, peak) in enumerate(runs):
            if label == blank:
                continue
            if number == 0 and label == self._last:
                self._ends[-1] = self._frames + end
                self._peaks[-1] = max(self._peaks[-1], peak)
                continue
            self._labels.append(label)
            self._starts.append(self._frames + start)
            self._ends.append(self._frames + end)
            self._peaks.append(peak)
        self._last = int(best[-1])
        self._frames += len(best)

    def partial(self) -> Hypothesis:
        tokens = map(Token, self._labels, self._starts, self._ends, self._peaks)
        return Hypothesis(tuple(tokens), self._log, len(self._labels))

    def finish(self, count: int = 1) -> list[Hypothesis]:
        """count: how many are wanted; there is one."""
        return [self.partial()]


def greedy_text(scores, labels: Sequence[bytes]) -> str:
    """Of a whole utterance. scores: `[T, classes]`, probabilities or raw scores, the blank being the last class;
    labels: the text of the other classes, as UTF-8 or as pieces of it. Raises RecipeError if the two do not fit.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] != len(labels) + 1:
        raise RecipeError(
            f"Scores of shape {list(scores.shape)} do not fit an alphabet of {len(labels)} labels: "
            f"[T, {len(labels) + 1}] is needed, the blank being the last class."
        )
    utterance = GreedyUtterance()
    utterance.feed(scores)
    return Texts(labels, 0.0).text(utterance.partial())


def check_frames(probabilities) -> None:
    if np.ndim(probabilities) != 2:
        raise RecipeError(f"Frames of shape {list(np.shape(probabilities))} cannot be decoded: [n, classes] is needed.")
