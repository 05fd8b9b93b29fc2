"""What the self-test finds."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """What one check of `doctor` found.

    status: 'ok', 'absent' (and not needed) or 'problem'. remedy: what to do about it, or empty.
    """

    name: str
    status: str
    text: str
    remedy: str = ""

    def line(self) -> str:
        """The finding as a line for a person."""
        mark = {"ok": "✓", "absent": "–", "problem": "✗"}[self.status]
        return f"{mark} {self.name}: {self.text}" + (f". {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Health:
    """All findings, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether everything that should work does."""
        return all(finding.status != "problem" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0, or 1 if something that should work does not."""
        return 0 if self.passed else 1

    def as_dict(self) -> dict:
        """For JSON."""
        return {"passed": self.passed, "findings": [asdict(finding) for finding in self.findings]}
