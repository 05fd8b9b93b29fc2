"""Numbers within a limit, and the largest error beside each limit: a limit far above it would let a fault pass.

`assert_close` notes what it measures. At the end of a run pytest lists the limits that are more than ten times the
largest error that was seen under them, in any of the tests that came by; `--limits` lists all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
LOOSE = 10
# What is added up in another order differs by this, relative to the largest value, on another processor or with another
# OpenVINO: a limit that leaves room for it is not loose where the order happens to be the same.
ROUNDING = 3e-7
# (file, line, limit) → the largest error, and the largest value.
_measured: dict[tuple[str, int, float], tuple[float, float]] = {}


def assert_close(found, wanted, limit: float, what: str = "", *, place: int = 1) -> None:
    """Every number within `limit` of the wanted one, and there are some. what: for the message. place: how many calls
    further out the limit stands."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, f"{what}: shape {found.shape} instead of {wanted.shape}"
    assert wanted.size, f"{what}: nothing is compared"
    assert np.isfinite(wanted).all(), f"{what}: what to compare with is not finite"
    difference = np.abs(np.subtract(found, wanted, dtype=np.float64))
    frame = sys._getframe(place)
    key = Path(frame.f_code.co_filename).relative_to(ROOT).as_posix(), frame.f_lineno, float(limit)
    largest = float(difference.max())
    before = _measured.get(key, (0.0, 0.0))
    _measured[key] = max(before[0], largest), max(before[1], float(np.abs(wanted).max()))
    if not largest <= limit:  # NaN is not
        worst = np.unravel_index(np.nanargmax(np.where(np.isnan(difference), np.inf, difference)), difference.shape)
        values = f"{found[worst]} instead of {wanted[worst]} at {list(map(int, worst))}"
        raise AssertionError(f"{what} off by {largest:.3g}, limit {limit:g}: {values}")


class Limits:
    """Plugin that collects the measurements, of all processes of a run, and prints them."""

    def __init__(self, config):
        self.config = config
        self.measured: dict[tuple, tuple] = {}

    def pytest_sessionfinish(self):
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["limits"] = [[*key, *values] for key, values in _measured.items()]
        else:
            self._add([[*key, *values] for key, values in _measured.items()])

    @pytest.hookimpl(optionalhook=True)  # of pytest-xdist, in the main process
    def pytest_testnodedown(self, node):
        self._add(getattr(node, "workeroutput", {}).get("limits", []))

    def _add(self, rows) -> None:
        for file, line, limit, error, value in rows:
            before = self.measured.get((file, line, limit), (0.0, 0.0))
            self.measured[file, line, limit] = max(before[0], error), max(before[1], value)

    def pytest_terminal_summary(self, terminalreporter):
        every = self.config.getoption("--limits")
        rows = sorted(row for row in self.measured.items() if every or is_loose(row[0][2], *row[1]))
        if rows:
            title = "limits and largest errors" if every else f"limits above {LOOSE} times the largest error"
            terminalreporter.section(title)
            for (file, line, limit), (error, _) in rows:
                times = f"{limit / error:.0f} times" if error else "no error"
                terminalreporter.write_line(f"{file}:{line}: limit {limit:.2g}, largest error {error:.2g}, {times}")


def is_loose(limit: float, error: float, value: float) -> bool:
    """value: the largest one that was compared."""
    return limit > LOOSE * max(error, ROUNDING * value)
