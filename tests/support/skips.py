"""A skipped test must stand in allowed_skips.txt with its reason, else the run fails."""

import fnmatch
import functools
import importlib.metadata
from pathlib import Path

import pytest

from deepspeech_recipe.installation import tensorflow

LIST = Path(__file__).parents[1] / "allowed_skips.txt"


def environment() -> str:
    """`mo` where Model Optimizer is installed, else `current`."""
    return "mo" if has_mo() else "current"


@functools.cache
def has_tensorflow() -> bool:
    """Asked before each test that needs it, and to see whether its files are whole takes 50 ms."""
    return tensorflow().usable


def has_mo() -> bool:
    """Asks for the distribution, as looking for the module would import openvino and start its telemetry."""
    try:
        importlib.metadata.distribution("openvino-dev")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def read_list(text: str) -> list[tuple[str, str, str]]:
    """Lines `environment | test id pattern | reason pattern`; `#` starts a comment."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if line:
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 3 or not all(parts):
                raise ValueError(f"{LIST.name}, line {number}: want `environment | test | reason`, got {line!r}")
            rows.append(tuple(parts))
    return rows


def is_listed(rows, where: str, test: str, reason: str) -> bool:
    values = (where, test, reason)
    return any(all(map(fnmatch.fnmatchcase, values, row)) for row in rows)


class Skips:
    """Plugin that collects skips (in the main process only) and fails a run with unlisted ones."""

    def __init__(self, config):
        self.enabled = not hasattr(config, "workerinput")
        self.unlisted: list[str] = []
        self.rows = read_list(LIST.read_text())

    def _collect(self, report):
        if not self.enabled or not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not is_listed(self.rows, environment(), report.nodeid, reason):
            self.unlisted.append(f"{report.nodeid}: {reason}")

    pytest_runtest_logreport = _collect
    pytest_collectreport = _collect

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if self.unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self.unlisted:
            terminalreporter.section(f"skips not in {LIST.name} (environment {environment()})", red=True)
            for line in self.unlisted:
                terminalreporter.write_line(line)
