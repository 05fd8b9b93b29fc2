"""What the server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_PREFIX = "deepspeech_recipe_"
_LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
_ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


class Metrics:
    """Of one app: counters of their own for each, so that several may live in a process."""

    def __init__(self, places: Callable[[], tuple[int, int]]):
        """places: how many are taken, and how many there are."""
        self._registry = registry = CollectorRegistry()
        taken = Gauge(f"{_PREFIX}streams", "Live streams and recordings that are at work.", registry=registry)
        taken.set_function(lambda: places()[0])
        most = Gauge(f"{_PREFIX}streams_limit", "Live streams and recordings that may be at work.", registry=registry)
        most.set_function(lambda: places()[1])
        self.audio = Counter(
            f"{_PREFIX}audio_seconds", "Seconds of audio that became text.", ["interface"], registry=registry
        )
        self.refused = Counter(
            f"{_PREFIX}refused", "Streams, recordings and requests that were refused.", ["reason"], registry=registry
        )
        self.partial_seconds = Histogram(
            f"{_PREFIX}partial_seconds", "Seconds from the samples that complete a chunk to the text that was sent.",
            registry=registry, buckets=_LATENCIES,
        )  # fmt: skip
        self.recording_seconds = Histogram(
            f"{_PREFIX}recording_seconds", "Seconds from a whole upload to its text.", registry=registry
        )
        self.batch_rows = Histogram(
            f"{_PREFIX}batch_rows", "Streams and recordings that shared a call of the network.",
            registry=registry, buckets=_ROWS,
        )  # fmt: skip

    def text(self) -> bytes:
        """In the format that is scraped."""
        return generate_latest(self._registry)
