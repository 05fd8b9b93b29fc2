"""Streams that share the calls of the network: the results of each are those it has alone."""

import gc
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.batching.queue import BatchQueue
from deepspeech_recipe.runtime.batching.session import AHEAD, BatchedSession
from deepspeech_recipe.runtime.batching.worker import Worker
from deepspeech_recipe.runtime.inference.acoustic import StatefulCall
from tests.support import runtime_models
from tests.support.bundled import bundled_ir
from tests.support.limits import assert_close
from tests.support.runtime_models import AUDIO, CONTEXT, ONE_THREAD, expected, recognizer, rounded, speech

# Measured: 5e-7, as for streams that run alone.
TOLERANCE = 8e-7
SIZE = 16
SIZES = (CONTEXT, AUDIO.dct_coefficient_count)
KINDS = {
    "windows, open": 4,
    "windows, 5 steps, batch 3": 3,
    "windows, lengths, loop": 4,
    "windows, int8": 4,
    "attached": 4,
    "attached, lengths, batch 3, int8": 2,
    "no state, 5 steps": 1,
}
_SHARED: dict[str, Recognizer] = {}


def shared(kind: str) -> Recognizer:
    if kind not in _SHARED:
        model = runtime_models.model(kind)
        _SHARED[kind] = Recognizer(model, config=ONE_THREAD, max_batch=KINDS[kind], max_delay=0.001)
    return _SHARED[kind]


class Counted:
    """A network that notes the shapes of its calls, and fails where a row has a window of this value."""

    def __init__(self, poison: float | None = None):
        one = recognizer("windows, open")
        self._network, self._poison = StatefulCall(one._ir, one.requests()), poison
        self.calls: list[tuple[int, int]] = []
        self.begin = self._network.begin

    def __call__(self, windows, state):
        self.calls.append(windows.shape[:2])
        if (windows == self._poison).any():
            raise RuntimeError("first line\nout of memory.\n")
        return self._network(windows, state)


class ByHand:
    """In the place of a Batcher: nothing happens until a session waits, or the test says so."""

    def __init__(self, network, max_rows: int = 8, max_delay: float = 10):
        self.now = 5.0
        self.queue = BatchQueue(max_rows, max_delay)
        self.worker = Worker(network, self.queue, lambda: self.now)
        self.frames = self.most = 0

    def send(self, row, mfccs, end):
        self.worker.inbox.put((row, mfccs, end))
        row.found = row.found if isinstance(row.found, Waiting) else Waiting(self)
        self.frames += len(mfccs)
        self.most = max(self.most, self.frames)

    def drop(self, row):
        self.worker.inbox.put((row, None, True))

    def turn(self) -> bool:
        """One call, if one is due."""
        self.worker.receive(0)
        due = self.queue.wait(self.now) == 0
        if due:
            self.worker.call()
        return due


class Waiting(SimpleQueue):
    def __init__(self, batcher):
        self._batcher = batcher

    def get(self, block=True):
        while block and self.empty():
            if not self._batcher.turn():
                self._batcher.now += 1
        part = super().get(block=False)
        self._batcher.frames -= 0 if isinstance(part, Exception) else len(part)
        return part


def session(batcher) -> BatchedSession:
    return BatchedSession(batcher, recognizer("windows, open").mfcc_frames(SIZE), SIZE, *SIZES)


def together(*parts) -> np.ndarray:
    return np.concatenate([each for part in parts for each in part])


def same(found, wanted) -> None:
    assert_close(found, wanted, TOLERANCE)


def test_when_a_call_begins():
    queue = BatchQueue(2, 0.5)
    assert queue.wait(0) is None
    for row in "abc":
        queue.join(row)
    queue.put("b", 16, 1.0)
    assert (queue.waiting("b"), queue.waiting("a")) == (True, False)
    assert [queue.wait(now) for now in (1.0, 1.25, 1.5, 9)] == [0.5, 0.25, 0, 0]
    queue.put("a", 16, 1.25)
    assert queue.wait(1.25) == 0  # as many as a call takes
    queue.put("c", 16, 1.25)
    queue.put("b", 16, 1.25)  # waits already
    assert queue.take() == ["b", "a"]
    assert queue.wait(1.25) == 0.5
    queue.leave("a")
    assert queue.wait(1.25) == 0.5
    queue.leave("b")
    assert queue.wait(1.25) == 0  # nobody else could come
    queue.leave("c")
    assert queue.wait(1.25) is None


