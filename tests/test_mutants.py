"""ci/mutants: which edits it makes, which tests it runs for one, and what it says of them."""

import ast
import json
import os
import subprocess
import sys

import pytest

from ci.mutation import edits as mutation
from ci.mutation import report
from ci.mutation.__main__ import _killer, _outcome
from ci.mutation.edits import GROUPS, Edit, all_edits, chosen
from ci.mutation.forks import KILLED
from ci.mutation.reach import Map

pytestmark = pytest.mark.anywhere

CODE = '''
LIMIT = 1e-3
MOST: int = 5


def turned(values, order=1, *, whole=True):
    """A docstring: 1 < 2"""
    if len(values) < 3 and whole:
        raise ValueError("few")
    check_all(values)
    kept = [each for each in values if each]
    first, last = np.concatenate([kept, values], axis=0), kept[1:]
    try:
        return first - last.copy()
    except KeyError:
        raise LookupError(order) from None


class Reader:
    size: int = 4

    def read(self, at):
        return self.data.get(at, 0)
'''


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "deepspeech_recipe" / "passes" / "turn.py"
    path.parent.mkdir(parents=True)
    path.write_text(CODE)
    return path


def test_every_rule_makes_edits_that_are_python(tmp_path, written):
    found = all_edits(tmp_path, written)
    assert {edit.rule for edit in found} == {rule.__name__.strip("_") for rule in mutation.RULES}
    assert len({edit.key for edit in found}) == len(found)
    for edit in found:
        changed = edit.apply(written.read_bytes())
        assert changed != written.read_bytes()
        ast.parse(changed)


def test_edits_of_each_kind(tmp_path, written):
    found = {f"{edit.function} {edit.rule}: {edit.before} → {edit.after}" for edit in all_edits(tmp_path, written)}
    assert found >= {
        " tolerance: 1e-3 → 0.1",
        "turned off_by_one: 3 → 4",
        "turned off_by_one: len(values) < 3 → (len(values)) <= (3)",
        "turned default: True → False",
        "turned dropped_check: check_all(values) → None",
        "turned dropped_check: len(values) < 3 and whole → False",
        "turned inverted_condition: each → (not (each))",
        "turned exchanged_operands: first, last → last, first",
        "turned exchanged_operands: first - last.copy() → (last.copy()) - (first)",
        "turned axis: 0 → 1",
        "turned missing_copy: last.copy() → last",
        "turned swallowed_error: raise LookupError(order) from None → pass",
        "Reader default: 4 → 5",
        "Reader.read default: 0 → 1",
    }


def test_a_change_elsewhere_moves_no_choice(tmp_path, written):
    (before,) = chosen(tmp_path, 12, 13, ("passes",)).values()
    written.write_text("import os\n\n\ndef new():\n    pass\n" + CODE)
    (after,) = chosen(tmp_path, 12, 13, ("passes",)).values()
    assert [edit.key for edit in before] == [edit.key for edit in after]
    assert len({edit.rule for edit in before}) == len(mutation.RULES)
    (other,) = chosen(tmp_path, 12, 14, ("passes",)).values()
    assert [edit.key for edit in other] != [edit.key for edit in before]


@pytest.mark.long
def test_the_packages_have_as_many_edits_each():
    found = chosen(report.ROOT, 330, 13)
    assert {group: len(edits) for group, edits in found.items()} == dict.fromkeys(GROUPS, 30)


def notes(path, **tests):
    lines = {test: {"outcome": "passed", "seconds": seconds, "lines": read} for test, (seconds, read) in tests.items()}
    path.write_text(json.dumps(lines))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="functions have no full name before")
def test_the_tests_of_an_edit_are_those_that_run_its_line_fastest_first(tmp_path, written):
    where = "deepspeech_recipe/passes/turn.py"
    notes(
        tmp_path / "a.json",
        slow=(2.0, {f"{where}:turned": [2, 4, 8, 9]}),
        quick=(0.1, {f"{where}:turned": [2, 4]}),
        other=(0.1, {f"{where}:Reader.read": [1]}),
    )
    found, every = Map(tmp_path), all_edits(tmp_path, written)

    def tests(text: str) -> list[str]:
        return found.tests(tmp_path, next(edit for edit in every if text in edit.key))

    assert tests("check_all") == ["quick", "slow"]
    assert tests("first - last") == ["slow"]
    assert tests("True → False") == ["quick", "slow"]  # a default, so all of the function
    assert tests("swallowed_error") == ["quick", "slow"]  # no test came by: those of the function
    assert tests("Reader.read default") == ["other"]
    assert tests("1e-3") == ["other", "quick", "slow"]  # nobody reads it: all of the module


