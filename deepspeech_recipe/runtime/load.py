"""Many streams at once, as a server has them: how long each waits for its text, and how much audio goes through."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.recognizer import CHUNK_FRAMES, Recognizer
from deepspeech_recipe.runtime.recordings.samples import as_samples


@dataclass(frozen=True)
class Load:
    """streams: how many; audio: seconds of it in all of them; wall, cpu: seconds it took, of the clock and of the
    processors; latencies: seconds from the moment a block was there until its text was, of every stream and every
    block that completes a chunk, in ascending order; texts: of each stream.
    """

    streams: int
    audio: float
    wall: float
    cpu: float
    latencies: np.ndarray
    texts: tuple[str, ...]

    @property
    def speed(self) -> float:
        """Seconds of audio in a second: the streams that it keeps up with."""
        return self.audio / self.wall

    def latency(self, part: float) -> float:
        """The latency that this part of all is not above: 0.5 for the median, 0.95, 1 for the longest."""
        return float(np.quantile(self.latencies, part))


def load(recognizer: Recognizer, samples, streams: int, *, pace: float | None = 1.0) -> Load:
    """Lets that many streams hear the same samples `[N]`, each in its own thread, in blocks of a chunk (16 frames).

    pace: how many times faster than real time a stream's blocks come, the first ones of all streams spread over one
    block; None: as fast as they are taken. Works with and without `max_batch`.
    """
    samples, size = as_samples(samples), CHUNK_FRAMES * recognizer.frame_samples
    if streams < 1 or len(samples) < 2 * size:
        raise RecipeError(f"{streams} streams of {len(samples)} samples: at least 1 of {2 * size} is needed.")
    seconds = size / recognizer.sample_rate / (pace or np.inf)
    recognizer.transcribe(samples[: 2 * size])  # compiles
    latencies: list[list[float]] = [[] for _ in range(streams)]
    texts, errors = [""] * streams, []
    ready = threading.Barrier(streams + 1)

    def hear(number: int) -> None:
        try:
            with recognizer.stream() as stream:
                ready.wait()
                begin = time.monotonic() + seconds * number / streams
                for place, at in enumerate(range(0, len(samples), size), 1):
                    there = begin + place * seconds if pace else time.monotonic()
                    time.sleep(max(0.0, there - time.monotonic()))
                    stream.feed(samples[at : at + size])
                    stream.partial()
                    latencies[number].append(time.monotonic() - there)
                texts[number] = stream.finish()
        except Exception as error:
            errors.append(error)
            ready.abort()

    threads = [threading.Thread(target=hear, args=(number,)) for number in range(streams)]
    for thread in threads:
        thread.start()
    with suppress(threading.BrokenBarrierError):
        ready.wait()
    wall, cpu = time.monotonic(), time.process_time()
    for thread in threads:
        thread.join()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    if errors:
        raise errors[0]
    # The first block completes no chunk: its windows need what comes behind them.
    waited = np.sort(np.concatenate([each[1:] for each in latencies]))
    return Load(streams, streams * len(samples) / recognizer.sample_rate, wall, cpu, waited, tuple(texts))