def test_rows_of_another_size_take_their_turn():
    queue = BatchQueue(3, 0)
    for row, windows in zip("abcdef", (16, 4, 16, 4, 16, 16), strict=True):
        queue.join(row)
        queue.put(row, windows, 0)
    assert [queue.take() for _ in range(3)] == [["a", "c", "e"], ["b", "d"], ["f"]]


@settings(max_examples=100, deadline=None)
@given(
    moves=strategies.lists(strategies.tuples(strategies.integers(0, 9), strategies.sampled_from(["put", "take"]))),
    most=strategies.integers(1, 4),
)
def test_a_waiting_row_is_served_in_its_turn(moves, most):
    """Who has waited through as many calls as rows were before him has been served."""
    queue, before, size = BatchQueue(most, 1), {}, [16, 16, 4]
    for row in range(10):
        queue.join(row)
    for row, move in moves:
        if move == "put":
            before.setdefault(row, len(before))
            queue.put(row, size[row % 3], 0)
        elif before:
            taken = queue.take()
            assert 1 <= len(taken) <= most
            assert len({size[each % 3] for each in taken}) == 1
            assert taken[0] == min(before, key=before.get)
            for each in taken:
                del before[each]
            before = {each: place for place, each in enumerate(sorted(before, key=before.get))}
    assert queue._queue.keys() == before.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_ir_that_takes_batches_shares_calls_exactly(kind):
    parts = [speech()[at : at + size] for at, size in ((0, 9000), (500, 0), (900, 511), (3000, 20000), (0, 4001))]
    sessions = [shared(kind).session(SIZE) for _ in parts]
    found = [[] for _ in parts]
    for at in range(0, 20000, 1111):
        for each, samples, got in zip(sessions, parts, found, strict=True):
            got += each.feed(samples[at : at + 1111])
    for each, samples, got in zip(sessions, parts, found, strict=True):
        same(together(got, each.finish()), expected(samples, int8=rounded(kind)))


def test_three_streams_are_one_call():
    network = Counted()
    batcher = ByHand(network)
    parts = [speech()[at : at + 16000] for at in (0, 2000, 4000)]
    sessions = [session(batcher) for _ in parts]
    found = [list(each.feed(samples)) for each, samples in zip(sessions, parts, strict=True)]
    assert network.calls == []
    assert batcher.turn()
    assert network.calls == [(3, SIZE)]
    for each, got in zip(sessions, found, strict=True):
        got += each.settled()
        assert sum(map(len, got)) == 2 * SIZE
    assert network.calls == [(3, SIZE), (3, SIZE)]
    for each, samples, got in zip(sessions, parts, found, strict=True):
        same(together(got, each.finish()), expected(samples))


def test_the_delay_and_its_end():
    network = Counted()
    batcher = ByHand(network, max_delay=0.02)
    sessions = [session(batcher) for _ in range(3)]
    for each in sessions:
        list(each.feed(speech()[:8500]))
    assert batcher.turn()
    list(sessions[0].feed(speech()[8500:14000]))
    batcher.worker.receive(0)
    batcher.now += 0.01
    list(sessions[1].feed(speech()[8500:14000]))
    batcher.worker.receive(0)
    assert batcher.queue.wait(batcher.now) == pytest.approx(0.01)
    assert not batcher.turn()
    batcher.now += 0.01
    assert batcher.turn()
    assert network.calls == [(3, SIZE), (2, SIZE)]


def test_chunks_of_other_sizes():
    one = shared("windows, open")
    streams = [one.session(wait) for wait in (1, 5, 16, 16, 200)]
    found = [[] for _ in streams]
    for at in range(0, 16000, 1000):
        for each, got in zip(streams, found, strict=True):
            got += each.feed(speech()[at : at + 1000])
    for each, got in zip(streams, found, strict=True):
        same(together(got, each.finish()), expected(speech()[:16000]))


