"""ci/test with stand-ins for the environments' Python: every part that fails makes it fail."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).parent.parent
# Answers `--version`, notes what it is called for, and fails where FAIL names the call.
STAND_IN = """#!/bin/sh
if [ "$1" = --version ]; then echo Python 3.x; exit 0; fi
[ "$1" != -m ] || shift
call="$(basename "$(dirname "$(dirname "$0")")") $*"
echo "$call" >>"$CALLS"
case "$call" in "$FAIL"*) exit "$CODE" ;; esac
echo "== 3 passed in 0.01s =="
"""
TYPES = "mo mypy"  # looked at beside the first of the others
STEPS = [
    *("mo ruff check", "mo ruff format", "mo ci/reference.py", "current ci/reference.py", "mo -c import tensorflow"),
    *("mo pytest -n", "current pytest -n"),
]


@pytest.fixture
def ci_test(tmp_path):
    """`ci_test(argument, …, fail, code)` → (exit code, calls, last line)"""
    needs = subprocess.run("cksum <pyproject.toml", shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    for name, extras in (("mo", "mo,dev"), ("current", "dev")):
        python = tmp_path / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN)
        python.chmod(0o755)
        (tmp_path / name / ".made-for").write_text(f"{extras} {needs.stdout.strip()}")
    calls = tmp_path / "calls"

    def run(*arguments: str, fail: str = "nothing", code: int = 1):
        calls.write_text("")
        done = subprocess.run(
            [ROOT / "ci" / "test", *arguments],
            cwd=tmp_path,
            env={
                **{name: value for name, value in os.environ.items() if name != "JOBS"},
                "VENV_MO": str(tmp_path / "mo"),
                "VENV_CURRENT": str(tmp_path / "current"),
                "CALLS": str(calls),
                "FAIL": fail,
                "CODE": str(code),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, calls.read_text().splitlines(), done.stdout.splitlines()[-1]

    return run


def steps(calls: list[str]) -> list[str]:
    """Which ones these calls are, without TYPES."""
    return [next((step for step in STEPS if call.startswith(step)), call) for call in calls if call != TYPES]


def test_all_parts_run_and_pytest_has_the_last_word(ci_test):
    code, calls, last = ci_test()
    assert (code, steps(calls), last) == (0, STEPS, "== 3 passed in 0.01s ==")
    assert calls.count(TYPES) == 1


@pytest.mark.parametrize(
    ("arguments", "with_mo", "current"),
    [
        ((), "-m not anywhere and not long", "-m not long"),
        (("--all",), "-m not anywhere", ""),
        (("tests/test_names.py", "-x"), "tests/test_names.py -x", "tests/test_names.py -x"),
    ],
)
def test_which_tests_run_in_which_environment(ci_test, arguments, with_mo, current):
    """What is the same anywhere runs once, what is asked for in both."""
    calls = [call for call in ci_test(*arguments)[1] if " pytest " in call]
    common = "pytest -n 2 --dist worksteal"
    assert calls == [f"mo {common} {with_mo}", f"current {common} {current}".rstrip()]


@pytest.mark.parametrize("step", STEPS)
def test_a_part_that_fails_ends_the_run(ci_test, step):
    code, calls, _ = ci_test(fail=step)
    assert code == 1
    assert steps(calls) == STEPS[: STEPS.index(step) + 1]


def test_without_right_types_no_test_runs(ci_test):
    code, calls, _ = ci_test(fail=TYPES)
    assert code == 1
    assert steps(calls) == [step for step in STEPS if "pytest" not in step]


@pytest.mark.parametrize("step", [step for step in STEPS if step.endswith("pytest -n")])
def test_no_test_at_all_is_a_failure(ci_test, step):
    assert ci_test(fail=step, code=5)[0] == 5


def test_without_a_python_it_says_so(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "cat", "cksum"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (tools / name).symlink_to(found)
    env = {"PATH": str(tools), "HOME": str(tmp_path), "VENV_MO": str(tmp_path / "venv")}
    done = subprocess.run([ROOT / "ci" / "test"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "No Python 3.10 to 3.12 with the venv module was found" in done.stderr
    assert not (tmp_path / "venv").exists()
