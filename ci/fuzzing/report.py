"""The figures of a run: as a table, and added up over many runs in a file of JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from ci.fuzzing.supervisor import Figures

_KEPT = ("reader", "seeds", "inputs", "refused", "seconds", "slowest", "memory", "findings")
_HEAD = ("reader", "inputs", "read", "refused", "findings", "slowest", "most memory", "inputs/s")


def row(figures: dict) -> tuple[str, ...]:
    inputs, seconds = figures["inputs"], figures["seconds"]
    return (
        figures["reader"],
        f"{inputs:,}",
        f"{inputs - figures['refused']:,}",
        f"{figures['refused']:,}",
        str(len(figures["findings"])),
        f"{figures['slowest']:.2f} s",
        f"{figures['memory'] / 2**20:.0f} MB",
        f"{inputs / seconds:.0f}" if seconds else "",
    )


def table(rows: list[dict], markdown: bool = False) -> str:
    """A row a reader, and their sum."""
    total = {
        "reader": "all",
        **{key: sum(each[key] for each in rows) for key in ("inputs", "refused", "seconds")},
        **{key: max((each[key] for each in rows), default=0) for key in ("slowest", "memory")},
        "findings": [finding for each in rows for finding in each["findings"]],
    }
    cells = [_HEAD, *map(row, [*rows, total])]
    if markdown:
        cells.insert(1, ("---", *["---:"] * (len(_HEAD) - 1)))
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    justified = [
        [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line, widths[1:], strict=True))]
        for name, *line in cells
    ]
    return "\n".join("  ".join(line) for line in justified)


def add_to_totals(path: Path, figures: list[Figures]) -> list[dict]:
    """Adds a run to the sums in `path`, and returns them. The same seed is not counted twice for one reader."""
    run = [{**asdict(each), "findings": sorted(each.findings), "seeds": [each.seed]} for each in figures]
    totals = merged([*_read(path), *run])
    path.write_text(json.dumps(totals, indent=1))
    return totals


def read_totals(paths: list[Path]) -> list[dict]:
    """The sums of several such files."""
    return merged([each for path in paths for each in _read(path)])


def merged(rows: list[dict]) -> list[dict]:
    """One row a reader."""
    totals: dict[str, dict] = {}
    for each in rows:
        known = totals.get(each["reader"])
        if known is None:
            totals[each["reader"]] = {key: each[key] for key in _KEPT}
        elif not set(known["seeds"]) & set(each["seeds"]):
            known |= {key: known[key] + each[key] for key in ("inputs", "refused", "seconds", "seeds")}
            known |= {key: max(known[key], each[key]) for key in ("slowest", "memory")}
            known["findings"] = sorted({*known["findings"], *each["findings"]})
    return list(totals.values())


def _read(path: Path) -> list[dict]:
    return json.loads(path.read_text()) if path.exists() else []