def test_an_error_belongs_to_its_stream():
    poison = np.float32(12345)
    network = Counted(poison)
    batcher = ByHand(network)
    sessions = [session(batcher) for _ in range(3)]
    for each in sessions:
        list(each.feed(speech()[:9000]))
    sessions[1]._send(np.full((SIZE, SIZES[1]), poison), end=False)
    for each in (sessions[0], sessions[2]):
        same(together(each.feed(speech()[9000:16000]), each.finish()), expected(speech()[:16000]))
    calls = len(network.calls)
    for call in (sessions[1].settled, sessions[1].finish, lambda: sessions[1].feed(speech())):
        with pytest.raises(RecipeError, match=r"failed in this stream \(out of memory\)\. reset\(\) begins"):
            list(call())
    assert not batcher.turn()
    assert (len(network.calls), batcher.queue._joined) == (calls, set())
    sessions[1].reset()
    same(together(sessions[1].feed(speech()), sessions[1].finish()), expected(speech()))


def test_bad_samples_leave_the_stream_as_it_was():
    stream = shared("windows, open").stream()
    stream.feed(speech()[:9000])
    with pytest.raises(RecipeError, match="Sample 1 is nan"):
        stream.feed(np.float32([0, np.nan]))
    stream.feed(speech()[9000:])
    assert stream.finish() == recognizer("windows, open").transcribe(speech()).text


@pytest.mark.parametrize("how", ["dropped", "closed", "reset", "ended"])
def test_a_stream_that_ends_in_the_middle_frees_its_place(how):
    batcher = ByHand(Counted())
    stays, goes = session(batcher), session(batcher)
    for each in (stays, goes):
        list(each.feed(speech()[:9000]))
    batcher.worker.receive(0)
    assert len(batcher.queue._joined) == 2
    if how == "dropped":
        del goes, each
        gc.collect()
    else:
        list({"closed": goes.close, "reset": goes.reset, "ended": goes.finish}[how]() or ())
    batcher.turn()
    assert batcher.queue._joined == {stays._row}
    same(together(stays.feed(speech()[9000:16000]), stays.finish()), expected(speech()[:16000]))


def test_a_stream_that_is_far_ahead_waits():
    batcher = ByHand(Counted())
    one = session(batcher)
    found = [part for _ in range(20) for part in one.feed(speech())]
    assert AHEAD < batcher.most <= AHEAD + len(speech()) // AUDIO.stride + CONTEXT + SIZE
    same(together(found, one.finish()), expected(np.tile(speech(), 20)))


_MOVES = strategies.one_of(
    strategies.sampled_from([0, 1, 320, 5000, 12000]), strategies.sampled_from(["partial", "finish", "reset", "new"])
)


@settings(max_examples=40, deadline=None)
@given(moves=strategies.lists(strategies.tuples(strategies.integers(0, 3), _MOVES), max_size=25))
def test_streams_in_any_order_give_what_each_gives_alone(moves):
    """Four streams, each beside one that runs alone."""
    one, alone = shared("windows, open"), recognizer("windows, open")
    pairs = [[one.stream(), alone.stream()] for _ in range(4)]
    places = [1000 * number for number in range(4)]
    for number, move in moves:
        pair = pairs[number]
        if move == "partial":
            check(*(each.partial_with_metadata() for each in pair))
        elif move == "finish":
            check(*(each.finish_with_metadata() for each in pair))
        if move == "new":
            pairs[number] = [one.stream(), alone.stream()]
        elif move in ("reset", "finish"):
            for each in pair:
                each.reset()
        elif isinstance(move, int):
            samples = speech().take(range(places[number], places[number] + move), mode="wrap")
            places[number] += move
            for each in pair:
                each.feed(samples)
    for pair in pairs:
        check(*(each.finish_with_metadata() for each in pair))


def check(found, wanted) -> None:
    assert (found.text, found.seconds) == (wanted.text, wanted.seconds)
    assert [letter.start for letter in found.letters] == [letter.start for letter in wanted.letters]
    assert found.confidence == pytest.approx(wanted.confidence, abs=1e-3)


def test_threads_and_whole_recordings():
    one, alone = shared("windows, int8"), recognizer("windows, int8")
    parts = [speech()[at : at + 6000] for at in range(0, 16000, 2000)] * 2
    found = [None] * len(parts)

    def work(number):
        if number % 2:
            found[number] = one.transcribe(parts[number])
            return
        stream = one.stream()
        for at in range(0, 6000, 777):
            stream.feed(parts[number][at : at + 777])
            stream.partial()
        found[number] = stream.finish_with_metadata()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, samples in zip(found, parts, strict=True):
        check(result, alone.transcribe(samples))
    found = one.transcribe_batch(parts[:3])
    for result, samples in zip(found, parts, strict=False):
        check(result, alone.transcribe(samples))


