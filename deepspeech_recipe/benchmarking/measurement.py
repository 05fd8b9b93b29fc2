"""Numbers of a benchmark, and what is computed from them."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Summary:
    """The samples of all rounds in a few numbers: the median (p50), the quartiles, p95, and how many there were."""

    median: float
    low: float
    high: float
    p95: float
    count: int


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as another: the median over the rounds, and the quartiles."""

    median: float
    low: float
    high: float


@dataclass
class Measurement:
    """Samples of one contender at one point of one scenario.

    point: what the scenario varies (seconds, rows, hidden size), or None. rounds: a list of samples for each round.
    facts: what else was found out. failure: one line, or empty; then there are no further rounds.
    """

    scenario: str
    contender: str
    unit: str
    point: float | None = None
    rounds: list[list[float]] = field(default_factory=list)
    facts: dict = field(default_factory=dict)
    failure: str = ""

    @property
    def varied(self) -> float:
        """The point. Raises ValueError if the scenario varies nothing."""
        if self.point is None:
            raise ValueError(f"{self.scenario} has no points")
        return self.point

    @property
    def summary(self) -> Summary | None:
        samples = [sample for samples in self.rounds for sample in samples]
        if not samples:
            return None
        low, median, high, p95 = np.percentile(samples, [25, 50, 75, 95]).tolist()
        return Summary(median, low, high, p95, len(samples))

    def times_as_fast_as(self, other: "Measurement") -> Ratio | None:
        """The ratio of the medians round by round: what disturbs the machine for a while disturbs both. None without a
        round of both."""
        pairs = zip(other.rounds, self.rounds, strict=False)
        ratios = [np.median(theirs) / np.median(ours) for theirs, ours in pairs if theirs and ours]
        if not ratios:
            return None
        low, median, high = np.percentile(ratios, [25, 50, 75]).tolist()
        return Ratio(median, low, high)

    def as_dict(self) -> dict:
        """JSON values."""
        summary = self.summary
        return {
            **vars(self),
            "summary": None if summary is None else {name: _short(value) for name, value in vars(summary).items()},
            "rounds": [[_short(sample) for sample in samples] for samples in self.rounds],
        }


def _short(value: float) -> float:
    """Nanoseconds mean nothing, and make the file long."""
    return round(value, 4)
