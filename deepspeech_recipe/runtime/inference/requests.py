"""The inference requests of a compiled model, shared by all streams of all threads."""

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from deepspeech_recipe.ir.runner import errors_of, forget_weights

Found = TypeVar("Found")


class Requests:
    """Shares a compiled model between threads: as many requests as the device computes at once (`count`), each run by
    a thread that does nothing else.

    A request for each stream would be of no use, and was harmful. Measured with 64 threads, OpenVINO 2026.4.1, CPU: a
    thread that calls `infer` becomes one of TBB's, and memory grew from 160 to 390 MB in two minutes without an end;
    tensors that many threads shape anew lie in all of the C library's heaps; and `create_infer_request` died of a
    segmentation fault while other threads inferred. So callers hand over what they have, and wait.
    """

    def __init__(self, compiled, name: str = "The model", xml: Path | None = None):
        """name: the IR's, for errors. xml: where it was read from, if it was."""
        self._compiled, self._name, self._xml = compiled, name, xml
        self.count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._threads = ThreadPoolExecutor(self.count, "deepspeech-recipe inference")
        self._free: SimpleQueue = SimpleQueue()
        self._making = ThreadPoolExecutor(1, "deepspeech-recipe requests")
        with errors_of(name):
            for _ in range(self.count):
                self._free.put(compiled.create_infer_request())
        weakref.finalize(self, _stop, self._threads, self._making)

    def own(self):
        """A request with an internal state of its own, for `run`. It is made while none computes."""
        return self._making.submit(self._make).result()

    def run(self, feeds, collect: Callable[[object], Found], own=None) -> Found:
        """Infers with `own`, or a shared request; returns collect(request), which copies what it wants of it."""
        return self.start(feeds, collect, own).result()

    def start(self, feeds, collect: Callable[[object], Found], own=None) -> "Future[Found]":
        """`run` without waiting for the result."""
        return self._threads.submit(self._run, feeds, collect, own)

    def _run(self, feeds, collect: Callable[[object], Found], own) -> Found:
        free = self._free.get()
        try:
            request = free if own is None else own
            with errors_of(self._name):
                request.infer(feeds)
            if self._xml is not None:
                forget_weights(self._xml)  # not before: an IR of open sizes brings them into form in its first call
                self._xml = None
            return collect(request)
        finally:
            self._free.put(free)

    def _make(self):
        taken = [self._free.get() for _ in range(self.count)]
        try:
            with errors_of(self._name):
                return self._compiled.create_infer_request()
        finally:
            for request in taken:
                self._free.put(request)


def _stop(*threads: ThreadPoolExecutor) -> None:
    for each in threads:
        each.shutdown(wait=False)
