"""What recognition gives: text, confidence, and the times of letters and words."""

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from deepspeech_recipe.alphabet import is_bytes_alphabet


@dataclass(frozen=True)
class Token:
    """A class the decoder chose: frames from `start` to before `end`; probability: its highest in them."""

    label: int
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class Letter:
    """A letter that was recognised, and when it was said.

    text: one label of the alphabet (a character in bytes mode). start, end: in seconds. confidence: from 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Word:
    """A word that was recognised, and when it was said.

    start, end: in seconds. confidence: from 0 to 1, the geometric mean of its letters'.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Result:
    """The text of an utterance, with the times of its letters and words.

    confidence: the natural logarithm of the text's score, as DeepSpeech's client counts it. seconds: how
    much audio the result is about.
    """

    text: str
    confidence: float
    seconds: float
    letters: tuple[Letter, ...]
    words: tuple[Word, ...]

    def as_dict(self) -> dict:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """What is known of an utterance before its end.

    text: so far. settled: that many of its first characters will not change any more. seconds: of audio so far. quiet:
    seconds since the last letter, or since the beginning.
    """

    text: str
    settled: int
    seconds: float = field(compare=False)
    quiet: float = field(compare=False)


@dataclass(frozen=True)
class Hypothesis:
    """A decoder's answer in frames; confidence as in Result. settled: that many of the first tokens are in every later
    answer too; of one before the end."""

    tokens: tuple[Token, ...]
    confidence: float
    settled: int = 0


@dataclass(frozen=True)
class Texts:
    """Makes Results of Hypotheses. labels: text of each class; frame_step in seconds."""

    labels: Sequence[bytes]
    frame_step: float

    def text(self, hypothesis: Hypothesis) -> str:
        return b"".join(self.labels[token.label] for token in hypothesis.tokens).decode(errors="replace")

    def progress(self, hypothesis: Hypothesis, seconds: float) -> Progress:
        """seconds: of audio so far."""
        fixed = b"".join(self.labels[token.label] for token in hypothesis.tokens[: hypothesis.settled])
        # In UTF-8 a character may still lack bytes: those are left out.
        settled = len(codecs.getincrementaldecoder("utf-8")("replace").decode(fixed))
        spoken = (token.end for token in reversed(hypothesis.tokens) if not self.labels[token.label].isspace())
        return Progress(self.text(hypothesis), settled, seconds, seconds - self._seconds(next(spoken, 0)))

    def result(self, hypothesis: Hypothesis, seconds: float) -> Result:
        letters = tuple(self._letters(hypothesis.tokens))
        words = tuple(_words(letters))
        return Result(self.text(hypothesis), hypothesis.confidence, seconds, letters, words)

    def _letters(self, tokens: Iterable[Token]):
        group: list[Token] = []
        joined = is_bytes_alphabet(self.labels)
        for token in tokens:
            # In UTF-8 the bytes 10xxxxxx go on with the character before them.
            if group and not (joined and self.labels[token.label][0] & 0xC0 == 0x80):
                yield self._letter(group)
                group = []
            group.append(token)
        if group:
            yield self._letter(group)

    def _letter(self, group: list[Token]) -> Letter:
        text = b"".join(self.labels[token.label] for token in group).decode(errors="replace")
        confidence = _mean([token.probability for token in group])
        return Letter(text, self._seconds(group[0].start), self._seconds(group[-1].end), confidence)

    def _seconds(self, frame: int) -> float:
        return round(frame * self.frame_step, 6)


def _words(letters: Iterable[Letter]):
    group: list[Letter] = []
    for letter in letters:
        if letter.text.isspace():
            if group:
                yield _word(group)
            group = []
        else:
            group.append(letter)
    if group:
        yield _word(group)


def _word(group: list[Letter]) -> Word:
    confidence = _mean([letter.confidence for letter in group])
    return Word("".join(letter.text for letter in group), group[0].start, group[-1].end, confidence)


def _mean(probabilities: list[float]) -> float:
    product = 1.0
    for probability in probabilities:
        product *= max(probability, 1e-9) ** (1 / len(probabilities))
    return min(product, 1.0)
