"""Many utterances side by side: the results are those of each alone, and no row waits for another one to end."""

import math

import numpy as np
import pytest

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.metadata import read_metadata, write_metadata
from deepspeech_recipe.ir.ov_api import opset, rebuild
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.batching import rows as module
from deepspeech_recipe.runtime.inference.acoustic import StatefulCall
from tests.support import runtime_models
from tests.support.runtime_models import AUDIO, ONE_THREAD, recognizer, speech

SHARED = [
    "windows, open",
    "windows, 16 steps",
    "windows, 5 steps, batch 3",
    "windows, lengths",
    "windows, lengths, loop",
    "windows, int8",
    "attached",
    "no state, 5 steps",
]
ALONE = ["internal state", "streaming", "attached, lengths"]
LENGTHS = (9000, 0, 512, 16000, 4001, 700, 12000, 3, 8000)


def utterances() -> list[np.ndarray]:
    return [speech()[37 * at : 37 * at + size] for at, size in enumerate(LENGTHS)]


@pytest.fixture
def calls(monkeypatch):
    """(rows, windows) of each call."""
    found, start = [], StatefulCall.start
    monkeypatch.setattr(
        StatefulCall, "start", lambda self, x, state: found.append(x.shape[:2]) or start(self, x, state)
    )
    return found


@pytest.mark.parametrize("rows", [2, 16])
@pytest.mark.parametrize("kind", [*SHARED, *ALONE])
def test_each_has_the_result_that_it_has_alone(kind, rows):
    one = recognizer(kind)
    found = {each.number: each for each in one.transcribe_many([np.split(each, 3) for each in thirds()], rows)}
    assert sorted(found) == list(range(len(LENGTHS)))
    for number, samples in enumerate(thirds()):
        result, alone = found[number].result_or_error(), one.transcribe(samples)
        assert (result.text, result.seconds) == (alone.text, len(samples) / 16000)
        assert [letter.start for letter in result.letters] == [letter.start for letter in alone.letters]
        assert result.confidence == pytest.approx(alone.confidence, abs=1e-4)
    assert {type(each.work) for each in found.values()} == {float}


