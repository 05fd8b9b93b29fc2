"""Every table and picture of docs/speed.md: `python -m benchmarks.measure --help`. Called by `benchmarks/run`.

All contenders take turns within one run, so only ratios inside of one page are to be compared.
"""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks import scenarios as many
from benchmarks.contenders import (
    ALL,
    DOCUMENTED,
    LENGTH,
    LIVE,
    LONGEST,
    NO_CHUNK,
    SIZE,
    START,
    STREAMS,
    UTTERANCE,
    Pythons,
)  # fmt: skip
from benchmarks.goals import PageReport, goals
from benchmarks.models import FRAMES, ROOT, CannotMake
from benchmarks.page import marks, table_parser, write_between
from benchmarks.pictures import plot
from benchmarks.redraw import read
from benchmarks.tables import tables
from deepspeech_recipe.benchmarking import scenarios as make
from deepspeech_recipe.benchmarking.machine import usable_processors
from deepspeech_recipe.benchmarking.recordings import write_speech
from deepspeech_recipe.benchmarking.rounds import take_turns
from deepspeech_recipe.benchmarking.write import json_text
from deepspeech_recipe.files import atomic_path

FULL = {
    "hidden": 2048, "sizes": (512, 1024, 4096), "rows": (1, 2, 4, 8, 16, 32, 64), "lengths": (1, 10, 60),
    "longest": 600, "utterance": 60, "working": 20, "live": (1, 4, 8, 16, 32), "live_seconds": 6,
    "rounds": {"chunk": 9, "start": 2, "utterance": 3, "streams": 4, "live": 1, "length": 2},
    "size_rounds": 3,
}  # fmt: skip
# A test of this program: seconds, and no figure worth keeping.
QUICK = {
    "hidden": 40, "sizes": (24,), "rows": (1, 2), "lengths": (1,), "longest": 2, "utterance": 1, "working": 1,
    "live": (1, 2), "live_seconds": 1, "rounds": dict.fromkeys(FULL["rounds"], 1), "size_rounds": 1,
}  # fmt: skip
REPEAT = 10
_TABLES = "measured"  # their place on the page


def main() -> int:
    arguments = _arguments()
    plan = QUICK if arguments.quick else FULL
    environments = ("mo", "current", "deepspeech", "stt", "exporter")
    pythons = Pythons(Path(sys.executable), **{name: getattr(arguments, name) for name in environments})
    threads = arguments.threads or usable_processors()
    recipes = [recipe for recipe in ALL if not arguments.only or recipe.name in arguments.only]
    if arguments.prepare:
        for hidden in (plan["hidden"], *plan["sizes"]):
            some = recipes if hidden == plan["hidden"] else [each for each in recipes if each.name in SIZE]
            for row in _made(some, pythons, arguments.work, hidden)[1]:
                _say(f"{row['name']}: {row['failure']}")
        return 0
    report = PageReport(DOCUMENTED, threads, FRAMES * 0.02)
    with ExitStack() as stack:
        contenders, failures = _made(recipes, pythons, arguments.work, plan["hidden"])
        team = stack.enter_context(make.Team(contenders, threads))
        report.add_team(team)
        report.contenders += failures
        for scenario, rounds in plan["rounds"].items():
            _say(scenario)
            _measure(report, scenario, team, plan, rounds, arguments.work)
            _write(report, arguments.page, arguments.results)  # what is there outlives an interruption
    _sizes(report, plan, [recipe for recipe in recipes if recipe.name in SIZE], pythons, arguments.work)
    _write(report, arguments.page, arguments.results)
    print("\n".join(f"{goal.verdict:12}  {goal.what}: {goal.reached} ({goal.goal})" for goal in report.goals))
    return 0


