"""One utterance in a beam search of flashlight-text, with a language model."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.decoders.greedy import check_frames
from deepspeech_recipe.runtime.result import Hypothesis, Token

_SMALLEST = np.float32(1e-30)
_IMPOSSIBLE = -1e9
# Frames the search keeps to go back on: 10 s at 20 ms. What is older is settled; the memory for all would be too much.
_KEPT = 500


class BeamUtterance:
    """search: a decoder of flashlight-text, before its first step. space: the class that ends words.

    keep: what must live as long as the search.
    """

    def __init__(self, search, classes: int, space: int, keep):
        self._search, self._classes, self._space, self._keep = search, classes, space, keep
        # The class of each frame that is out of the search's reach, and its probability.
        self._settled: list[tuple[int, float]] = []
        self._within = np.zeros((0, classes), np.float32)  # probabilities of the others
        self._search.decode_begin()

    def feed(self, probabilities: np.ndarray) -> None:
        """Frames `[n, classes]`, the blank being the last class; n may be 0."""
        check_frames(probabilities)
        for at in range(0, len(probabilities), _KEPT):
            part = np.maximum(probabilities[at : at + _KEPT], _SMALLEST).astype(np.float32)
            self._step(np.log(part))
            self._within = np.concatenate([self._within, part])
            if len(self._within) >= 2 * _KEPT:
                self._settle()
            if len(self._within) >= 4 * _KEPT:
                self._settle_all()

    def partial(self) -> Hypothesis:
        return self._hypothesis(self._best().tokens if len(self._within) else ())

    def finish(self, count: int = 1) -> list[Hypothesis]:
        """The best texts, the best first: scores of one text's paths are added."""
        self._end_word()
        found: dict[tuple, list] = {}
        for result in self._search.get_all_final_hypothesis() if len(self._within) else []:
            hypothesis = self._hypothesis(result.tokens)
            found.setdefault(tuple(token.label for token in hypothesis.tokens), []).append((result.score, hypothesis))
        best = sorted(found.values(), key=_together, reverse=True)
        return [max(each, key=lambda pair: pair[0])[1] for each in best[:count]] or [self._hypothesis(())]

    def _step(self, scores: np.ndarray) -> None:
        if scores.shape[1] != self._classes:
            raise RecipeError(f"Frames have {scores.shape[1]} classes, the decoder was made for {self._classes}.")
        scores = np.ascontiguousarray(scores)
        if len(scores):
            self._search.decode_step(scores.ctypes.data, *scores.shape)

    def _best(self):
        # The library's own best one leaves out the word that is just being said.
        return max(self._search.get_all_final_hypothesis(), key=lambda result: result.score)

    def _end_word(self) -> None:
        """One frame more that ends the last word, at no cost; what is not a whole word becomes the last choice."""
        end = np.full((1, self._classes), _IMPOSSIBLE, np.float32)
        end[0, self._space] = 0
        self._step(end)

    def _settle(self) -> None:
        before = self._best().tokens
        self._search.prune(_KEPT)
        gone = len(before) - len(self._best().tokens)
        self._settled += self._frames(before)[:gone]
        self._within = self._within[gone:].copy()

    def _settle_all(self) -> None:
        """For a long silence, if there is no word to settle up to: the language model begins anew inside it."""
        self._end_word()
        frames = self._frames(self._best().tokens)
        cut = self._pause([label for label, _ in frames])
        self._settled += frames[:cut]
        self._settled[-1] = self._space, self._settled[-1][1]
        self._within = self._within[cut:].copy()
        self._search.decode_begin()
        self._step(np.log(self._within))

    def _pause(self, classes: Sequence[int]) -> int:
        """The middle of the longest pause in the later half, so that no word is cut; the end if there is none."""
        longest, cut, at = 0, len(classes), 0
        for silent, run in itertools.groupby(classes, lambda label: label in (self._classes - 1, self._space)):
            length = len(list(run))
            begin = max(at, len(classes) // 2)
            at += length
            if silent and at - begin > longest:
                longest, cut = at - begin, (begin + at + 1) // 2
        return cut

    def _frames(self, classes: Sequence[int]) -> list[tuple[int, float]]:
        """(class, probability) of each frame within reach."""
        # The first class stands for the time before them; behind the last one may be the one that ends the utterance.
        within = np.array(classes, np.int64)[1 : len(self._within) + 1]
        found = self._within[np.arange(len(within)), within]
        return list(zip(within.tolist(), found.tolist(), strict=True))

    def _hypothesis(self, classes: Sequence[int]) -> Hypothesis:
        """classes: of a result of the search; none where all is settled."""
        frames = [*self._settled, *self._frames(classes)]
        confidence = sum((math.log(probability) for _, probability in frames), 0.0)
        tokens = tuple(self._tokens(frames))
        return Hypothesis(tokens, confidence, sum(token.start < len(self._settled) for token in tokens))

    def _tokens(self, frames: list[tuple[int, float]]) -> list[Token]:
        tokens: list[Token] = []
        at = 0
        for label, run in itertools.groupby(frames, lambda frame: frame[0]):
            probabilities = [probability for _, probability in run]
            end = at + len(probabilities)
            # A language model knows no space before the first word, and no second one between two.
            extra = label == self._space and (not tokens or tokens[-1].label == label)
            if label != self._classes - 1 and not extra:
                tokens.append(Token(label, at, end, max(probabilities)))
            at = end
        if tokens and tokens[-1].label == self._space:
            tokens.pop()
        return tokens


def _together(pairs) -> float:
    """ln of the sum of exp(score)."""
    highest = max(score for score, _ in pairs)
    return highest + math.log(sum(math.exp(score - highest) for score, _ in pairs))
