"""Recordings → outcomes: looked at first, then worked on in batches; a bad one is an outcome too, and the rest goes on.

What works is a function of a batch of recordings, so the same pieces run in this process and on a cluster's nodes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from deepspeech_recipe.corpus.listing import Recording
from deepspeech_recipe.corpus.outcome import Outcome, failed
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, last_net
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.batching.rows import Heard
from deepspeech_recipe.runtime.recordings.audio_files import at_rate
from deepspeech_recipe.runtime.recordings.incoming import is_address, is_pipe, open_recording, shown_name, size_at

Log = Callable[[str], None]
Work = Callable[[Sequence[Recording]], Iterator[Outcome]]

_LONGEST_IN_A_BATCH = 300.0  # seconds, on a cluster
_SORTED = 512
_BYTES_A_SECOND = 32_000  # of 16-bit samples at 16 kHz: what an address is taken to hold


def look(recording: Recording) -> Outcome:
    """An outcome with the length of a recording by its header, or with what is wrong with it.

    A pipe is not opened. What lies at an address is there if it says so, and its length is a guess by its size.
    """
    try:
        if is_pipe(recording.name):
            return Outcome(recording)
        if is_address(recording.name):
            return Outcome(recording, seconds=size_at(recording.name) / _BYTES_A_SECOND)
        with last_net(recording.name), open_recording(recording.name, recording.raw) as audio:
            return Outcome(recording, seconds=audio.frames / audio.rate)
    except (RecipeError, OSError) as error:
        return failed(recording, error)


def batches(looked: Iterable[Outcome], size: int) -> list[list[Recording]]:
    """Groups of at most `size` recordings of like length, the longest first; in their order if size is 1.

    Those of unknown length, and those of which a second try would cost too much, are groups of their own.
    """
    if size == 1:
        return [[each.recording] for each in looked]
    found: list[list[Outcome]] = []
    for each in sorted(looked, key=lambda each: -each.seconds):
        fits = found and len(found[-1]) < size and 0 < found[-1][0].seconds <= _LONGEST_IN_A_BATCH
        if fits and each.seconds:
            found[-1].append(each)
        else:
            found.append([each])
    return [[each.recording for each in group] for group in found]


def longest_first(looked: Sequence[Outcome]) -> Iterator[Recording]:
    """The recordings, the longest of each _SORTED first: the last ones to be done are short, so none is left alone for
    long, and results in the order of the recordings need to wait for that many at most."""
    for at in range(0, len(looked), _SORTED):
        for each in sorted(looked[at : at + _SORTED], key=lambda each: -each.seconds):
            yield each.recording


def one_by_one(work: Callable[[Recording], tuple[object, float]]) -> Work:
    """Makes Work of a function that gives (a result, seconds of audio) for a recording, and raises RecipeError."""
    return lambda recordings: (_outcome(each, partial(work, each)) for each in recordings)


def _outcome(recording: Recording, work: Callable[[], tuple[object, float]], before: float = 0.0) -> Outcome:
    """before: seconds of work that were done before."""
    begin = time.perf_counter()
    try:
        with error_context(name := shown_name(recording.name)), last_net(name):
            result, seconds = work()
    except (RecipeError, OSError) as error:
        return failed(recording, error)
    return Outcome(recording, result, seconds=seconds, work=before + time.perf_counter() - begin)


def recognition(
    recognizer: Recognizer, rows: int, log: Log | None = None, progress: Callable[[float], None] | None = None
) -> Work:
    """What recognises recordings with a recognizer, block by block, that many side by side; those of pipes alone, as
    nobody knows when they go on.

    log: gets a line for every recording that was converted. progress: gets seconds of audio as they are read.
    """
    rate = recognizer.sample_rate

    def blocks(recording: Recording) -> Iterator[np.ndarray]:
        with open_recording(recording.name, recording.raw) as audio:
            for block in at_rate(audio, shown_name(recording.name), rate, log):
                yield block
                if progress:
                    progress(len(block) / rate)

    def together(recordings: Sequence[Recording]) -> Iterator[Outcome]:
        pipes = [each for each in recordings if is_pipe(each.name)]
        files = [each for each in recordings if not is_pipe(each.name)]
        for some, side_by_side in ((files, rows), (pipes, 1)):
            for heard in recognizer.transcribe_many([*map(blocks, some)], side_by_side):
                yield _outcome(some[heard.number], partial(_result, heard), heard.work)

    return together


def _result(heard: Heard) -> tuple[object, float]:
    result = heard.result_or_error()
    return result, result.seconds


class Meter:
    """Counts seconds of audio and tells progress(done, total)."""

    def __init__(self, progress: Callable[[float, float], None] | None):
        self._progress, self._done, self.total = progress, 0.0, 0.0

    def add(self, seconds: float) -> None:
        self._done += seconds
        if self._progress:
            self._progress(self._done, max(self._done, self.total))


class ThisProcess:
    """Looks and works here. `cluster.Cluster` is the same on many machines.

    rows: how many recordings the work does side by side.
    """

    def __init__(self, work: Work, rows: int = 1):
        self._work, self._rows = work, rows

    def look(self, recordings: Sequence[Recording]) -> Iterator[Outcome]:
        return map(look, recordings)

    def run(self, looked: Sequence[Outcome]) -> Iterator[Outcome]:
        """Works on recordings that were looked at, in any order."""
        return self._work([*longest_first(looked)] if self._rows > 1 else [each.recording for each in looked])


def outcomes(
    recordings: Sequence[Recording],
    engine: ThisProcess,
    meter: Meter,
    *,
    skip: Callable[[Recording], bool] | None = None,
    on_failure: Callable[[Outcome], None] | None = None,
) -> Iterator[Outcome]:
    """The outcome of every recording as soon as there is one: those that are skipped, the bad ones, then the others.

    skip: whether a recording's results are there. on_failure: gets what fails at once, whoever sorts the outcomes.
    Raises RecipeError if there is nothing to work on because none of them can be read.
    """
    wanted = []
    for recording in recordings:
        if skip is not None and skip(recording):
            yield Outcome(recording, skipped=True)
        else:
            wanted.append(recording)
    looked = list(engine.look(wanted))
    bad = [each for each in looked if each.error]
    if len(recordings) == len(bad) == 1:
        raise RecipeError(bad[0].error)
    for each in bad:
        if on_failure:
            on_failure(each)
    if bad and len(bad) == len(recordings):
        raise RecipeError(f"None of the {len(bad)} recordings can be read.")
    yield from bad
    good = [each for each in looked if not each.error]
    meter.total = sum(each.seconds for each in good)
    for outcome in engine.run(good):
        if outcome.error and on_failure:
            on_failure(outcome)
        yield outcome
