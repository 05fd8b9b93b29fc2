"""Beam search without a language model: against all paths, and against the client's rules."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies

from deepspeech_recipe.runtime.decoders import Beam, prefixes
from deepspeech_recipe.runtime.result import Texts
from tests.support.decoding import LABELS, all_paths, drawn, followed, matrices, softmax


def decoded(matrix, width, cuts=(), count=1):
    utterance = Beam(width).for_model([b"."] * (matrix.shape[1] - 1)).start()
    for part in np.split(matrix, sorted(cuts)):
        utterance.feed(part)
    return utterance.finish(count)


@settings(max_examples=40, deadline=None)
@given(matrix=matrices, cuts=strategies.lists(strategies.integers(0, 6), max_size=2))
@example(matrix=softmax(2 * np.random.default_rng(1312).standard_normal((1, 4))), cuts=[])  # surely a blank
def test_the_weight_of_a_text_is_that_of_all_its_paths(matrix, cuts):
    begun = [number for number, frame in enumerate(matrix) if frame[-1] < 0.999]  # as the client does
    totals = all_paths(matrix[begun[0] if begun else len(matrix) :])
    for found in decoded(matrix, 3000, cuts, count=5):
        text = tuple(token.label for token in found.tokens)
        assert found.confidence == pytest.approx(math.log(totals[text]), abs=1e-6)
        assert found.confidence <= math.log(max(totals.values())) + 1e-6


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("classes", "width"), [(4, 6), (6, 25), (40, 12), (41, 12), (60, 8)])
def test_texts_times_and_weights_are_the_clients(classes, width, seed):
    """Above 40 classes it looks at them in another order, and letters begin later."""
    matrix = drawn(seed, 30, classes)
    wanted = followed(matrix, width)
    found = decoded(matrix, width, count=width)
    assert len(found) == len(wanted) == width
    for hypothesis, (weight, text, frames) in list(zip(found, wanted, strict=True))[:3]:
        assert tuple(token.label for token in hypothesis.tokens) == text != ()
        assert [token.start for token in hypothesis.tokens] == frames
        assert hypothesis.confidence == pytest.approx(weight, abs=1e-5)


def test_letters_have_frames_and_a_probability():
    rows = np.full((7, 4), 0.01)
    for at, label in enumerate((3, 0, 0, 3, 1, 2, 3)):
        rows[at, label] = 0.97
    rows[2, 0] = 0.98
    (found,) = decoded(rows, 20)
    assert [(token.label, token.start, token.end) for token in found.tokens] == [(0, 1, 3), (1, 4, 5), (2, 5, 6)]
    assert [token.probability for token in found.tokens] == pytest.approx([0.98, 0.97, 0.97])
    double = np.full((5, 4), 0.01)
    for at, label in enumerate((0, 3, 0, 0, 3)):
        double[at, label] = 0.97
    (found,) = decoded(double, 20)
    assert [(token.label, token.start, token.end) for token in found.tokens] == [(0, 0, 2), (0, 2, 4)]


def test_what_no_text_needs_is_forgotten(monkeypatch):
    """And nothing else: texts and times are the same."""
    matrix = drawn(1, 400, 8, 4.0)
    whole = decoded(matrix, 20, count=3)
    monkeypatch.setattr(prefixes, "_SWEPT", 100)
    utterance = Beam(20).for_model([b"."] * 7).start()
    most = 0
    for frame in matrix:
        utterance.feed(frame[None])
        most = max(most, utterance._texts.count, utterance._times.count)
    assert utterance.finish(3) == whole
    assert len(whole[0].tokens) > 100
    assert 100 < most < 3000  # of 5700


def test_settled_letters_stay():
    matrix, settled = drawn(3, 120, 6, 5.0), []
    utterance = Beam(10).for_model([b"."] * 5).start()
    assert utterance.partial().settled == 0
    for frame in matrix:
        utterance.feed(frame[None])
        found = utterance.partial()
        labels = [token.label for token in found.tokens]
        assert labels[: len(settled)] == settled
        settled = labels[: found.settled]
    assert 20 < len(settled) < len(labels)


def test_nothing_but_silence_and_nothing_at_all():
    utterance = Beam(5).for_model(LABELS).start()
    assert utterance.finish() == [utterance.partial()]
    assert Texts(LABELS, 0.02).text(utterance.partial()) == ""
    utterance.feed(np.tile(np.float32([0, 0, 0, 1]), (50, 1)))
    (found,) = utterance.finish()
    assert (found.tokens, found.confidence) == ((), 0.0)
    utterance.feed(np.float32([[0, 1, 0, 0]]))
    assert Texts(LABELS, 0.02).text(utterance.partial()) == "b"
