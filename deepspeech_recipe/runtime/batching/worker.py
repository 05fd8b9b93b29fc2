"""One thread that runs the network for many streams: a row of a batch for each."""

import atexit
import time
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np

from deepspeech_recipe.runtime.batching.queue import BatchQueue
from deepspeech_recipe.runtime.inference.acoustic import StatefulCall, stacked
from deepspeech_recipe.runtime.inference.windows import Windows


class Row:
    """A row of the batch: one utterance.

    Its stream sends MFCC frames to the worker, and finds probabilities, or an exception, in `found`.

    size: windows of a call. Until the utterance ends, what is sent completes whole calls.
    """

    def __init__(self, size: int, windows: Windows):
        self.size, self.windows = size, windows
        self.found: SimpleQueue = SimpleQueue()
        self.state: dict[str, np.ndarray] | None = None
        self.ended = False
        self.since = 0.0  # when what it waits with came


class Worker:
    """Runs the network for all rows, in one thread. Others only call `inbox.put`.

    inbox: (row, MFCC frames, whether they were the last ones), (row, None, True) of a stream that is given up, or None
    to stop. A SimpleQueue may be written to from everywhere, from destructors too.
    """

    def __init__(
        self,
        network: StatefulCall,
        queue: BatchQueue,
        clock: Callable[[], float] = time.monotonic,
        on_call: Callable[[int], None] | None = None,
    ):
        """on_call: gets how many rows share each call."""
        self._network, self._queue, self._clock, self._on_call = network, queue, clock, on_call
        self._begin = {name: values[0] for name, values in network.begin(1).items()}
        self.inbox: SimpleQueue = SimpleQueue()

    def run(self) -> None:
        """Until it is told to stop."""
        while self.receive(self._queue.wait(self._clock())):
            if self._queue.wait(self._clock()) == 0:
                self.call()

    def receive(self, timeout: float | None) -> bool:
        """Takes what has come; waits for it for timeout seconds at most, None: as long as it takes. False: stop."""
        try:
            message = self.inbox.get(timeout=timeout) if timeout != 0 else self.inbox.get_nowait()
            while message is not None:
                self._take(*message)
                message = self.inbox.get_nowait()
        except Empty:
            return True
        return False

    def call(self) -> None:
        """One call of the network, for the rows whose turn it is."""
        rows = self._queue.take()
        if self._on_call is not None:
            self._on_call(len(rows))
        self._run(rows)

    def _take(self, row: Row, mfccs: np.ndarray | None, end: bool) -> None:
        if mfccs is None:
            row.ended = True
            self._queue.leave(row)
            return
        if row.ended:
            return
        row.windows.add(mfccs, end)
        row.ended = end
        self._queue.join(row)
        if not self._queue.waiting(row):
            row.since = self._clock()
            self._again(row)

    def _again(self, row: Row) -> None:
        """Lets the row wait for its next call, or go if there is none."""
        if row.windows.count:
            self._queue.put(row, row.size, row.since)
        elif row.ended:
            self._queue.leave(row)

    def _compute(self, rows: list[Row]) -> None:
        parts = [row.windows.first(row.size) for row in rows]
        found, after = self._network(*stacked(parts, [row.state or self._begin for row in rows], rows[0].size))
        for number, (row, part) in enumerate(zip(rows, parts, strict=True)):
            row.state = {name: values[number].copy() for name, values in after.items()}
            row.windows.drop(len(part))
            row.found.put(found[: len(part), number].copy())
            self._again(row)

    def _run(self, rows: list[Row]) -> None:
        try:
            self._compute(rows)
        except Exception as error:
            if len(rows) == 1:
                rows[0].ended = True
                self._queue.leave(rows[0])
                rows[0].found.put(error)
                return
            # What is wrong with one stream is not the others' business.
            for row in rows:
                self._run([row])


# Of the threads that run.
_inboxes: weakref.WeakKeyDictionary[Thread, SimpleQueue] = weakref.WeakKeyDictionary()


class Batcher:
    """Starts a Worker in a thread, which ends when nobody holds this object any more, or with the program."""

    def __init__(self, network: StatefulCall, queue: BatchQueue, on_call: Callable[[int], None] | None = None):
        worker = Worker(network, queue, on_call=on_call)
        self._inbox = worker.inbox
        # It waits for no thread: memory is cleaned up wherever a thread happens to be, in `threading`'s locks too.
        weakref.finalize(self, worker.inbox.put, None).atexit = False
        thread = Thread(target=worker.run, name="deepspeech-recipe batches", daemon=True)
        _inboxes[thread] = worker.inbox
        thread.start()

    def send(self, row: Row, mfccs: np.ndarray, end: bool) -> None:
        self._inbox.put((row, mfccs, end))

    def drop(self, row: Row) -> None:
        """Gives the utterance up; what the row waits with is not computed."""
        self._inbox.put((row, None, True))


@atexit.register
def _stop() -> None:
    """What native code computes while Python goes would come back to nothing."""
    for thread, inbox in [*_inboxes.items()]:
        inbox.put(None)
        thread.join()
