"""What a comparison found: checks with their figures and limits."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Check:
    """One check of `verify`.

    figure: what was measured. limit: the largest that passes. detail: what the figure leaves out.
    """

    name: str
    passed: bool
    figure: float
    limit: float
    detail: str = ""

    def line(self) -> str:
        """The check as a line for a person."""
        detail = f"; {self.detail}" if self.detail else ""
        return f"{tick(self.passed)} {self.name}: {self.figure:.2g} (limit {self.limit:.2g}){detail}"


@dataclass(frozen=True)
class RecordingResult:
    """What both models made of a recording: its windows, and the greedy text (without an alphabet, the classes)."""

    name: str
    windows: int
    chunks: int
    text: str
    expected_text: str


@dataclass(frozen=True)
class Report:
    """What `verify` compared with what, and every check.

    reference: what ran the original. weights: 'fp32', 'fp16' or 'int8'. form: state, sizes and head of the IR.
    recordings: what both made of every recording. notes: lines for a person.
    """

    model: str
    ir: str
    reference: str
    device: str
    weights: str
    form: str
    checks: tuple[Check, ...]
    recordings: tuple[RecordingResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0, or 1 if a check failed."""
        return 0 if self.passed else 1

    def check(self, name: str) -> Check:
        """The check of that name. Raises KeyError."""
        found = {check.name: check for check in self.checks}
        return found[name]

    def as_dict(self) -> dict:
        """For JSON."""
        return {"passed": self.passed, **asdict(self)}

    def lines(self) -> list[str]:
        """For a person."""
        head = [
            f"{self.ir} against {self.model}",
            f"reference {self.reference}; device {self.device}; weights {self.weights}; {self.form}",
        ]
        texts = [
            f"  {each.name}: {each.windows} windows in {counted(each.chunks, 'chunk')}, {_texts(each)}"
            for each in self.recordings
        ]
        failed = sum(not check.passed for check in self.checks)
        count = len(self.checks)
        end = f"{failed} of {count} checks failed" if failed else f"all {count} checks passed"
        return [*head, *texts, *self.notes, *(check.line() for check in self.checks), end]


def counted(number: int, what: str) -> str:
    """'1 chunk', '2 chunks'"""
    return f"{number} {what}{'' if number == 1 else 's'}"


def tick(passed: bool) -> str:
    return "✓" if passed else "✗"


def _texts(result: RecordingResult) -> str:
    if result.text == result.expected_text:
        return f"both '{_short(result.text)}'"
    return f"original '{_short(result.expected_text)}', IR '{_short(result.text)}'"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
