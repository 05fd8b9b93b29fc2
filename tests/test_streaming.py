"""The streaming model: whatever the blocks, the same numbers as in one call."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.names import STATE_PAIRS
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.passes.attach_audio import attach_audio
from deepspeech_recipe.passes.fast_recurrence import fast_recurrence
from deepspeech_recipe.passes.internal_state import internal_state
from deepspeech_recipe.passes.streaming import streaming_model
from tests.support import client_audio
from tests.support.acoustic_model import CLASSES, HIDDEN, acoustic_model
from tests.support.audio_signals import CLIENTS, EVERY, signals
from tests.support.compare import check_structure, compiled, op_counts
from tests.support.limits import assert_close

BASE = EVERY["16 kHz"]
CONTEXT = 3
NAMES = ["16 kHz", "8 kHz", "window 400", "gaps between windows", *CLIENTS]
# One call or many: the plugin's matrix products may sum in another order.
TOLERANCE = 5e-7


def streaming(name="16 kHz", **options):
    audio = EVERY[name]
    return streaming_model(acoustic_model(audio.dct_coefficient_count, CONTEXT, **options), audio, CONTEXT)


_CACHE = {}


def pair(name: str):
    """(audio attached for whole utterances, streaming model), compiled."""
    if name not in _CACHE:
        audio = EVERY[name]
        whole = attach_audio(acoustic_model(audio.dct_coefficient_count, CONTEXT), audio, CONTEXT)
        _CACHE[name] = compiled(whole), compiled(streaming(name))
    return _CACHE[name]


def speech(name: str, count: int) -> np.ndarray:
    return signals(EVERY[name].sample_rate)["speech"][3000 : 3000 + count]


def whole(name: str, samples) -> np.ndarray:
    return pair(name)[0]([samples[None]])["logits"].copy()


def feed(request, block, end=False) -> np.ndarray:
    request.infer({"samples": np.ascontiguousarray(block)[None], "end_of_stream": np.array(end)})
    return request.get_tensor("logits").data.copy()


def blocks_of(samples, sizes):
    """Blocks whose sizes come by turns."""
    at = number = 0
    while at < len(samples):
        size = sizes[number % len(sizes)]
        yield samples[at : at + size]
        at, number = at + size, number + 1


def run(request, blocks) -> np.ndarray:
    parts = [feed(request, block) for block in blocks]
    return np.concatenate([*parts, feed(request, np.zeros(0, np.float32), end=True)])


def check(found, wanted):
    assert found.shape == wanted.shape
    assert_close(found, wanted, TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(0, 100), (320,), (5120,), (10**6,)], ids=str)
def test_blocks_of_one_size_give_what_the_whole_gives(name, sizes):
    check_blocks(name, speech(name, 6000), sizes)


@pytest.mark.parametrize("name", ["16 kHz", "gaps between windows"])
def test_single_samples_give_what_the_whole_gives(name):
    check_blocks(name, speech(name, 700), (1,))


def check_blocks(name, samples, sizes):
    request = pair(name)[1].create_infer_request()
    wanted = whole(name, samples)
    assert np.ptp(wanted, axis=0).max() > 1000 * TOLERANCE, "the frames are all alike"
    check(run(request, blocks_of(samples, sizes)), wanted)


@settings(max_examples=25, deadline=None)
@given(
    name=strategies.sampled_from(NAMES),
    sizes=strategies.lists(strategies.integers(0, 1200), max_size=14),
    together=strategies.booleans(),
)
def test_frames_come_as_soon_as_they_are_determined(name, sizes, together):
    """Also: every frame comes out as soon as it is determined. together: the last block is the end as well."""
    audio, samples = EVERY[name], speech(name, sum(sizes))
    request, given_samples, found = pair(name)[1].create_infer_request(), 0, []
    blocks = np.split(samples, np.cumsum(sizes))[:-1]
    last = blocks.pop() if together and blocks else samples[:0]
    for block in blocks:
        found.append(feed(request, block))
        given_samples += len(block)
        determined = max(0, audio.frame_count(given_samples) - CONTEXT)
        assert sum(map(len, found)) == determined
    found.append(feed(request, last, end=True))
    check(np.concatenate(found), whole(name, samples))


def test_a_minute_in_one_block():
    samples = np.tile(speech("16 kHz", 16000), 60)
    request = pair("16 kHz")[1].create_infer_request()
    wanted = whole("16 kHz", samples)
    found = [feed(request, samples[:1000]), feed(request, samples[1000:-7]), feed(request, samples[-7:], end=True)]
    check(np.concatenate(found), wanted)


def test_other_context_and_a_fixed_batch():
    models = [acoustic_model(26, 9, batch=1), acoustic_model(26, 9)]
    samples = speech("16 kHz", 5000)
    wanted = compiled(attach_audio(models[1], BASE, 9))([samples[None]])["logits"]
    for model in models:
        stream = streaming_model(model, BASE, 9)
        check(run(compiled(stream).create_infer_request(), blocks_of(samples, (2000, 300))), wanted)


def test_requests_do_not_disturb_each_other():
    compiled_model = pair("16 kHz")[1]
    samples = [speech("16 kHz", count) for count in (3000, 4100, 0, 5000)]
    requests = [compiled_model.create_infer_request() for _ in samples]
    found = [[] for _ in samples]
    for turn in range(20):
        for number, request in enumerate(requests):
            size = 300 + 50 * number
            found[number].append(feed(request, samples[number][turn * size : (turn + 1) * size]))
    for request, parts, each in zip(requests, found, samples, strict=True):
        parts.append(feed(request, each[:0], end=True))
        check(np.concatenate(parts), whole("16 kHz", each))


def test_threads_with_requests_of_their_own_do_not_disturb_each_other():
    compiled_model = pair("16 kHz")[1]
    lengths = [2000 + 333 * number for number in range(6)]
    wanted = [whole("16 kHz", speech("16 kHz", count)) for count in lengths]

    def work(number):
        request = compiled_model.create_infer_request()
        return run(request, blocks_of(speech("16 kHz", lengths[number]), (100 + 70 * number,)))

    with ThreadPoolExecutor(4) as threads:
        for found, expected in zip(threads.map(work, range(6)), wanted, strict=True):
            check(found, expected)


def test_reset_begins_an_utterance():
    request = pair("16 kHz")[1].create_infer_request()
    samples = speech("16 kHz", 4000)
    wanted = whole("16 kHz", samples)
    for before, end in ((0, False), (1, False), (3000, False), (3000, True)):
        feed(request, samples[:before], end)
        request.reset_state()
        check(run(request, blocks_of(samples, (700,))), wanted)
        request.reset_state()


def test_after_the_end_nothing_comes_until_reset():
    request = pair("16 kHz")[1].create_infer_request()
    samples = speech("16 kHz", 4000)
    assert len(feed(request, samples, end=True)) == len(whole("16 kHz", samples))
    for end in (False, True, False):
        assert feed(request, samples, end).shape == (0, 1, CLASSES)
    request.reset_state()
    check(feed(request, samples, end=True), whole("16 kHz", samples))


def test_a_call_without_a_new_frame_leaves_the_state_alone():
    """After the end they are those of the acoustic model, and a call without a new frame leaves them alone."""
    request = pair("16 kHz")[1].create_infer_request()
    samples = speech("16 kHz", 4000)

    def states():
        inside = {state.name: state.state.data.copy() for state in request.query_state()}
        assert set(inside) == {"audio_tail", "mfcc_context", "ended", *STATE_PAIRS}
        return [inside[name] for name in STATE_PAIRS]

    feed(request, samples[:3000])
    before = states()
    assert len(feed(request, samples[3000:3010])) == 0
    for found, wanted in zip(states(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)
    feed(request, samples[3010:], end=True)
    windows = client_audio.context_windows(client_audio.client_mfccs(samples, BASE), CONTEXT)[None]
    zero = np.zeros((1, HIDDEN), np.float32)
    acoustic = compiled(acoustic_model(26, CONTEXT))
    expected = acoustic({"input_node": windows, **dict.fromkeys(STATE_PAIRS, zero)})
    for found, name in zip(states(), STATE_PAIRS.values(), strict=True):
        assert_close(found, expected[name], 5e-7)


def test_inputs_outputs_and_metadata_of_a_streaming_model():
    before = acoustic_model(26, CONTEXT)
    model = streaming_model(before, BASE, CONTEXT)
    assert [port.get_names() for port in model.inputs] == [
        {"samples", "samples:0"},
        {"end_of_stream", "end_of_stream:0"},
    ]
    assert [port.get_names() for port in model.outputs] == [{"logits", "logits:0"}]
    shapes = [str(port.get_partial_shape()) for port in (*model.inputs, *model.outputs)]
    assert shapes == ["[1,?]", "[]", f"[?,1,{CLASSES}]"]
    assert [port.get_element_type() for port in model.inputs] == [ov.Type.f32, ov.Type.boolean]
    wanted = {"audio": "attached", "state": "internal", "time_steps": "dynamic", "batch": 1, "n_input": 26}
    wanted["inference_precision"] = "f32"
    assert read_metadata(model) == wanted
    check_structure(model)
    # The given model is as it was.
    assert read_metadata(before) == {"audio": "none", "n_input": 26}
    assert len(before.inputs) == 3
    assert op_counts(before) == op_counts(acoustic_model(26, CONTEXT))


@pytest.mark.parametrize(("fp16", "tolerance"), [(False, 3e-7), (True, 3e-5)])
def test_saved_and_read_back(tmp_path, fp16, tolerance):
    ov.save_model(streaming(), tmp_path / "m.xml", compress_to_fp16=fp16)
    request = compiled(ov.Core().read_model(tmp_path / "m.xml")).create_infer_request()
    samples = speech("16 kHz", 5000)
    for _ in range(2):
        request.reset_state()
        found = run(request, blocks_of(samples, (0, 640, 3)))
        assert_close(found, whole("16 kHz", samples), tolerance)


@pytest.mark.parametrize(("weights", "tolerance"), [("fp32", 3e-7), ("int8", 3e-4)])
def test_fast_recurrence_goes_on_top(weights, tolerance):
    model = fast_recurrence(streaming(), weights=weights)
    assert op_counts(model)["TensorIterator"] == 1
    samples = speech("16 kHz", 6000)
    found = run(compiled(model).create_infer_request(), blocks_of(samples, (0, 1, 900, 100)))
    assert_close(found, whole("16 kHz", samples), tolerance)


def without(model, *names):
    """The model with other names for some of its tensors."""
    for port in (*model.inputs, *model.outputs):
        if port.get_names() & set(names):
            port.get_tensor().set_names({"x"})
    return model


REFUSALS = {
    "no features": (
        "no feature part, and how its client computed the features is not known",
        lambda: acoustic_model(26, CONTEXT),
        None,
    ),
    "fixed T": (r"exactly 16 time steps.*dynamic", lambda: acoustic_model(26, CONTEXT, steps=16), BASE),
    "batch": (r"batch 2\. Convert with batch 1", lambda: acoustic_model(26, CONTEXT, batch=2), BASE),
    "context": (r"windows of 7 frames and 26 MFCCs", lambda: acoustic_model(26, 4), BASE),
    "lengths": ("an input 'lengths' has no use", lambda: acoustic_model(26, CONTEXT, lengths=True), BASE),
    "twice": ("a streaming model already", streaming, BASE),
    "attached": ("whole utterances", lambda: attach_audio(acoustic_model(26, CONTEXT), BASE, CONTEXT), BASE),
    "internal": (
        "Make it of the model with external state",
        lambda: internal_state(acoustic_model(26, CONTEXT, batch=1)),
        BASE,
    ),
    "no state": ("lacks 'previous_state_h'", lambda: without(acoustic_model(26, CONTEXT), "previous_state_h"), BASE),
    "no new state": ("lacks 'new_state_c'", lambda: without(acoustic_model(26, CONTEXT), "new_state_c"), BASE),
    "another model": ("no input 'input_node'", lambda: without(acoustic_model(26, CONTEXT), "input_node"), BASE),
    "fast": (
        "apply fast_recurrence to it afterwards",
        lambda: fast_recurrence(acoustic_model(26, CONTEXT), weights="fp32"),
        BASE,
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_models_that_cannot_stream_are_refused(case):
    reason, model, audio = REFUSALS[case]
    with pytest.raises(RecipeError, match=reason) as error:
        streaming_model(model(), audio, CONTEXT)
    assert isinstance(error.value, Refusal) == (audio is None)