def thirds() -> list[np.ndarray]:
    return [each[: len(each) // 3 * 3] for each in utterances()]


@pytest.mark.parametrize("kind", SHARED)
def test_calls_are_shared(kind, calls):
    one = recognizer(kind)
    list(one.transcribe_many([[each] for each in utterances()], 3))
    most = max(rows for rows, _ in calls)
    assert most == 3
    assert max(windows for _, windows in calls) == (AcousticIR(runtime_models.model(kind)).steps or 16)
    frames = sum(client_frame_count(size, AUDIO) for size in LENGTHS)
    # In each utterance a part of a call, and at the end fewer rows.
    assert sum(rows * windows for rows, windows in calls) < frames + 20 * len(LENGTHS)


def test_16_share_a_call_if_nobody_says_how_many(calls):
    list(recognizer("windows, open").transcribe_many([[speech()[:1000]]] * 40))
    assert max(rows for rows, _ in calls) == 16


def test_a_long_one_does_not_keep_the_others_waiting(calls):
    """Of 200 calls for the long one most have both rows, and the short ones are done first."""
    short = [speech()[at : at + 5000] for at in range(20)]
    long = np.resize(speech(), 20 * 5000)
    order = [
        each.number for each in recognizer("windows, open").transcribe_many([[long], *([each] for each in short)], 2)
    ]
    assert order[-1] == 0
    assert len(calls) < 1.2 * math.ceil(client_frame_count(len(long), AUDIO) / 16) + 12


def test_a_few_are_one_call_for_each_chunk(calls):
    recognizer("windows, open").transcribe_batch([speech()] * 5)
    frames = client_frame_count(len(speech()), AUDIO)
    assert calls == [(5, 16)] * math.ceil(frames / 16)
    calls.clear()
    recognizer("windows, open").transcribe_batch([speech()[:5000]] * 40)
    assert {rows for rows, _ in calls} == {16, 8}


def test_a_single_one_is_heard_as_usual(calls):
    (found,) = recognizer("windows, 16 steps").transcribe_many([[speech()]])
    assert found.result_or_error() == recognizer("windows, 16 steps").transcribe(speech())
    assert list(recognizer("windows, open").transcribe_many([])) == []


def test_what_is_wrong_with_one_is_no_business_of_the_others():
    def broken(samples):
        yield samples
        raise RecipeError("cut off")

    one = recognizer("windows, open")
    parts = [[speech()[:9000]], broken(speech()[:9000]), [speech()[:300], "none"], broken(speech()[:0]), [speech()]]
    found = {each.number: each for each in one.transcribe_many(parts, 2)}
    assert [number for number in sorted(found) if found[number].error] == [1, 2, 3]
    with pytest.raises(RecipeError, match="cut off"):
        found[1].result_or_error()
    for number, samples in ((0, speech()[:9000]), (4, speech())):
        assert found[number].result_or_error().text == one.transcribe(samples).text


def test_a_decoder_that_fails_ends_one_utterance(monkeypatch):
    one = recognizer("windows, open")
    real, begun = one._decoder.start, []

    def start():
        utterance = real()
        begun.append(utterance)
        if len(begun) == 2:
            utterance.feed = lambda frames: (_ for _ in ()).throw(ValueError("out of luck"))
        if len(begun) == 3:
            utterance.finish = lambda count: (_ for _ in ()).throw(ValueError("out of luck"))
        return utterance

    monkeypatch.setattr(one._decoder, "start", start)
    found = {each.number: each.error for each in one.transcribe_many([[speech()[:7000]]] * 4, 2)}
    assert {number: str(error) for number, error in found.items() if error} == {1: "out of luck", 2: "out of luck"}


def test_they_are_read_as_they_are_needed():
    opened, most = set(), []

    def blocks(number):
        opened.add(number)
        most.append(len(opened))
        for at in range(0, 9000, 1000):
            yield speech()[at : at + 1000]
        opened.discard(number)

    assert len([*recognizer("windows, open").transcribe_many([blocks(number) for number in range(30)], 3)]) == 30
    assert max(most) <= 6  # two groups of 3 rows


def test_long_ones_are_decoded_as_they_go(monkeypatch):
    monkeypatch.setattr(module, "_DECODED_FRAMES", 40)
    fed = []
    one = recognizer("windows, open")
    real = one._decoder.start

    def start():
        utterance = real()
        feed = utterance.feed
        utterance.feed = lambda frames: fed.append(len(frames)) or feed(frames)
        return utterance

    monkeypatch.setattr(one._decoder, "start", start)
    samples = np.resize(speech(), 48000)
    texts = [each.result_or_error().text for each in one.transcribe_many([[samples]] * 2, 2)]
    assert sum(fed) == 2 * client_frame_count(len(samples), AUDIO)
    assert max(fed) < 40 + 16
    monkeypatch.undo()
    assert texts == [one.transcribe(samples).text] * 2


def test_who_stops_listening_leaves_nothing_running(calls):
    one = Recognizer(runtime_models.model("windows, open"), config=ONE_THREAD)
    heard = one.transcribe_many([[each] for each in utterances()], 2)
    next(heard)
    heard.close()
    before = len(calls)
    assert one.transcribe_batch(utterances()[:2])[0].text == one.transcribe(utterances()[0]).text
    assert len(calls) > before


def test_a_batch_that_is_written_into_the_model_is_not_shared():
    model = runtime_models.model("windows, 16 steps")
    (logits,) = (each for each in model.get_results() if "logits" in each.output(0).get_names())
    fixed = opset.reshape(logits.input_value(0), np.int64([16, 1, -1]), False)
    fixed.output(0).get_tensor().set_names({"logits"})
    others = [each for each in model.get_results() if each is not logits]
    built = rebuild(model, results=[opset.result(fixed), *others])
    write_metadata(built, read_metadata(model))
    assert module.open_rows(AcousticIR(built)) is None
