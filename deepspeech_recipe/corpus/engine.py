"""Recordings → outcomes: looked at first, then worked on in batches; a bad one is an outcome too, and the rest goes on.

What works is a function of a batch of recordings, so the same pieces run in this process and on a cluster's nodes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from deepspeech_recipe.corpus.listing import Recording
from deepspeech_recipe.corpus.outcome import Outcome, failed
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, last_net
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings.audio_files import at_rate
from deepspeech_recipe.runtime.recordings.incoming import is_address, is_pipe, open_recording, shown_name, size_at

Log = Callable[[str], None]
Work = Callable[[Sequence[Recording]], Iterator[Outcome]]

# Longer ones are recognised alone, block after block: a batch is in memory as a whole.
_LONGEST_IN_A_BATCH = 300.0  # seconds
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


def batches(looked: Iterable[Outcome], size: int) -> list[list[Outcome]]:
    """Groups of at most `size` recordings of like length, the longest first; in their order if size is 1."""
    if size == 1:
        return [[each] for each in looked]
    found: list[list[Outcome]] = []
    for each in sorted(looked, key=lambda each: -each.seconds):
        fits = found and len(found[-1]) < size and 0 < found[-1][0].seconds <= _LONGEST_IN_A_BATCH
        if fits and each.seconds:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def one_by_one(work: Callable[[Recording], tuple[object, float]]) -> Work:
    """Makes Work of a function that gives (a result, seconds of audio) for a recording, and raises RecipeError."""

    def run(recordings: Sequence[Recording]) -> Iterator[Outcome]:
        for recording in recordings:
            begin = time.perf_counter()
            try:
                with error_context(name := shown_name(recording.name)), last_net(name):
                    result, seconds = work(recording)
            except (RecipeError, OSError) as error:
                yield failed(recording, error)
            else:
                yield Outcome(recording, result, seconds=seconds, work=time.perf_counter() - begin)

    return run


def recognition(recognizer: Recognizer, log: Log | None = None, heard: Callable[[float], None] | None = None) -> Work:
    """What recognises a batch with a recognizer: one recording block by block, several side by side.

    log: gets a line for every recording that was converted. heard: gets seconds of audio as they are read.
    """
    rate = recognizer.sample_rate

    def blocks(recording: Recording) -> Iterator[np.ndarray]:
        with open_recording(recording.name, recording.raw) as audio:
            for block in at_rate(audio, shown_name(recording.name), rate, log):
                yield block
                if heard:
                    heard(len(block) / rate)

    def alone(recording: Recording) -> tuple[object, float]:
        result = recognizer.transcribe_blocks(blocks(recording))
        return result, result.seconds

    def samples(recording: Recording) -> tuple[object, float]:
        found = np.concatenate(list(blocks(recording)))
        return found, len(found) / rate

    def together(recordings: Sequence[Recording]) -> Iterator[Outcome]:
        if len(recordings) == 1:
            yield from one_by_one(alone)(recordings)
            return
        begin, ready = time.perf_counter(), []
        for outcome in one_by_one(samples)(recordings):
            if outcome.error:
                yield outcome
            else:
                ready.append(outcome)
        results = recognizer.transcribe_batch([each.result for each in ready])
        took, total = time.perf_counter() - begin, sum(each.seconds for each in ready)
        for each, result in zip(ready, results, strict=True):
            yield replace(each, result=result, work=took * each.seconds / total if total else 0.0)

    return together


class Meter:
    """Counts seconds of audio and tells progress(done, total)."""

    def __init__(self, progress: Callable[[float, float], None] | None):
        self._progress, self._done, self.total = progress, 0.0, 0.0

    def add(self, seconds: float) -> None:
        self._done += seconds
        if self._progress:
            self._progress(self._done, max(self._done, self.total))


class ThisProcess:
    """Looks and works here, one batch after the other. `cluster.Cluster` is the same on many machines.

    batch: how many recordings side by side, if nobody says.
    """

    batch = 1

    def __init__(self, work: Work):
        self._work = work

    def look(self, recordings: Sequence[Recording]) -> Iterator[Outcome]:
        return map(look, recordings)

    def run(self, groups: Sequence[Sequence[Recording]]) -> Iterator[Outcome]:
        for group in groups:
            yield from self._work(group)


def outcomes(
    recordings: Sequence[Recording],
    engine: ThisProcess,
    meter: Meter,
    *,
    batch: int | None = None,
    skip: Callable[[Recording], bool] | None = None,
    on_failure: Callable[[Outcome], None] | None = None,
) -> Iterator[Outcome]:
    """The outcome of every recording as soon as there is one: those that are skipped, the bad ones, then the others.

    batch: how many are worked on side by side. skip: whether a recording's results are there. on_failure: gets what
    fails at once, whoever sorts the outcomes.
    Raises RecipeError if there is nothing to work on because none of them can be read.
    """
    batch = engine.batch if batch is None else batch
    if batch < 1:
        raise RecipeError(f"A batch of {batch} recordings is not possible.")
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
    for outcome in engine.run([[each.recording for each in group] for group in batches(good, batch)]):
        if outcome.error and on_failure:
            on_failure(outcome)
        yield outcome
