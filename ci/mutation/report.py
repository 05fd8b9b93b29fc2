"""What became of each edit, and the score that it makes."""

from __future__ import annotations

import json
from pathlib import Path

from ci.mutation.edits import Edit, all_edits

ROOT = Path(__file__).resolve().parents[2]
# Lines `edit | why no test can see it, or need not`; an edit goes by its key, as it is printed.
EXPLAINED = Path(__file__).with_name("explained.txt")
ENVIRONMENTS = ("current", "mo")
LEAST = 95  # percent


class Results:
    """A file with a line for each try."""

    def __init__(self, path: Path):
        self.path = path

    def add(self, key: str, result: dict) -> None:
        with self.path.open("a") as file:
            print(json.dumps({"edit": key, **result}), file=file)

    def read(self) -> list[dict]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


def killed(work: Path) -> set[str]:
    """The edits that a test of either environment saw."""
    tries = [each for name in ENVIRONMENTS for each in Results(work / f"{name}.jsonl").read()]
    return {each["edit"] for each in tries if each["outcome"] == "killed"}


def report(work: Path, edits: dict[str, list[Edit]]) -> int:
    """Prints the score by package, and the survivors. Returns 1 if they are too many, or nothing explains one."""
    lines = [line.split(" | ", 1) for line in EXPLAINED.read_text().splitlines() if " | " in line]
    reasons = dict(lines)
    seen, survivors, total = killed(work), [], 0
    print(f"{'package':14}{'edits':>6}{'killed':>8}")
    for group, found in edits.items():
        left = [edit for edit in found if edit.key not in seen]
        survivors += left
        total += len(found)
        print(f"{group:14}{len(found):6}{len(found) - len(left):8}{100 * (1 - len(left) / len(found)):7.0f} %")
    score = 100 * (1 - len(survivors) / total)
    print(f"{'all':14}{total:6}{total - len(survivors):8}{score:9.1f} %")
    for edit in survivors:
        print(f"{edit.path}:{edit.lines[0]}: {edit.key.split(' ', 1)[1]}\n    {reasons.get(edit.key, 'NOT EXPLAINED')}")
    for key in sorted(reasons):
        path = ROOT / key.partition(" ")[0]
        if not path.exists() or key not in {edit.key for edit in all_edits(ROOT, path)}:
            print(f"explained, but not an edit any more: {key}")
    unexplained = [edit for edit in survivors if edit.key not in reasons]
    return 1 if unexplained or score < LEAST else 0
