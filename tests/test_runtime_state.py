"""Where the state of an utterance lies: in copies of its own, carried by the network and by nothing else."""

import numpy as np
import pytest

from deepspeech_recipe.ir.names import STATE_PAIRS
from deepspeech_recipe.runtime.inference.acoustic import StatefulCall
from tests.support.acoustic_model import CLASSES, HIDDEN
from tests.support.limits import assert_close
from tests.support.runtime_models import AUDIO, CONTEXT, recognizer

EXTERNAL = ["windows, open", "windows, 5 steps, batch 3", "attached"]


def network(kind: str) -> StatefulCall:
    one = recognizer(kind)
    return StatefulCall(one._ir, one.requests())


def windows(seed: int, count: int) -> np.ndarray:
    shape = (1, count, 2 * CONTEXT + 1, AUDIO.dct_coefficient_count)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", EXTERNAL)
def test_what_a_call_returned_does_not_change_with_the_next_one(kind):
    shared = network(kind)
    begin = shared.begin(1)
    assert {name: values.shape for name, values in begin.items()} == dict.fromkeys(STATE_PAIRS, (1, HIDDEN))
    probabilities, state = shared(windows(1, 5), begin)
    before = [probabilities.copy(), *(values.copy() for values in state.values())]
    shared(windows(2, 5), begin)
    for found, wanted in zip([probabilities, *state.values()], before, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert not any(values.any() for values in begin.values())


@pytest.mark.parametrize("kind", EXTERNAL)
def test_two_utterances_through_one_request(kind):
    """By turns, each from its own state: as each alone, and the states are needed for that."""
    shared, alone = network(kind), network(kind)
    wanted, found = {}, {}
    for seed in (1, 2):
        state, wanted[seed] = alone.begin(1), []
        for at in range(3):
            probabilities, state = alone(windows(10 * seed + at, 5), state)
            wanted[seed].append(probabilities)
        found[seed] = (shared.begin(1), [])
    for at in range(3):
        for seed in (1, 2):
            state, parts = found[seed]
            probabilities, state = shared(windows(10 * seed + at, 5), state)
            found[seed] = (state, [*parts, probabilities])
    for seed in (1, 2):
        assert np.shape(found[seed][1]) == (3, 5, 1, CLASSES)
        assert_close(found[seed][1], wanted[seed], 2e-7)
        forgotten, _ = alone(windows(10 * seed + 2, 5), alone.begin(1))
        assert np.abs(forgotten - wanted[seed][2]).max() > 1e-3


def test_the_state_taken_off_an_attached_model_is_the_acoustic_models():
    """Cell and hidden state each lead back to where they come from, by value."""
    plain, taken = network("windows, open"), network("attached")
    first, second = windows(1, 5), windows(2, 5)
    (_, ours), (_, theirs) = plain(first, plain.begin(1)), taken(first, taken.begin(1))
    assert sorted(map(float, (values.sum() for values in ours.values()))) == pytest.approx(
        sorted(map(float, (values.sum() for values in theirs.values()))), abs=1e-4
    )
    assert_close(taken(second, theirs)[0], plain(second, ours)[0], 8e-7)
    crossed = dict(zip(theirs, reversed(theirs.values()), strict=True))
    assert np.abs(taken(second, crossed)[0] - plain(second, ours)[0]).max() > 1e-3


def test_an_internal_state_is_its_requests_own():
    one = recognizer("internal state")
    first, second = (StatefulCall(one._ir, one.requests()) for _ in range(2))
    first.begin(1), second.begin(1)
    wanted = [first(windows(seed, 4), {})[0] for seed in (1, 2)]
    first.begin(1)
    found = []
    for seed in (1, 2):
        found.append(first(windows(seed, 4), {})[0])
        second(windows(seed + 7, 4), {})
    assert_close(found, wanted, 2e-7)