def test_a_stream_waits_for_others_for_20_ms_unless_told_otherwise():
    """One that is open and silent costs the others that much, and not a second."""
    one = Recognizer(runtime_models.model("windows, open"), config=ONE_THREAD, max_batch=2)
    silent, speaking, seconds = one.stream(), one.stream(), []
    silent.feed(speech())  # from now on a call may wait for it
    for _ in range(3):
        begin = time.monotonic()
        speaking.feed(speech())
        speaking.finish()
        seconds.append(time.monotonic() - begin)
        speaking.reset()
    assert min(seconds) < 0.9


def test_features_do_not_share_calls():
    one, alone = (Recognizer(bundled_ir(), config=ONE_THREAD, max_batch=rows) for rows in (1, None))
    for tensor in ("logits", "dense_3"):
        same(one.features(speech(), tensor), alone.features(speech(), tensor))


def test_recordings_and_streams_of_a_recognizer_take_part():
    one, network = Recognizer(runtime_models.model("windows, open"), config=ONE_THREAD, max_batch=2), Counted()
    one._batcher = batcher = ByHand(network)
    stream = one.stream()
    stream.feed(speech())
    assert one.transcribe(speech()).text == recognizer("windows, open").transcribe(speech()).text
    assert {count for _, count in network.calls} == {16}
    assert len(batcher.queue._joined) == 1
    with stream:
        assert stream.partial()
    batcher.turn()
    assert batcher.queue._joined == set()
    with pytest.raises(RecipeError, match="has ended"):
        stream.feed(speech())


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "deepspeech-recipe batches"}


def test_the_thread_ends_with_the_last_stream():
    gc.collect()
    before = _threads()
    one = Recognizer(runtime_models.model("windows, open"), config=ONE_THREAD, max_batch=2)
    stream = one.stream()
    stream.feed(speech())
    del one
    gc.collect()
    (thread,) = _threads() - before
    assert stream.finish() == recognizer("windows, open").transcribe(speech()).text
    assert thread.is_alive()
    del stream
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


def test_who_forgets_the_last_stream_does_not_wait_for_its_thread():
    """It may be the collector of garbage, in the middle of anything, with a lock that the thread needs to end."""
    computes, forgotten, in_time = threading.Event(), threading.Event(), []

    def network_waits(rows):
        computes.set()
        in_time.append(forgotten.wait(20))

    before = _threads()
    one = Recognizer(runtime_models.model("windows, open"), config=ONE_THREAD, max_batch=2, on_batch=network_waits)
    stream = one.stream()
    stream.feed(speech())
    (thread,) = _threads() - before
    assert computes.wait(60)
    del one, stream
    gc.collect()
    forgotten.set()
    thread.join(60)
    assert in_time == [True]
    assert not thread.is_alive()


def test_a_program_may_end_in_the_middle():
    code = """
from tests.support.runtime_models import ONE_THREAD, model, speech
from deepspeech_recipe.runtime import Recognizer
stream = Recognizer(model("windows, open"), config=ONE_THREAD, max_batch=2).stream()
stream.feed(speech())
print("end")
"""
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


@pytest.mark.parametrize(
    ("reason", "kind", "rows", "delay"),
    [
        ("keeps its state inside or takes whole utterances.*--state external", "internal state", 2, 0.1),
        ("keeps its state inside or takes whole utterances", "streaming", 2, 0.1),
        ("takes a batch of 1, so 2 streams cannot share its calls.*--batch dynamic", "windows, 16 steps", 2, 0.1),
        ("takes a batch of 3, so 8 streams", "attached, lengths, batch 3", 8, 0.1),
        ("max_batch is 0 .*at least 1", "windows, open", 0, 0.1),
        ("max_delay nan", "windows, open", 2, float("nan")),
    ],
)
def test_irs_and_sizes_that_cannot_share_are_refused(reason, kind, rows, delay):
    with pytest.raises(RecipeError, match=reason):
        Recognizer(runtime_models.model(kind), max_batch=rows, max_delay=delay)