def _measure(report: PageReport, scenario: str, team, plan: dict, rounds: int, work: Path) -> None:
    short = write_speech(work, [1])[1]
    chunked = many.only(team, [each.name for each in team.contenders if each.name not in NO_CHUNK])
    if scenario == "chunk":
        _turns(report, make.chunk(chunked, REPEAT), rounds)
        report.differences = make.differences(chunked)
    elif scenario == "streams":
        one = many.streams(many.only(team, [DOCUMENTED]), [1], REPEAT)
        several = many.only(team, [name for name in STREAMS if name != DOCUMENTED])
        _turns(report, [*one, *many.streams(several, plan["rows"], REPEAT)], rounds)
    elif scenario == "live":
        audio = write_speech(work, [plan["live_seconds"]])[plan["live_seconds"]]
        _turns(report, many.live(many.only(team, LIVE), plan["live"], audio), rounds)
    elif scenario == "utterance":
        recordings, some = write_speech(work, [plan["utterance"]]), many.only(team, UTTERANCE)
        ours = many.only(team, [name for name in UTTERANCE if name not in NO_CHUNK])
        _turns(report, [*make.utterance(some, recordings, short), *make.features(ours, recordings, short)], rounds)
    elif scenario == "length":
        _turns(
            report,
            make.utterance(many.only(team, LENGTH), write_speech(work, plan["lengths"]), short, "length"),
            rounds,
        )
        longest = write_speech(work, [plan["longest"]])
        _turns(report, make.utterance(many.only(team, LONGEST), longest, short, "length"), 1)
    else:
        some, seconds = many.only(team, START), plan["working"]
        _turns(report, make.start(some, write_speech(work, [seconds])[seconds], short), rounds)


def _sizes(report: PageReport, plan: dict, recipes: list, pythons: Pythons, work: Path) -> None:
    """Some contenders with networks of other sizes; all sizes take turns. After the others, for the memory's sake."""
    _say("size")
    with ExitStack() as stack:
        entries = []
        for hidden in sorted((plan["hidden"], *plan["sizes"])):
            contenders, _ = _made(recipes, pythons, work, hidden, again=hidden != plan["hidden"])
            others = stack.enter_context(make.Team(contenders, report.threads))
            entries += _sized(make.chunk(others, REPEAT), hidden)
        _turns(report, entries, plan["size_rounds"])


def _sized(entries: list, hidden: int) -> list:
    for entry in entries:
        for measurement in entry.measurements:
            measurement.scenario, measurement.point = "size", hidden
    return entries


def _turns(report: PageReport, entries: list, rounds: int) -> None:
    report.add(take_turns(entries, rounds, _say))


def _made(recipes: list, pythons: Pythons, work: Path, hidden: int, *, again: bool = True) -> tuple[list, list]:
    """The contenders whose files can be made, and rows of the report for the others."""
    found, failures = [], []
    for recipe in recipes:
        _say(f"H = {hidden}: {recipe.name}")
        try:
            found.append(recipe.contender(pythons, work, hidden, again=again))
        except CannotMake as reason:
            row = {name: getattr(recipe, name) for name in ("name", "worker", "made", "ours", "group")}
            row |= {"disk_bytes": 0, "versions": {}}
            failures.append({**row, "failure": str(reason)})
    return found, failures


def _write(report: PageReport, page: Path, results: Path) -> None:
    """The page last: it shows the others, which have its name."""
    report.goals = goals(report)
    samples = results / f"{page.stem}.json"
    results.mkdir(parents=True, exist_ok=True)
    with atomic_path(samples) as temporary:
        temporary.write_text(json_text(report), encoding="utf-8")
    written = read(samples)  # so that the page and the pictures show what the document holds
    plot(written, samples.with_suffix(".png"))
    place = os.path.relpath(samples, page.parent)
    more = f"All samples: [{samples.name}]({place}).\n\n![The same as a picture]({place.removesuffix('.json')}.png)"
    write_between(page, _TABLES, [tables(written), more])


def _arguments():
    parser = table_parser(__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contenders")
    parser.add_argument("--prepare", action="store_true", help="make the models, and measure nothing")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "benchmarks", help="where models are kept")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "docs" / "benchmarks", help="for samples and picture, named as the page"
    )
    parser.add_argument("--threads", type=int, help="of each contender (default: all processors)")
    for name in ("mo", "current", "deepspeech", "stt", "exporter"):
        # Absolute, as the makers of models run elsewhere; not resolved, as a virtual environment's Python is a link.
        parser.add_argument(
            f"--{name}", type=lambda text: Path(text).absolute(), metavar="PYTHON",
            help=f"the Python of the environment '{name}'",
        )  # fmt: skip
    arguments = parser.parse_args()
    names = [recipe.name for recipe in ALL]
    for name in arguments.only or ():
        if name not in names:
            parser.error(f"there is no contender {name!r}, only {', '.join(names)}")
    arguments.work = arguments.work.resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    page = arguments.page.read_text(encoding="utf-8") if arguments.page.is_file() else ""
    begin, end = marks(_TABLES)
    if page.count(begin) != 1 or page.count(end) != 1:
        parser.error(f"{arguments.page} has no place for the tables: {begin} … {end}")
    return arguments


_START = time.monotonic()


def _say(line: str) -> None:
    print(f"[{time.monotonic() - _START:5.0f} s] {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