def test_the_score_counts_what_either_environment_kills(tmp_path, capsys, monkeypatch):
    every = [Edit("a.py", "f", "axis", (1, 1), 0, 1, str(number), "x") for number in range(20)]
    for name, killed in (("current", range(10)), ("mo", range(8, 19))):
        results = report.Results(tmp_path / f"{name}.jsonl")
        for number, edit in enumerate(every):
            results.add(edit.key, {"outcome": "killed" if number in killed else "survived"})
    explained = tmp_path / "explained.txt"
    monkeypatch.setattr(report, "EXPLAINED", explained)
    (edit,) = chosen(report.ROOT, 1, 13, ("audio",))["audio"]  # that was not asked for
    explained.write_text(f"gone.py f axis: 0 → 1 | an edit that is not made any more\n{edit.key} | it is the same\n")
    assert report.report(tmp_path, {"passes": every}) == 1
    printed = capsys.readouterr().out
    assert "all               20      19     95.0 %" in printed
    assert "f axis: 19 → x\n    NOT EXPLAINED" in printed
    assert "not an edit any more: gone.py f axis: 0 → 1" in printed
    assert edit.key not in printed
    explained.write_text(f"{every[19].key} | it is the same\n")
    assert report.report(tmp_path, {"passes": every}) == 0
    assert "    it is the same" in capsys.readouterr().out
    assert report.report(tmp_path, {"passes": every[10:]}) == 1  # 9 of 10


STAND_IN = """#!/bin/sh
if [ "$1" = --version ]; then echo Python 3.x; exit 0; fi
echo "$(basename "$(dirname "$(dirname "$0")")")" "$@" >>"$CALLS"
case "$*" in *"$FAIL"*) exit 1 ;; esac
"""


@pytest.mark.parametrize("fail", ["nothing", "report", "reversed"])
def test_the_command_runs_all_parts_and_fails_with_any(tmp_path, fail):
    needs = subprocess.run("cksum <pyproject.toml", shell=True, cwd=report.ROOT, capture_output=True, check=True).stdout
    for name, extras in (("mo", "mo,dev"), ("current", "dev")):
        python = tmp_path / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN)
        python.chmod(0o755)
        (tmp_path / name / ".made-for").write_text(f"{extras} {needs.decode().strip()}")
    venvs = {"VENV_MO": str(tmp_path / "mo"), "VENV_CURRENT": str(tmp_path / "current")}
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("JOBS", "ORDER")},
        **venvs,
        "CALLS": str(tmp_path / "calls"),
        "FAIL": fail,
        "WORK": str(tmp_path / "work"),
    }
    command = [report.ROOT / "ci" / "mutants", "--package", "passes"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (fail == "nothing"), done.stderr
    calls = [line.split() for line in (tmp_path / "calls").read_text().splitlines()]
    steps = [(call[0], call[-1]) for call in calls]
    parts = [("current", "reach"), ("current", "run"), ("mo", "reach"), ("mo", "run"), ("mo", "report")]
    assert steps == [*parts, *((name, order) for order in ("reversed", "shuffled") for name in ("current", "mo"))]
    assert all(call[call.index("--package") + 1] == "passes" for call in calls[:5])


@pytest.mark.parametrize(
    ("code", "told", "outcome"),
    [
        (0, "1 passed", "survived"),
        (1, "FAILED tests/test_x.py::test_y - assert 0", "killed"),
        (KILLED, "", "killed"),
        (4, "ImportError while loading conftest", "killed"),
        (4, "___ ERROR collecting tests/test_x.py ___\nERROR tests/test_x.py - ValueError", "killed"),
        (4, "ERROR: not found: tests/test_x.py::test_y", "error"),
        (5, "no tests ran", "error"),
    ],
)
def test_an_edit_is_seen_if_a_test_fails_or_the_package_does_not_load(tmp_path, code, told, outcome):
    (tmp_path / "log").write_text(told)
    assert _outcome(code, tmp_path / "log") == outcome


def test_who_saw_it_is_a_test_and_no_line_of_a_log(tmp_path):
    lines = ["ERROR    root:convert.py:1 a log", "FAILED tests/test_x.py::test_y[a b] - assert 0", "1 failed"]
    (tmp_path / "log").write_text("\n".join(lines))
    assert _killer(tmp_path / "log") == "tests/test_x.py::test_y[a b]"
