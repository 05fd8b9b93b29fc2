"""What a reader is to the harness, and how an input comes from its number."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

Files = dict[str, bytes]


@dataclass(frozen=True)
class Input:
    """files: relative path → content; target: the one of them, or the directory or prefix, that is read."""

    files: Files
    target: str

    @classmethod
    def of(cls, name: str, data: bytes) -> "Input":
        """One file."""
        return cls({name: data}, name)

    @property
    def size(self) -> int:
        return sum(map(len, self.files.values()))


@dataclass(frozen=True)
class Reader:
    """A way into the project.

    make: a damaged input. read: what the project does with it, given its path and a directory to write to; returns
    where it was accepted. prepare: loads modules and seed files before the first input; it must start no thread.
    names_file: whether refusals must name the file. cpu_seconds: the limit of one input. share: of the time.
    """

    name: str
    make: Callable[[Random], Input]
    read: Callable[[Path, Path], object]
    prepare: Callable[[], object] = lambda: None
    names_file: bool = True
    cpu_seconds: float = 5.0
    share: float = 1.0

    def input(self, seed: int, number: int) -> Input:
        """The same input for the same seed and number, in any process."""
        return self.make(Random(f"{seed} {self.name} {number}"))
