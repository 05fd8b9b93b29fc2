"""The result of a benchmark, as data."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field

from deepspeech_recipe import __version__
from deepspeech_recipe.benchmarking.machine import load_average, machine
from deepspeech_recipe.benchmarking.measurement import Measurement, Ratio

FORMAT = 1  # of the JSON document


@dataclass
class Report:
    """What `benchmark` measured, of whom, on what machine.

    baseline: the contender that the others are compared with. threads: of every contender. chunk_seconds: audio in a
    chunk. differences: contender → the largest difference of its probabilities from the first one's. load: the
    system's load average before the start.
    """

    baseline: str
    threads: int
    chunk_seconds: float
    contenders: list[dict] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    differences: dict[str, float] = field(default_factory=dict)
    machine: dict = field(default_factory=machine)
    load: float | None = field(default_factory=load_average)
    date: str = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc).isoformat(" ", "seconds"))

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Adds what was measured."""
        self.measurements += measurements

    def add_team(self, team) -> None:
        """Adds its contenders, with their versions and, if they did not start, the reason."""
        for contender in team.contenders:
            versions, failure = team.versions.get(contender.name, {}), team.failures.get(contender.name, "")
            self.contenders.append({**contender.as_dict(), "versions": versions, "failure": failure})

    def find(self, scenario: str, contender: str, point: float | None = None) -> Measurement | None:
        """The measurement of a contender at a point of a scenario, if there is one."""
        for measurement in self.measurements:
            if (measurement.scenario, measurement.contender, measurement.point) == (scenario, contender, point):
                return measurement
        return None

    def of(self, scenario: str) -> list[Measurement]:
        """All measurements of a scenario."""
        return [measurement for measurement in self.measurements if measurement.scenario == scenario]

    def ratio(self, measurement: Measurement, baseline: str | None = None) -> Ratio | None:
        """How many times as fast as the baseline in the same scenario, at the same point."""
        other = self.find(measurement.scenario, baseline or self.baseline, measurement.point)
        return None if other is None else measurement.times_as_fast_as(other)

    @property
    def failed(self) -> bool:
        """Whether no contender could do anything."""
        return not any(measurement.rounds for measurement in self.measurements if measurement.scenario != "floor")

    def as_dict(self) -> dict:
        """JSON values."""
        measurements = []
        for measurement in self.measurements:
            ratio = self.ratio(measurement)
            times = None if ratio is None else {name: round(value, 4) for name, value in vars(ratio).items()}
            measurements.append({**measurement.as_dict(), "times_as_fast_as_baseline": times})
        said = {name: value for name, value in vars(self).items() if name != "load"}
        known = {"format": FORMAT, "recipe_version": __version__, "load_before": self.load}
        return {**known, **said, "measurements": measurements}
