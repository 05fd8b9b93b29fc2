"""Many utterances, as fast as they go: they share calls of the network, and where one ends the next one begins."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.names import EXTERNAL, LOGITS
from deepspeech_recipe.runtime.inference.acoustic import StatefulCall, stacked
from deepspeech_recipe.runtime.inference.mfcc_frames import LARGEST_CALL, MfccFrames
from deepspeech_recipe.runtime.inference.requests import Requests
from deepspeech_recipe.runtime.inference.windows import Windows
from deepspeech_recipe.runtime.recordings.samples import pieces
from deepspeech_recipe.runtime.result import Hypothesis, Result

ROWS = 16  # of a call, if nobody says
_FEW = 4  # rows: fewer cost as much for each as they do alone
_CALL_FRAMES = 16
# Frames that wait for the decoder: a beam search needs megabytes as long as it goes on, so one follows the other.
_DECODED_FRAMES = 1500


@dataclass(frozen=True)
class Heard:
    """What became of an utterance. result: None if it failed, then error says why. work: its share of the time that
    all of them took, in seconds."""

    number: int
    result: Result | None
    error: Exception | None
    work: float

    def result_or_error(self) -> Result:
        """Raises the error if there is one."""
        if self.result is None:
            assert self.error is not None
            raise self.error
        return self.result


def one_by_one(transcribe: Callable[[Iterable], Result], utterances: Iterable[Iterable]) -> Iterator[Heard]:
    """What `hear` yields, of utterances that share nothing."""
    for number, blocks in enumerate(utterances):
        begin, result, error = time.perf_counter(), None, None
        try:
            result = transcribe(blocks)
        except Exception as problem:
            error = problem
        yield Heard(number, result, error, time.perf_counter() - begin)


def open_rows(ir: AcousticIR) -> AcousticIR | None:
    """The same model for any number of rows, or as it is if it was made for several; None if utterances that begin and
    end as they like cannot share its calls."""
    if ir.input_kind != "windows" or ir.state != EXTERNAL:
        return None
    if ir.batch != 1:
        return ir
    model = ir.model.clone()
    shapes = {port.get_any_name(): port.get_partial_shape() for port in model.inputs}
    for shape in shapes.values():
        shape[0] = -1
    try:
        model.reshape(shapes)
    except RuntimeError:  # its batch is written into it
        return None
    found = AcousticIR(model, ir.name)
    axes = {LOGITS: 1} | dict.fromkeys(ir.states.values(), 0)
    is_open = all(found.output(name).get_partial_shape()[axis].is_dynamic for name, axis in axes.items())
    return found if is_open else None


def hear(
    ir: AcousticIR,
    requests: Requests,
    utterances: Sequence[Iterable],
    rows: int,
    mfccs: Callable[[], MfccFrames],
    decoder,
    result: Callable[[Hypothesis, int], Result],
) -> Iterator[Heard]:
    """Yields what became of each utterance when it ends.

    utterances: blocks of samples of each, read as they are needed. rows: of a call, at most. mfccs: makes the features
    of an utterance. result: of a decoder's answer and the number of samples. While the network computes, other
    utterances are read, and decoded.
    """
    network, size = StatefulCall(ir, requests), ir.steps or _CALL_FRAMES
    begin = {name: values[0] for name, values in network.begin(1).items()}
    sizes = ir.metadata["n_context"], ir.metadata["n_input"]
    waiting = deque(enumerate(utterances))
    # Of rows: one is prepared while the others compute.
    groups: list[list[_Row]] = [[] for _ in range(max(1, min(requests.count + 1, len(waiting) // _FEW)))]
    rows = min(rows, -(-len(waiting) // len(groups)))
    running: deque[tuple[list[_Row], Future]] = deque()

    def filled(group: list[_Row]) -> list[_Row]:
        """Gives every row of a group windows, and returns those that had none left, for which others came."""
        ended: list[_Row] = []
        while True:
            while waiting and len(group) < rows:
                group.append(_Row(*waiting.popleft(), mfccs(), Windows(*sizes), decoder, begin))
            for row in group:
                row.fill(size)
            empty = [row for row in group if not row.windows.count]
            if not empty:
                return ended
            group[:] = [row for row in group if row.windows.count]
            ended += empty

    last, idle = time.perf_counter(), groups
    try:
        while True:
            ended: list[_Row] = []
            for group in idle:
                ended += filled(group)
                if group:
                    parts = [row.windows.first(size) for row in group]
                    running.append((group, network.start(*stacked(parts, [row.state for row in group], size))))
            for group in idle:
                for row in group:
                    row.decode(_DECODED_FRAMES)
            for row in ended:
                yield row.heard(result)
            if not running:
                return
            group, future = running.popleft()
            found, after = future.result()
            now, busy = time.perf_counter(), sum(map(len, groups))
            for place, row in enumerate(group):
                row.take(found[:, place], {name: values[place] for name, values in after.items()})
            for row in (row for each in groups for row in each):
                row.work += (now - last) / busy
            last, idle = now, [group]
    finally:
        wait([future for _, future in running])


class _Row:
    """An utterance that is being heard. What goes wrong with it ends it, and nobody else."""

    def __init__(self, number: int, blocks: Iterable, mfccs: MfccFrames, windows: Windows, decoder, state: dict):
        self._number, self._mfccs, self._decoder = number, mfccs, decoder.start()
        self._pieces = pieces(blocks, LARGEST_CALL * mfccs.stride)
        self.windows, self.state, self.work = windows, state, 0.0
        self._samples, self._ended = 0, False
        self._error: Exception | None = None
        self._found: list[np.ndarray] = []

    def fill(self, count: int) -> None:
        """Reads until that many windows are complete, or the utterance ends."""
        try:
            while self.windows.count < count and not self._ended:
                samples = next(self._pieces, None)
                self._ended = samples is None
                if samples is None:
                    self.windows.add(self._mfccs.finish(), end=True)
                    return
                self._samples += len(samples)
                for frames in self._mfccs.feed(samples):
                    self.windows.add(frames)
        except Exception as error:
            self._fail(error)

    def take(self, found: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Probabilities `[n, classes]` of the first windows, and the state behind them."""
        count = min(len(found), self.windows.count)
        self._found.append(found[:count])
        self.windows.drop(count)
        self.state = state

    def decode(self, least: int) -> None:
        """Decodes what was found if it is that many frames."""
        if sum(map(len, self._found)) >= least and self._error is None:
            try:
                self._decoder.feed(np.concatenate(self._found))
            except Exception as error:
                self._fail(error)
            self._found = []

    def heard(self, result: Callable[[Hypothesis, int], Result]) -> Heard:
        """Ends the utterance."""
        self.decode(1)
        found = None
        if self._error is None:
            try:
                found = result(self._decoder.finish(1)[0], self._samples)
            except Exception as error:
                self._fail(error)
        return Heard(self._number, found, self._error, self.work)

    def _fail(self, error: Exception) -> None:
        self._error, self._ended = error, True
        self.windows.drop(self.windows.count)
