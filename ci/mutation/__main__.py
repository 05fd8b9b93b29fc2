"""Breaks the code in many small ways and counts how many of them a test sees; see ci/mutants.

reach        notes which test runs which line, in this environment; unchanged test files are not run again
run          tries the edits that no environment has killed yet
report       the score by package, and the survivors; exit code 1 below 95 %, or with one that nothing explains
"""

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

from ci.mutation.edits import GROUPS, Edit, chosen
from ci.mutation.forks import KILLED, ROOT, Job, copy_of_tree, run_all, warm_up
from ci.mutation.reach import Map, Recorder
from ci.mutation.report import ENVIRONMENTS, Results, report
from ci.mutation.report import killed as killed_edits

# The fastest tests that reach an edit, then the others that do, then all tests of the same files: seconds of each.
STAGES = (4.0, 40.0, 40.0)


def _arguments():
    parser = argparse.ArgumentParser(
        prog="python -m ci.mutation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("reach", "run", "report", "list"))
    parser.add_argument("--work", type=Path, required=True, help="folder of the maps and results")
    parser.add_argument("--environment", choices=ENVIRONMENTS, default="mo", help="which one this Python is of")
    parser.add_argument("--count", type=int, default=330, help="edits in all (default 330)")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--package", action="append", choices=list(GROUPS), help="only these")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--stages", type=int, choices=(1, 2, 3), default=3, help="1: the fastest tests only (default 3)"
    )
    parser.add_argument(
        "--tests", nargs="+", metavar="NAME", help="reach: of these test files only, 'rnn' for test_rnn"
    )
    parser.add_argument("--marks", default="", help="reach: which of a file's tests, as pytest's -m (default: all)")
    parser.add_argument("--again", action="store_true", help="try those that were killed too")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    given.work = given.work.resolve()
    edits = chosen(ROOT, given.count, given.seed)
    edits = {group: edits[group] for group in given.package or edits}
    if given.what == "list":
        for group in edits.values():
            print("\n".join(f"{edit.path}:{edit.lines[0]} {edit.key}" for edit in group))
        return 0
    if given.what == "report":
        return report(given.work, edits)
    # As in ci/test; before numpy and TensorFlow are imported.
    os.environ |= {"CI": "true", "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    warm_up()
    trees = [copy_of_tree(given.work / f"tree-{given.environment}-{number}") for number in range(given.jobs)]
    if given.what == "reach":
        return _reach(given.work / given.environment, trees, given.tests, given.marks)
    return _run(given, [edit for group in edits.values() for edit in group], trees)


def _reach(folder: Path, trees: list[Path], names: list[str] | None, marks: str) -> int:
    """names: of test files; all if None. marks: which of their tests."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted((ROOT / "tests").glob("test_*.py"))
    for old in {*folder.glob("*.json")} - {_notes(folder, file) for file in files}:
        old.unlink()
    begin = time.monotonic()

    def job(file: Path) -> Job:
        result = _notes(folder, file)

        def done(code, log: Path) -> None:
            if code not in (0, 5):
                print(f"  {file.name} ends with {code}:\n{_last_lines(log)}", flush=True)
            if code not in (0, 1, 5):
                result.unlink(missing_ok=True)

        return Job([f"tests/{file.name}", "-m", marks], 1800, done, lambda tree: [Recorder(tree, result)])

    if names is not None:
        files = [ROOT / "tests" / f"test_{name}.py" for name in names]
    missing = [file for file in files if not _notes(folder, file).exists()]
    run_all(map(job, missing), trees)
    print(f"{len(missing)} of {len(files)} test files run in {time.monotonic() - begin:.0f} s")
    return 0


def _notes(folder: Path, file: Path) -> Path:
    return folder / f"{file.stem}-{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}.json"


def _run(given, edits: list[Edit], trees: list[Path]) -> int:
    reached = Map(given.work / given.environment)
    results = Results(given.work / f"{given.environment}.jsonl")
    killed = set() if given.again else killed_edits(given.work)
    begin = time.monotonic()
    waiting = [edit for edit in edits if edit.key not in killed]
    # All is read now: who works on the code meanwhile changes no edit.
    sources = {edit.path: (ROOT / edit.path).read_bytes() for edit in waiting}
    tests_of = {edit.key: _stages(edit, reached)[: given.stages] for edit in waiting}

    def note(edit: Edit, outcome: str, by: str = "", seconds: float = 0.0) -> None:
        results.add(edit.key, {"outcome": outcome, "by": by, "seconds": round(seconds, 1)})
        print(f"{outcome:9} {seconds:5.1f} s  {edit.key}  {by}", flush=True)

    def stage(edit: Edit, stages: list[list[str]], spent: float = 0.0) -> Job | None:
        stages = [found for found in ([test for test in tests if test not in unfit] for tests in stages) if found]
        if not stages:
            return note(edit, "survived", seconds=spent)
        started = time.monotonic()

        def done(code, log: Path) -> Job | None:
            seconds = spent + time.monotonic() - started
            outcome = _outcome(code, log)
            if outcome == "survived":
                return stage(edit, stages[1:], seconds)
            by = KILLED if code == KILLED else _killer(log)
            if outcome == "killed" and by in reached.seconds and by not in fit:
                return Job([by], 300, lambda code, log: judged(by, code) or again(seconds))
            return note(edit, outcome, by, seconds)

        def again(seconds: float) -> Job | None:
            return stage(edit, stages, seconds)

        limit = 60 + 6 * sum(reached.seconds[test] for test in stages[0])
        return Job(["-x", *stages[0]], limit, done, change=(edit.path, edit.apply(sources[edit.path])))

    # Tests that pass, or do not, on the code as it is: one that fails there kills nothing.
    fit: set[str] = set()
    unfit: set[str] = set()

    def judged(test: str, code: int | str) -> None:
        (unfit if code else fit).add(test)

    for edit in waiting:
        if not tests_of[edit.key]:
            note(edit, "unreached")
    run_all([Job(["--collect-only", "tests"], 600, lambda code, log: None) for _ in trees], trees)  # compiles all
    jobs = (stage(edit, tests_of[edit.key]) for edit in waiting if tests_of[edit.key])
    run_all((job for job in jobs if job is not None), trees)
    for test in sorted(unfit):
        print(f"fails without any edit, so it was left out: {test}")
    print(f"{len(waiting)} edits tried in {time.monotonic() - begin:.0f} s")
    return 0


def _stages(edit: Edit, reached: Map) -> list[list[str]]:
    near = reached.tests(ROOT, edit)
    first = _within(near, reached, STAGES[0])
    second = _within([test for test in near if test not in first], reached, STAGES[1])
    others = [test for test in reached.of_files(near) if test not in {*first, *second}]
    return [tests for tests in (first, second, _within(others, reached, STAGES[2])) if tests]


def _outcome(code: int | str, log: Path) -> str:
    """Of what pytest ended with; 'error' if no test came to run, which says nothing."""
    if code == 0:
        return "survived"
    if code == 4:  # the edited package does not even load, or no such test is there
        told = log.read_text(errors="replace")
        return "killed" if "while loading conftest" in told or "ERROR collecting" in told else "error"
    return "error" if code in (3, 5, 70) else "killed"


def _within(tests: list[str], reached: Map, seconds: float) -> list[str]:
    found = []
    for test in tests:
        seconds -= reached.seconds[test]
        if found and seconds < 0:
            break
        found.append(test)
    return found


def _killer(log: Path) -> str:
    """The test that failed, or could not begin, of pytest's summary; its log has lines of errors too."""
    lines = log.read_text(errors="replace").splitlines()
    failed = [line.partition(" ")[2] for line in lines if line.startswith(("FAILED tests/", "ERROR tests/"))]
    return failed[0].split(" - ")[0] if failed else _last_lines(log, 1)


def _last_lines(log: Path, count: int = 8) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


if __name__ == "__main__":
    sys.exit(main())
