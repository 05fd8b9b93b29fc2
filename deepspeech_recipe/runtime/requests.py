"""The inference requests of a compiled model, shared by all streams of all threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import LifoQueue


class Requests:
    """As many requests as the device computes at once; who needs one waits until one is free.

    One for each stream would be of no use, and was harmful. Measured with 64 threads, OpenVINO 2026.4.1, CPU: `infer`
    computes in the thread that calls it, so that each becomes one of TBB's, and memory grew from 160 to 390 MB in two
    minutes without an end; and `create_infer_request` died of a segmentation fault while other threads inferred.
    So OpenVINO computes in its own threads, and makes requests only while it does not compute.
    """

    def __init__(self, compiled):
        self._compiled = compiled
        self._count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._free: LifoQueue = LifoQueue()
        for _ in range(self._count):
            self._free.put(compiled.create_infer_request())
        self._making = threading.Lock()

    def own(self):
        """A request with an internal state of its own; it is run at a `place` too."""
        with self._making:
            taken = [self._free.get() for _ in range(self._count)]
            try:
                return self._compiled.create_infer_request()
            finally:
                for request in taken:
                    self._free.put(request)

    @contextmanager
    def place(self, own=None) -> Iterator:
        """A request that nobody else uses until the block ends: `own`, or a shared one. Copy its results inside."""
        free = self._free.get()
        request = free if own is None else own
        try:
            yield request
        finally:
            with suppress(RuntimeError):  # of its own call, and said there
                request.wait()
            self._free.put(free)


def infer(request, feeds) -> None:
    """As `request.infer(feeds)`, but in OpenVINO's own threads."""
    request.start_async(feeds)
    request.wait()
