"""The runtime: the same probabilities from every kind of IR, for any blocks, streams and batches."""

import json
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.metadata import write_metadata
from deepspeech_recipe.passes.attach_audio import feature_model
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.inference import mfcc_frames
from deepspeech_recipe.runtime.inference.acoustic import ChunkedModel
from deepspeech_recipe.runtime.result import Hypothesis, Texts, Token
from tests.support import runtime_models
from tests.support.acoustic_model import CLASSES
from tests.support.audio_signals import CLIENTS, SETTINGS
from tests.support.limits import assert_close
from tests.support.runtime_models import AUDIO, KINDS, ONE_THREAD, expected, recognizer, rounded, speech

# Measured: 5e-7 on an older processor (attached audio), 3e-8 on a newer one.
TOLERANCE = 8e-7


def probabilities(session, blocks) -> np.ndarray:
    found = [part for block in blocks for part in session.feed(block)]
    return np.concatenate([*found, *session.finish()])


def same(found, wanted) -> None:
    assert_close(found, wanted, TOLERANCE)


def test_importing_the_runtime_needs_numpy_and_openvino_only():
    code = "import sys, deepspeech_recipe.runtime; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "soundfile", "soxr", "flashlight", "jiwer", "scipy"} & set(done.stdout.split())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_ir_computes_the_same(kind):
    window, stride = AUDIO.window_size, AUDIO.stride
    for count in (0, 1, window - 1, window, window + stride, len(speech())):
        samples = speech()[:count]
        found = recognizer(kind).features(samples)
        assert len(found) == client_frame_count(count, AUDIO)
        same(found, expected(samples, int8=rounded(kind)))


@pytest.mark.parametrize("name", ["8 kHz", "window 400", "gaps between windows", *CLIENTS])
def test_other_audio_settings(name):
    found = recognizer("windows, open", name).session(2)
    samples = speech(name)[:5003]
    blocks = np.split(samples, [70, 71, 133, 270, 1480, 1485, 1490])
    same(probabilities(found, blocks), expected(samples, name))


def test_the_feature_model_beside_the_ir_is_used(tmp_path, monkeypatch):
    path = runtime_models.write_separate(tmp_path)
    same(Recognizer(path, config=ONE_THREAD).features(speech()), expected(speech()))
    # What another conversion left is not: its windows are of another length.
    other = replace(AUDIO, window_size=400)
    features = feature_model(other, runtime_models.CONTEXT)
    write_metadata(features, {"features": asdict(other), "n_context": runtime_models.CONTEXT})
    ov.save_model(features, tmp_path / "m.audio.xml")
    same(Recognizer(path, config=ONE_THREAD).features(speech()), expected(speech()))
    (tmp_path / "m.audio.xml").write_text("damaged")
    with pytest.raises(RecipeError, match=r"m\.audio\.xml: is not an IR"):
        Recognizer(path).features(speech())


