"""Taking turns: every contender once a round, one at a time, each round beginning with the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deepspeech_recipe.benchmarking.measurement import Measurement
from deepspeech_recipe.processes.worker import Failed


@dataclass
class Entry:
    """A contender's turn: `run` does it and returns the samples for each measurement."""

    run: Callable[[], list[list[float]]]
    measurements: Sequence[Measurement]
    warm_up: Callable[[], object] | None = None

    @property
    def failed(self) -> bool:
        return all(measurement.failure for measurement in self.measurements)


def take_turns(
    entries: Sequence[Entry],
    rounds: int,
    log: Callable[[str], None] = lambda line: None,
    after_round: Callable[[], None] = lambda: None,
) -> list[Measurement]:
    """Fills the entries' measurements, and returns them. An entry that fails is left out from then on."""
    for entry in entries:
        if entry.warm_up is not None:
            _try(entry, entry.warm_up)
    for number in range(rounds):
        log(f"round {number + 1} of {rounds}")
        start = number % len(entries) if entries else 0
        for entry in (*entries[start:], *entries[:start]):
            if entry.failed:
                continue
            found = _try(entry, entry.run)
            for measurement, samples in zip(entry.measurements, found or [], strict=False):
                measurement.rounds.append(samples)
        after_round()
    return [measurement for entry in entries for measurement in entry.measurements]


def _try(entry: Entry, call: Callable):
    try:
        return call()
    except Failed as failure:
        for measurement in entry.measurements:
            measurement.failure = str(failure)
    return None
