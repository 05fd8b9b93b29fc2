"""Which test runs which line: a pytest plugin that notes it, and the map that is made of its notes.

A line is known by its function and its place there, so an edit elsewhere in the file leaves the map true.
"""

from __future__ import annotations

import dis
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from ci.mutation.edits import GROUPS, Edit

# (file, function) and the number of a line in it, from the function's first.
Function = tuple[str, str]
_FOLDERS = ("deepspeech_recipe", GROUPS["plugin"])


class Recorder:
    """For one run of pytest: test → its seconds, and the lines of the package that it ran."""

    def __init__(self, root: Path, result: Path):
        self.result, self.tests = result, {}
        self._prefixes = tuple(f"{root}/{folder}/" for folder in _FOLDERS)
        self._root, self._lines = f"{root}/", set()
        self._outcome = "passed"

    def pytest_configure(self):
        monitor = sys.monitoring
        monitor.use_tool_id(monitor.COVERAGE_ID, "mutants")
        monitor.register_callback(monitor.COVERAGE_ID, monitor.events.LINE, self._line)
        monitor.set_events(monitor.COVERAGE_ID, monitor.events.LINE)

    def _line(self, code: CodeType, line: int):
        if not code.co_filename.startswith(self._prefixes):
            return sys.monitoring.DISABLE  # for good: nothing else is asked for
        self._lines.add((code, line))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self._lines, self._outcome = set(), "passed"
        begin = time.perf_counter()
        try:
            return (yield)
        finally:
            functions: dict[str, list[int]] = {}
            lines, self._lines = self._lines, set()  # threads that a test left behind go on adding
            for code, line in lines:
                if code.co_name != "<module>":
                    name = f"{code.co_filename.removeprefix(self._root)}:{code.co_qualname}"
                    functions.setdefault(name, []).append(line - code.co_firstlineno)
            self.tests[item.nodeid] = {
                "outcome": self._outcome,
                "seconds": round(time.perf_counter() - begin, 3),
                "lines": functions,
            }

    def pytest_runtest_logreport(self, report):
        if report.outcome != "passed":
            self._outcome = report.outcome

    def pytest_sessionfinish(self):
        sys.monitoring.free_tool_id(sys.monitoring.COVERAGE_ID)
        self.result.write_text(json.dumps(self.tests))


class Map:
    """The notes of all test files of an environment."""

    def __init__(self, folder: Path):
        self.seconds: dict[str, float] = {}
        self._by_line: dict[tuple[Function, int], set[str]] = {}
        self._by_function: dict[Function, set[str]] = {}
        for file in sorted(folder.glob("*.json")):
            for test, noted in json.loads(file.read_text()).items():
                if noted["outcome"] != "passed":
                    continue
                self.seconds[test] = noted["seconds"]
                for name, lines in noted["lines"].items():
                    function = tuple(name.rsplit(":", 1))
                    self._by_function.setdefault(function, set()).add(test)
                    for line in lines:
                        self._by_line.setdefault((function, line), set()).add(test)

    def tests(self, root: Path, edit: Edit) -> list[str]:
        """Those that run the edited line, fastest first."""
        found = self._that_run(root, edit)
        return sorted(found, key=lambda test: (self.seconds[test], test))

    def of_files(self, tests: list[str]) -> list[str]:
        """All tests of these tests' files: what one test runs for a fixture that is kept, others look at too."""
        files = {test.split("::")[0] for test in tests}
        found = [test for test in self.seconds if test.split("::")[0] in files]
        return sorted(found, key=lambda test: (self.seconds[test], test))

    def _that_run(self, root: Path, edit: Edit) -> set[str]:
        lines = range(edit.lines[0], edit.lines[1] + 1)
        module = _code(root, edit.path)
        own = [code for code in _codes(module) if code is not module and not _is_class(code)]
        spots = [((edit.path, code.co_qualname), code.co_firstlineno, _lines_of(code)) for code in own]
        found: set[str] = set()
        for function, first, there in spots:
            for line in there.intersection(lines):
                found |= self._by_line.get((function, line - first), set())
        if found:
            return found
        # The line is new in its function, or it is the head of one: its defaults.
        for function, first, there in spots:
            if first in lines or there.intersection(lines):
                found |= self._by_function.get(function, set())
        if found or (edit.function and any(first in lines or there.intersection(lines) for _, first, there in spots)):
            return found
        # Of the module or of a class: whoever runs what reads the name.
        for name in _assigned(module, lines):
            for path in _files(root):
                for code in _codes(_code(root, path)):
                    if name in code.co_names and code.co_name != "<module>":
                        found |= self._by_function.get((path, code.co_qualname), set())
        if found:
            return found
        for (path, _), tests in self._by_function.items():
            if path == edit.path:
                found |= tests
        return found


_COMPILED: dict[Path, CodeType] = {}


def _code(root: Path, path: str) -> CodeType:
    file = root / path
    if file not in _COMPILED:
        _COMPILED[file] = compile(file.read_bytes(), str(file), "exec")
    return _COMPILED[file]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _lines_of(code: CodeType) -> set[int]:
    return {line for _, _, line in code.co_lines() if line is not None}


def _is_class(code: CodeType) -> bool:
    return "__module__" in code.co_names and "__qualname__" in code.co_names


def _assigned(module: CodeType, lines: range) -> set[str]:
    """Names of a module that these lines give a value."""
    found, line = set(), None
    for each in dis.get_instructions(module):
        line = each.positions.lineno if each.positions else line
        if each.opname in ("STORE_NAME", "STORE_GLOBAL") and line in lines:
            found.add(each.argval)
    return found


def _files(root: Path) -> list[str]:
    return [p.relative_to(root).as_posix() for folder in _FOLDERS for p in sorted((root / folder).rglob("*.py"))]
