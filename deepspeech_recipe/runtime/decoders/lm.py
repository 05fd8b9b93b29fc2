"""Beam search, with a language model that flashlight-text reads (`pip install ufal-flashlight-text`), or without one.

Scores are those of DeepSpeech's decoder: log P(audio) + alpha · ln P(words) + beta · number of words, summed over
all paths of a text. Words are those of the scorer. See `greedy` for what a decoder is.
"""

import copy
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from deepspeech_recipe.alphabet import is_bytes_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.quiet import native_code_quiet
from deepspeech_recipe.runtime.decoders.arpa_file import arpa_order, arpa_words, check_arpa, is_arpa
from deepspeech_recipe.runtime.decoders.kenlm_file import binary_order, check_binary
from deepspeech_recipe.runtime.decoders.prefixes import PrefixUtterance
from deepspeech_recipe.runtime.decoders.scorer_file import LARGEST_WEIGHT, read_scorer
from deepspeech_recipe.runtime.decoders.scorer_trial import try_once
from deepspeech_recipe.runtime.decoders.spelling import spelled_by_classes, spelled_by_letters, word_list
from deepspeech_recipe.runtime.decoders.words import Said, Tree, WordsUtterance, weigher

__all__ = ["Beam", "Scorer"]

_BEAM_WIDTH = 500  # DeepSpeech's own default
_UNKNOWN = "<unk>"
_CHECKED_WORDS = 200
WIDEST_BEAM = 100_000  # more than anyone waits for
_ALPHA, _BETA = 0.93, 1.18  # DeepSpeech's defaults for a language model that brings none


def _flashlight():
    try:
        from flashlight.lib.text import dictionary
        from flashlight.lib.text.decoder import kenlm
    except ImportError:
        raise RecipeError("A scorer needs flashlight-text: pip install ufal-flashlight-text.") from None
    return dictionary, kenlm


class Beam:
    """Beam search without a language model: the text with the most likely paths together, not the best path."""

    def __init__(self, beam_width: int | None = None):
        """beam_width: by default the model's."""
        _check_width(beam_width)
        self._width = beam_width
        self._classes = 0

    def for_model(self, labels: Sequence[bytes], beam_width: int | None = None) -> "Beam":
        """The decoder for a model with these labels; beam_width is the model's."""
        found = Beam(self._width or beam_width or _BEAM_WIDTH)
        found._classes = len(labels) + 1
        return found

    def start(self) -> PrefixUtterance:
        """Begins an utterance."""
        return PrefixUtterance(self._classes, self._width or _BEAM_WIDTH)


class Scorer:
    """Beam search with a language model.

    - path: a `.scorer` of DeepSpeech or Coqui STT, as it is; or a KenLM binary, with `words`; or an ARPA file.
    - words: a text file of words, or the words.
    - alpha, beta: the weights of the language model and of the number of words; by default the scorer's own.
    - beam_width: by default the model's.
    - hot_words: word → boost in natural log units, times alpha, for each n-gram that it is in.

    Raises RecipeError, from `for_model` too: if the scorer does not fit the alphabet.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        beam_width: int | None = None,
        hot_words: Mapping[str, float] | None = None,
        words: str | os.PathLike | Iterable[str] | None = None,
    ):
        _check_width(beam_width)
        _check_weights(alpha, beta, hot_words)
        self.path, self._words, self._width = Path(path), words, beam_width
        self.alpha, self.beta, self._hot_words = alpha, beta, dict(hot_words or {})

    def files(self) -> dict[str, Path]:
        """What it is read from, by names for copies in one folder: see `moved`."""
        words = {"words": Path(self._words)} if isinstance(self._words, str | os.PathLike) else {}
        return {"scorer": self.path, **words}

    def moved(self, folder: Path) -> "Scorer":
        """The same scorer, read from copies of its files in a folder."""
        found = copy.copy(self)
        found.path = folder / "scorer"
        found._words = folder / "words" if "words" in self.files() else self._words
        return found

    def for_model(self, labels: Sequence[bytes], beam_width: int | None = None) -> "ScorerSearch":
        """The decoder for a model with these labels; beam_width is the model's."""
        if is_bytes_alphabet(labels):
            raise RecipeError(f"{self.path}: a model that outputs bytes is decoded greedily, without a scorer.")
        space = labels.index(b" ") if b" " in labels else None
        if space is None:
            raise RecipeError(f"{self.path}: a scorer of words needs an alphabet with a space, this one has none.")
        arpa = is_arpa(self.path)
        alpha, beta = self.alpha, self.beta
        if self._words is None and not arpa:
            file = read_scorer(self.path, space)
            if file.utf8:
                raise RecipeError(f"{self.path}: is a scorer for models that output bytes (UTF-8 mode).")
            spelled = spelled_by_classes(self.path, file.words, labels)
            alpha, beta = (own if typed is None else typed for typed, own in ((alpha, file.alpha), (beta, file.beta)))
        else:
            words = arpa_words(self.path) if self._words is None else word_list(self._words)
            spelled = spelled_by_letters(self.path, words, labels)
        weights = _ALPHA if alpha is None else alpha, _BETA if beta is None else beta
        _flashlight()
        try_once(self.path, labels, spelled, lambda: (check_arpa if arpa else check_binary)(self.path))
        return ScorerSearch(
            self.path, labels, spelled, *weights, self._width or beam_width or _BEAM_WIDTH, self._hot_words
        )


