"""Inference requests shared by all streams: how many there are, and that none is made while another computes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.inference.requests import Requests
from tests.support import runtime_models
from tests.support.runtime_models import ONE_THREAD, speech


class Compiled:
    """Notes what is done at once."""

    def __init__(self, count: int):
        self.count, self.made, self.running, self.most = count, 0, 0, 0
        self.lock, self.threads = threading.Lock(), set()

    def get_property(self, name: str) -> int:
        assert name == "OPTIMAL_NUMBER_OF_INFER_REQUESTS"
        return self.count

    def create_infer_request(self):
        assert self.running == 0
        self.made += 1
        return self

    def infer(self, feeds) -> None:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.threads.add(threading.get_ident())
        time.sleep(0.001)
        with self.lock:
            self.running -= 1
        if feeds == "wrong":
            raise ValueError("x")
        if feeds == "unfit":
            raise RuntimeError("Exception from infer_request.cpp\nReadValue has no sibling\n")


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_run_than_the_device_computes_and_none_is_made_meanwhile(count):
    compiled = Compiled(count)
    requests = Requests(compiled)

    def work(number: int) -> None:
        own = requests.own() if number % 2 else None
        for _ in range(20):
            assert requests.run(number, lambda request: number, own) == number

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(32)))
    assert compiled.most <= count
    assert len(compiled.threads) <= count
    assert threading.get_ident() not in compiled.threads
    assert compiled.made == count + 16


def test_a_place_is_free_again_after_an_error():
    requests = Requests(Compiled(1))
    for _ in range(3):
        with pytest.raises(ValueError, match="x"):
            requests.run("wrong", lambda request: None)
    assert requests.run("right", lambda request: 1) == 1


def test_what_openvino_cannot_run_is_one_line():
    requests = Requests(Compiled(1), "m.xml")
    with pytest.raises(
        RecipeError, match=r"^m\.xml: OpenVINO cannot run it \(ReadValue has no sibling\)\. Convert the"
    ):
        requests.run("unfit", lambda request: None)


def test_the_threads_end_with_the_requests():
    before = set(threading.enumerate())
    requests = Requests(Compiled(2))
    requests.run("right", lambda request: 1)
    requests.own()
    own = set(threading.enumerate()) - before
    assert len(own) == 2
    del requests
    for thread in own:
        thread.join(10)
    assert not any(thread.is_alive() for thread in own)


def test_streams_of_windows_have_no_requests_of_their_own():
    """64 of them made memory grow, and `create_infer_request` die, beside inference in other threads."""
    recognizer = Recognizer(runtime_models.model("windows, open"), config=ONE_THREAD)
    wanted = recognizer.transcribe(speech()).text

    def hear(_: int) -> str:
        with recognizer.stream() as stream:
            for part in np.array_split(speech(), 7):
                stream.feed(part)
            return stream.finish()

    made = []
    for requests in (recognizer.requests(), recognizer.requests("features")):
        requests.own = lambda: made.append(1)
        assert requests._free.qsize() == requests.count
    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(hear, range(32))) == {wanted}
    assert not made