@settings(max_examples=40, deadline=None)
@given(
    kind=strategies.sampled_from(list(KINDS)),
    sizes=strategies.lists(strategies.sampled_from([0, 1, 100, 320, 511, 512, 5120, 20000]), max_size=8),
    wait=strategies.sampled_from([1, 3, 16]),
)
def test_blocks_of_any_size_give_the_same_probabilities(kind, sizes, wait):
    samples = speech()[: 3000 + 7 * sum(sizes) % 9000]
    blocks = [*np.split(samples, np.minimum(np.cumsum(sizes, dtype=int), len(samples))), samples[:0]]
    same(probabilities(recognizer(kind).session(wait), blocks), expected(samples, int8=rounded(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_come_at_the_same_time_from_every_kind(kind):
    wait, audio = 80, np.resize(speech(), 4 * 16000)  # a multiple of every number of steps
    session, found = recognizer(kind).session(wait), []
    first = AUDIO.window_size + (wait + runtime_models.CONTEXT - 1) * AUDIO.stride
    for size in (first - 1, 1, wait * AUDIO.stride - 1, 1):
        found.append(sum(map(len, session.feed(audio[:size]))))
        audio = audio[size:]
    assert found == [0, wait, 0, wait]
    assert list(session.settled()) == []
    session.close()
    assert sum(map(len, session.finish())) == 1


@pytest.mark.parametrize("kind", ["windows, open", "attached", "streaming"])
def test_the_block_may_be_written_to_after_feeding(kind):
    """And what came out stays what it is when more does."""
    stream, block = recognizer(kind).session(2), np.zeros(100, np.float32)
    found, before = [], []
    for at in range(0, 6000, 100):
        block[:] = speech()[at : at + 100]
        for part in stream.feed(block):
            found.append(part)
            before.append(part.copy())
    assert len(found) > 3
    rest = list(stream.finish())
    same(np.concatenate([*found, *rest]), expected(speech()[:6000]))
    for part, copy in zip(found, before, strict=True):
        np.testing.assert_array_equal(part, copy)


@pytest.mark.parametrize("kind", ["attached", "streaming"])
def test_an_utterance_that_is_kept_whole_is_kept_as_it_was(kind, monkeypatch):
    monkeypatch.setattr("deepspeech_recipe.runtime.recognizer.expose_state", lambda *arguments: None)
    session = Recognizer(runtime_models.model(kind), config=ONE_THREAD).session(200)
    block = speech()[:6000].copy()
    found = list(session.feed(block))
    block[:] = 1
    same(np.concatenate([*found, *session.finish()]), expected(speech()[:6000]))


@pytest.mark.parametrize("kind", ["windows, 16 steps", "internal state", "attached, lengths, loop", "streaming"])
def test_interleaved_streams_and_reset(kind):
    # Each stream begins elsewhere; the last one hears other audio first and is reset.
    parts = [speech()[at : at + 7000] for at in (0, 2000, 9000)]
    streams = [recognizer(kind).session(4) for _ in parts]
    list(streams[2].feed(speech()[:3333]))
    streams[2].reset()
    found = [[] for _ in parts]
    for at in range(0, 7000, 500):
        for stream, samples, got in zip(streams, parts, found, strict=True):
            got += stream.feed(samples[at : at + 500])
    for stream, samples, got in zip(streams, parts, found, strict=True):
        same(np.concatenate([*got, *stream.finish()]), expected(samples))


@pytest.mark.parametrize("kind", ["windows, open", "internal state", "streaming"])
def test_threads_share_one_recognizer(kind):
    one, wrong = recognizer(kind), []
    parts = [speech()[at : at + 6000] for at in range(0, 16000, 2000)]
    wanted = [one.transcribe(samples) for samples in parts]
    barrier = threading.Barrier(len(parts))

    def work(samples, want):
        barrier.wait()
        for _ in range(3):
            stream = one.stream(4)
            for at in range(0, len(samples), 777):
                stream.feed(samples[at : at + 777])
            found = stream.finish_with_metadata()
            if found.text != want.text or abs(found.confidence - want.confidence) > 1e-3:
                wrong.append((found, want))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(parts, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len({result.confidence for result in wanted}) == len(parts)


class Noting:
    """A decoder that notes what each of its utterances is fed."""

    def __init__(self, decoder):
        self.decoder, self.fed = decoder, []

    def start(self):
        utterance, parts = self.decoder.start(), []
        self.fed.append(parts)
        feed = utterance.feed
        utterance.feed = lambda probabilities: parts.append(probabilities.copy()) or feed(probabilities)
        return utterance


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_exact_for_every_row(kind, monkeypatch):
    """All frames of each, the last one too; every utterance has another number of them."""
    utterances = [speech()[at : at + size] for at, size in ((0, 9000), (500, 0), (900, 512), (3000, 20000), (0, 4001))]
    one = recognizer(kind)
    alone = [one.transcribe(samples) for samples in utterances]
    decoder = Noting(one._decoder)
    monkeypatch.setattr(one, "_decoder", decoder)
    found = one.transcribe_batch(utterances)
    frames = {sum(map(len, parts)): np.concatenate(parts) for parts in decoder.fed}
    for result, samples, single in zip(found, utterances, alone, strict=True):
        wanted = expected(samples, int8=rounded(kind))
        same(frames.pop(len(wanted)), wanted)
        assert result.text == single.text
        assert [letter.start for letter in result.letters] == [letter.start for letter in single.letters]
        assert result.confidence == pytest.approx(single.confidence, abs=1e-4)
        assert result.seconds == len(samples) / 16000
    assert not frames
    assert one.transcribe_batch([]) == []


@pytest.mark.parametrize("kind", ["attached, lengths", "attached, lengths, batch 3"])
def test_a_batch_that_cannot_be_cut_is_one_call_with_its_lengths(kind, monkeypatch):
    def fail(*arguments):
        raise AssertionError("one by one")

    monkeypatch.setattr("deepspeech_recipe.runtime.recognizer.expose_state", lambda *arguments: None)
    one = Recognizer(runtime_models.model(kind), config=ONE_THREAD)
    monkeypatch.setattr(Recognizer, "transcribe", fail)
    one._decoder = decoder = Noting(one._decoder)
    utterances = [speech(), speech()[:700], speech()[:5000], speech()[:511]]
    assert len(one.transcribe_batch(utterances)) == 4
    frames = {sum(map(len, parts)): np.concatenate(parts) for parts in decoder.fed}
    for samples in utterances:
        wanted = expected(samples)
        same(frames.pop(len(wanted)), wanted)


def test_long_audio_goes_through_in_chunks(monkeypatch):
    calls = []
    call = ChunkedModel._call
    monkeypatch.setattr(ChunkedModel, "_call", lambda self, x: calls.append(x.shape[1]) or call(self, x))
    minute = np.resize(speech(), 60 * 16000)
    for kind in ("windows, open", "attached", "attached, int8", "attached, lengths, loop"):
        calls.clear()
        recognizer(kind).transcribe(minute)
        assert sum(calls) == client_frame_count(len(minute), AUDIO)
        # The first call waits for the context to come, the last one brings the context of the end.
        assert max(calls) <= mfcc_frames.LARGEST_CALL + runtime_models.CONTEXT + 1
    session = recognizer("windows, open").session(16)
    for at in range(0, len(minute), 320):
        list(session.feed(minute[at : at + 320]))
        assert len(session._source._pending._joined()) < AUDIO.window_size + 19 * AUDIO.stride
        assert len(session._windows._mfccs) <= 2 * runtime_models.CONTEXT


def test_the_network_runs_once_for_sixteen_frames(monkeypatch):
    calls = []
    call = ChunkedModel._call
    monkeypatch.setattr(ChunkedModel, "_call", lambda self, x: calls.append(x.shape[1]) or call(self, x))
    stream = recognizer("windows, open").stream()
    for at in range(0, 16000, 320):  # blocks of 20 ms
        stream.feed(speech()[at : at + 320])
    assert calls == [16, 16]
    stream.finish()
    assert calls == [16, 16, client_frame_count(16000, AUDIO) - 32]


@pytest.mark.parametrize("kind", ["attached", "attached, batch 2", "attached, lengths", "attached, lengths, batch 3"])
def test_whole_utterances_where_the_audio_part_stays(kind, monkeypatch):
    """As where more than one recurrence is in it."""
    texts = [recognizer(kind).transcribe(part).text for part in (speech(), speech()[:3000])]
    monkeypatch.setattr("deepspeech_recipe.runtime.recognizer.expose_state", lambda *arguments: None)
    one = Recognizer(runtime_models.model(kind), config=ONE_THREAD)
    same(probabilities(one.session(16), np.split(speech()[:9000], [0, 1, 4000])), expected(speech()[:9000]))
    assert [result.text for result in one.transcribe_batch([speech(), speech()[:3000]])] == texts
    with pytest.raises(RecipeError, match="cannot be told apart from its audio part"):
        one.features(speech(), "dense_3")


def test_raw_scores_become_probabilities():
    def raw(kind):
        model = runtime_models.model(kind, head="raw")
        softmax = next(node for node in model.get_ops() if node.get_type_name() in ("Softmax", "SoftMax"))
        for reader in softmax.output(0).get_target_inputs():
            reader.replace_source_output(softmax.input_value(0))
        return Recognizer(model, config=ONE_THREAD)

    for kind in ("windows, open", "attached"):
        same(raw(kind).features(speech()), expected(speech()))


def test_samples_as_int16_or_float():
    one = recognizer("windows, open")
    whole = np.round(speech() * 32768).astype(np.int16)
    assert one.transcribe(whole) == one.transcribe(speech()) == one.transcribe(speech().astype(np.float64))


@pytest.mark.parametrize(
    ("reason", "samples"),
    [
        (r"shape \[2, 5\].*one channel", np.zeros((2, 5), np.float32)),
        (r"shape \[\]", np.float32(0)),
        ("Sample 3 is nan", np.float32([0, 0, 0, np.nan])),
        ("Sample 0 is -inf", np.float32([-np.inf])),
        ("type int32", np.zeros(5, np.int32)),
        ("type <U1", ["a"]),
        ("not an array of numbers", [[1.0], [1.0, 2.0]]),
    ],
)
def test_samples_that_are_not_audio_are_refused(reason, samples):
    stream = recognizer("windows, open").stream()
    for call in (recognizer("windows, open").transcribe, stream.feed, lambda each: stream.feed(each)):
        with pytest.raises(RecipeError, match=reason):
            call(samples)


def test_a_stream_as_in_deepspeechs_client():
    one = recognizer("windows, 16 steps")
    whole = one.transcribe(speech())
    stream = one.stream()
    assert stream.partial() == ""
    texts = []
    for at in range(0, len(speech()), 640):
        stream.feed(speech()[at : at + 640])
        texts.append(stream.partial())
    assert [text for text in texts if not whole.text.startswith(text)] == []
    partial = stream.partial_with_metadata()
    starts = [letter.start for letter in whole.letters[: len(partial.letters)]]
    assert (partial.text, [letter.start for letter in partial.letters]) == (texts[-1], starts)
    assert stream.finish() == whole.text
    for call in (stream.finish, lambda: stream.feed(speech())):
        with pytest.raises(RecipeError, match=r"has ended. Call reset\(\)"):
            call()
    stream.reset()
    assert stream.finish_with_metadata() == one.transcribe(speech()[:0])
    stream.reset()
    stream.feed(speech())
    (found,) = stream.finish_with_alternatives(3)
    assert (found.text, found.letters) == (whole.text, whole.letters)
    assert found.confidence == pytest.approx(whole.confidence, abs=1e-3)


def test_an_ir_without_audio_settings_is_refused():
    with pytest.raises(Refusal, match="had no feature part, and its client is not one of"):
        Recognizer(runtime_models.model("windows, open", features=None))


def test_an_alphabet_must_fit_the_network(tmp_path):
    (tmp_path / "alphabet.txt").write_text("x\n")
    (tmp_path / "right.txt").write_text("\n".join("uvwxyz"))
    without = runtime_models.model("windows, open", alphabet=None)
    with pytest.raises(RecipeError, match="no alphabet in its metadata"):
        Recognizer(without)
    with pytest.raises(RecipeError, match="has 1 labels, 2 classes with the blank, but The model has 7"):
        Recognizer(without, alphabet=tmp_path / "alphabet.txt")
    text = Recognizer(without, alphabet=tmp_path / "right.txt", config=ONE_THREAD).transcribe(speech()).text
    assert text == recognizer("windows, open").transcribe(speech()).text.translate(str.maketrans("abc'ä ", "uvwxyz"))


def test_what_is_not_an_ir_is_refused(tmp_path):
    (tmp_path / "damaged.xml").write_text("<net")
    (tmp_path / "damaged.bin").touch()
    (tmp_path / "alone.xml").write_text("<net")
    (tmp_path / "text.xml").write_text("a text")
    without = runtime_models.model("windows, open")
    ov.save_model(ov.Model(without.get_results(), without.get_parameters()), tmp_path / "plain.xml")
    for reason, ir in {
        "no such file": tmp_path / "missing.xml",
        "is damaged: it is not well-formed XML": tmp_path / "damaged.xml",
        "its weights 'alone.bin' are not beside it": tmp_path / "alone.xml",
        r"text\.xml: is not an IR\.": tmp_path / "text.xml",
        "has no deepspeech_recipe metadata": tmp_path / "plain.xml",
        "has no input 'input_node' or 'samples', or no output": _part(),
    }.items():
        with pytest.raises(RecipeError, match=reason):
            Recognizer(ir)
    with pytest.raises(RecipeError, match=r"does not compile for ABC .*Devices here: .*CPU"):
        Recognizer(runtime_models.model("windows, open"), device="ABC").transcribe(speech())


def _part():
    model = runtime_models.model("windows, open")
    part = ov.Model(model.get_results()[1:], model.get_parameters())
    write_metadata(part, json.loads(model.get_rt_info(["deepspeech_recipe", "json"]).value))
    return part


def test_features_have_a_column_for_each_class():
    found = recognizer("windows, open").features(speech())
    assert found.shape[1] == CLASSES == SETTINGS["16 kHz"].dct_coefficient_count - 19


def test_what_is_known_before_the_end():
    """Quiet is counted from the last letter, spaces do not count, or from the beginning until there is one; half a
    character of UTF-8 is not settled."""
    texts = Texts([b" ", b"a", b"\xc3", b"\xa9"], 0.02)
    tokens = [Token(1, 10, 12, 1.0), Token(2, 20, 21, 1.0), Token(3, 21, 25, 1.0), Token(0, 40, 50, 1.0)]
    for count, settled, wanted in (
        (0, 0, ("", 0, 2.0, 2.0)),
        (1, 1, ("a", 1, 2.0, 1.76)),
        (4, 2, ("aé ", 1, 2.0, 1.5)),
        (4, 3, ("aé ", 2, 2.0, 1.5)),
    ):
        found = texts.progress(Hypothesis(tuple(tokens[:count]), 0.0, settled), 2.0)
        assert (found.text, found.settled, found.seconds, pytest.approx(found.quiet)) == wanted