class ScorerSearch:
    """A language model and its words, spelled in a model's classes; shared by all utterances."""

    def __init__(self, path: Path, labels, spelled: dict, alpha: float, beta: float, width: int, hot_words: Mapping):
        dictionary, kenlm = _flashlight()
        names = dictionary.Dictionary([*spelled, _UNKNOWN])
        try:
            with native_code_quiet():  # of an ARPA file, KenLM advises to make a binary file of it
                model = kenlm.KenLM(str(path), names)
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines() or ["no reason given"]
            raise RecipeError(f"{path}: is not a language model that KenLM can read ({reason[0][:200]}).") from None
        self._model, self._path, self._space, self._width = model, path, labels.index(b" "), width
        self._names, self._classes = names, len(labels) + 1
        self._order = (arpa_order if is_arpa(path) else binary_order)(path)
        self._words = {word: number for number, word in enumerate(spelled)}
        self._indices = [names.get_index(word) for word in spelled]
        self._check_words()
        self._tree = Tree(list(spelled.values()))
        self._weigh_by(alpha, beta, hot_words)

    def adapted(self, alpha: float | None, beta: float | None, hot_words: Mapping[str, float] | None) -> "ScorerSearch":
        """The same language model with other weights and hot words. None: as it is.

        Raises RecipeError for what a Scorer would not take."""
        _check_weights(alpha, beta, hot_words)
        found = copy.copy(self)
        found._weigh_by(self._alpha if alpha is None else alpha, self._beta if beta is None else beta, hot_words)
        return found

    def start(self) -> WordsUtterance:
        """Begins an utterance."""
        said = Said(self._model.start(False), weigher(self._model, self._indices), self._hot, self._order)
        return WordsUtterance(self._classes, self._width, self._tree, said, self._space, self._alpha, self._beta)

    def _weigh_by(self, alpha: float, beta: float, hot_words: Mapping[str, float] | None) -> None:
        self._alpha, self._beta = alpha, beta
        if hot_words is None:
            return
        unknown = [word for word in hot_words if word not in self._words]
        if unknown:
            raise RecipeError(f"{self._path}: does not know the hot words {', '.join(map(repr, sorted(unknown)))}.")
        self._hot = {self._words[word]: boost for word, boost in hot_words.items()}

    def _check_words(self) -> None:
        begin, words = self._model.start(False), list(self._words)
        scores = [self._model.score(begin, index)[1] for index in self._indices]
        for word, score in zip(words, scores, strict=True):
            if not math.isfinite(score):
                raise RecipeError(f"{self._path}: is damaged: its language model gives {word!r} the score {score}.")
        nothing = self._model.score(begin, self._names.get_index(_UNKNOWN))[1]
        some = range(0, len(words), max(1, len(words) // _CHECKED_WORDS))
        strange = [words[number] for number in some if scores[number] == nothing]
        if 2 * len(strange) > len(some):
            raise RecipeError(
                f"{self._path}: does not fit the model's alphabet: its language model does not know words such as "
                f"{', '.join(map(repr, strange[:3]))}."
            )


def _check_width(beam_width: int | None) -> None:
    if beam_width is not None and not (isinstance(beam_width, int | np.integer) and 1 <= beam_width <= WIDEST_BEAM):
        raise RecipeError(f"The beam width is {beam_width}, a whole number from 1 to {WIDEST_BEAM} is needed.")


def _check_weights(alpha: float | None, beta: float | None, hot_words: Mapping[str, float] | None) -> None:
    for name, value in (("alpha", alpha), ("beta", beta)):
        if value is not None:
            _check_weight(f"The scorer's {name}", value)
    for word, boost in (hot_words or {}).items():
        _check_weight(f"The boost of the hot word {word!r}", boost)


def _check_weight(name: str, value: float) -> None:
    if not (
        isinstance(value, int | float | np.integer | np.floating) and abs(value) <= LARGEST_WEIGHT
    ):  # not a number is not less than any
        raise RecipeError(f"{name} is {value}: a number from -{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g} is needed.")
