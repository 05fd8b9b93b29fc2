"""Draws the pictures in docs/benchmarks/ again, from the samples beside them.

`python -m benchmarks.redraw [FILE.json …]`
"""

import json
import sys
from pathlib import Path

from benchmarks.goals import Goal, PageReport
from benchmarks.pictures import plot
from deepspeech_recipe.benchmarking.measurement import Measurement

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
_MEASUREMENT = ("scenario", "contender", "unit", "point", "rounds", "facts", "failure")


def read(path: Path) -> PageReport:
    """The report that `json_text` wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    same = ("baseline", "threads", "chunk_seconds", "contenders", "differences", "machine", "date")
    report = PageReport(**{name: document[name] for name in same}, load=document["load_before"])
    report.add(Measurement(**{name: row[name] for name in _MEASUREMENT}) for row in document["measurements"])
    report.goals = [Goal(**row) for row in document["goals"]]
    return report


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or sorted(RESULTS.glob("*.json"))):
        plot(read(path), path.with_suffix(".png"))
        print(path.with_suffix(".png"))
