"""Decoders against brute force: all paths of a small matrix."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Greedy
from deepspeech_recipe.runtime.decoders.greedy import greedy_text
from deepspeech_recipe.runtime.decoders.spelling import spelled_by_letters
from deepspeech_recipe.runtime.result import Hypothesis, Texts, Token
from tests.support.decoding import collapse, matrices

LABELS = [b"a", b"b", b" "]


@settings(max_examples=50, deadline=None)
@given(matrix=matrices, cuts=strategies.lists(strategies.integers(0, 6), max_size=3))
def test_greedy_is_the_best_path_whatever_the_blocks(matrix, cuts):
    utterance = Greedy().for_model(LABELS).start()
    for part in np.split(matrix, sorted(cuts)):
        utterance.feed(part)
    (found,) = utterance.finish()
    paths = {
        path: matrix[np.arange(len(matrix)), path].prod() for path in itertools.product(range(4), repeat=len(matrix))
    }
    best = max(paths, key=paths.get)
    assert tuple(token.label for token in found.tokens) == collapse(best, 3)
    assert found.confidence == pytest.approx(np.log(paths[best]), abs=1e-5)
    for token in found.tokens:
        assert best[token.start : token.end] == (token.label,) * (token.end - token.start)
        assert token.probability == matrix[token.start : token.end, token.label].max()
    assert greedy_text(matrix, LABELS) == "".join("ab "[label] for label in collapse(best, 3))


def test_a_run_over_a_boundary_is_one_letter():
    rows = np.eye(4, dtype=np.float32)
    utterance = Greedy().start()
    for row in (0, 0, 3, 0, 1, 1):
        utterance.feed(rows[[row]])
        utterance.feed(rows[:0])
    tokens = utterance.partial().tokens
    assert tokens == (Token(0, 0, 2, 1.0), Token(0, 3, 4, 1.0), Token(1, 4, 6, 1.0))


def test_frames_of_the_wrong_rank():
    with pytest.raises(RecipeError, match=r"Frames of shape \[2, 1, 4\]"):
        Greedy().start().feed(np.zeros((2, 1, 4), np.float32))


def test_letters_and_words_have_times():
    tokens = [
        Token(2, 0, 1, 1.0),
        Token(0, 5, 7, 0.25),
        Token(1, 7, 8, 1.0),
        Token(2, 9, 10, 0.5),
        Token(2, 11, 12, 0.5),
    ]
    result = Texts(LABELS, 0.02).result(Hypothesis((*tokens, Token(1, 20, 25, 0.75)), -2.5), 0.6)
    assert (result.text, result.confidence, result.seconds) == (" ab  b", -2.5, 0.6)
    assert [(word.text, word.start, word.end) for word in result.words] == [("ab", 0.1, 0.16), ("b", 0.4, 0.5)]
    assert [word.confidence for word in result.words] == pytest.approx([0.5, 0.75])
    assert [(each.text, each.start, each.end) for each in result.letters[1:3]] == [("a", 0.1, 0.14), ("b", 0.14, 0.16)]
    assert result.as_dict()["words"][1] == {"text": "b", "start": 0.4, "end": 0.5, "confidence": pytest.approx(0.75)}


def test_letters_of_bytes_are_characters():
    labels = [bytes([value]) for value in range(1, 256)]
    text = "aß €😀"
    tokens = tuple(Token(byte - 1, 2 * at, 2 * at + 1, 1.0) for at, byte in enumerate(text.encode()))
    result = Texts(labels, 0.5).result(Hypothesis(tokens, 0.0), 1)
    assert result.text == text
    assert [letter.text for letter in result.letters] == list(text)
    assert [(word.text, word.start, word.end) for word in result.words] == [
        ("aß", 0.0, 4.5 / 2 + 0.25),
        ("€😀", 4.0, 10.5),
    ]
    cut = Texts(labels, 0.5).result(Hypothesis(tokens[:2], 0.0), 1)
    assert cut.text == "a�"
    assert [letter.text for letter in cut.letters] == ["a", "�"]


def scores(*classes: int) -> np.ndarray:
    return np.eye(4, dtype=np.float32)[list(classes)]


def test_greedy_merges_repeats_and_drops_blanks():
    labels = [b"a", b"b", "é".encode()]
    assert greedy_text(scores(3, 0, 0, 3, 0, 1, 1, 2, 3), labels) == "aabé"
    assert greedy_text(scores(), labels) == ""
    # Labels that are pieces of one character become text together.
    assert greedy_text(scores(0, 1), [b"\xc3", b"\xa9", b"x"]) == "é"


def test_greedy_wants_scores_that_fit_the_alphabet():
    with pytest.raises(RecipeError, match=r"\[T, 3\] is needed"):
        greedy_text(scores(0), [b"a", b"b"])


def test_what_is_settled_of_a_text_are_whole_characters_and_what_is_quiet_follows_the_last_letter():
    texts = Texts([b"\xc3", b"\xa4", b" ", b"a"], 0.5)
    tokens = tuple(Token(label, place, place + 1, 1.0) for place, label in enumerate([3, 0, 1, 2]))
    found = [texts.progress(Hypothesis(tokens[:count], 0.0, count), 4.0) for count in range(5)]
    assert [(each.text, each.settled) for each in found] == [("", 0), ("a", 1), ("a\ufffd", 1), ("aä", 2), ("aä ", 3)]
    assert [each.quiet for each in found] == [4.0, 3.5, 3.0, 2.5, 2.5]
    assert texts.progress(Hypothesis(tokens, 0.0, 1), 4.0).settled == 1


def test_a_word_of_all_letters_of_an_alphabet_can_be_heard_and_one_of_more_cannot(tmp_path):
    spelled = spelled_by_letters(tmp_path, ["aba", "a", "abc"], [b" ", b"a", b"b"])
    assert spelled == {"aba": (1, 2, 1), "a": (1,)}
