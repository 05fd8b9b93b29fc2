"""What became of each recording, and of all of them."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from deepspeech_recipe.corpus.listing import Recording
from deepspeech_recipe.files import one_line


@dataclass(frozen=True)
class Outcome:
    """What became of a recording.

    result: of the work, None if it failed or was skipped. error: why it failed, one line that names the recording.
    seconds: of audio; work: seconds that it took, or its share in those of a batch.
    """

    recording: Recording
    result: Any = None
    error: str = ""
    seconds: float = 0.0
    work: float = 0.0
    skipped: bool = False


@dataclass
class Summary:
    """Counts of all recordings. seconds: of audio that was recognised; begin: of the clock."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    begin: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        self.done += outcome.result is not None
        self.skipped += outcome.skipped
        self.failed += bool(outcome.error)
        self.seconds += outcome.seconds if outcome.result is not None else 0.0

    @property
    def count(self) -> int:
        """All of them."""
        return self.done + self.skipped + self.failed

    @property
    def exit_code(self) -> int:
        """0, or 1 if a recording failed."""
        return int(self.failed > 0)

    def line(self) -> str:
        """For a person."""
        took = time.monotonic() - self.begin
        parts = [f"{self.done} done", f"{self.skipped} skipped", f"{self.failed} failed"]
        speed = f", real-time factor {took / self.seconds:.3f}" if self.seconds else ""
        return f"{', '.join(parts)}; {_length(self.seconds)} of audio in {_length(took)}{speed}"


def in_order(recordings: Iterable[Recording], outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """The outcomes in the order of their recordings, each as soon as those before it are there."""
    waiting: dict[str, list[Outcome]] = {}  # several if a recording is named more than once
    wanted = deque(each.name for each in recordings)
    for outcome in outcomes:
        waiting.setdefault(outcome.recording.name, []).append(outcome)
        while wanted and waiting.get(wanted[0]):
            yield waiting[wanted.popleft()].pop()


def failed(recording: Recording, error: Exception) -> Outcome:
    """The outcome of a recording that could not be done. error: names it."""
    return Outcome(recording, error=one_line(str(error)))


def _length(seconds: float) -> str:
    """3725 → '1.03 h'"""
    if seconds >= 3600:
        return f"{seconds / 3600:.2f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
