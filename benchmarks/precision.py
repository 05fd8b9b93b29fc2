"""Chunks of the documented IR and of ours, each in the device's own precision and in FP32, in turns:
``python -m benchmarks.precision [--quick] [--mo PYTHON]``.

Only on a processor that computes in bf16 by default (AMX) do the two differ. Writes its tables into docs/speed-amx.md.
"""

import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.contenders import ALL, DOCUMENTED, FP32, INT8, INT8_EXACT, Pythons
from benchmarks.models import FRAMES, ROOT, CannotMake
from benchmarks.page import table_parser, write_between
from deepspeech_recipe.benchmarking import scenarios as make
from deepspeech_recipe.benchmarking.contenders import Contender
from deepspeech_recipe.benchmarking.machine import usable_processors
from deepspeech_recipe.benchmarking.markdown import chunk_table, markdown
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.benchmarking.rounds import take_turns

PAGE = ROOT / "docs" / "speed-amx.md"
NAMES = (FP32, DOCUMENTED, INT8, INT8_EXACT)  # the first is what the probabilities are compared with
BY_DEFAULT = ", by default"
FULL = {"hidden": 2048, "rounds": 9, "repeat": 20}
QUICK = {"hidden": 40, "rounds": 1, "repeat": 2}  # a test of this program


def main(arguments: list[str] | None = None) -> None:
    parser = table_parser(__doc__, PAGE)
    parser.add_argument("--mo", type=Path, help="a Python with openvino-dev, for the documented IR")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "benchmarks", help="where models are kept")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    pythons = Pythons(Path(sys.executable), mo=options.mo and options.mo.absolute())
    options.work.mkdir(parents=True, exist_ok=True)
    contenders = []
    for recipe in sorted((each for each in ALL if each.name in NAMES), key=lambda each: NAMES.index(each.name)):
        try:
            made = recipe.contender(pythons, options.work.resolve(), plan["hidden"], again=False)
        except CannotMake as reason:
            print(f"{recipe.name}: {reason}", file=sys.stderr)
            continue
        # All in this environment: the precision is compared, not releases.
        contenders.append(replace(made, python=pythons.main))
    report = Report(DOCUMENTED + BY_DEFAULT, usable_processors(), FRAMES * 0.02)
    with make.Team([*contenders, *map(_by_default, contenders)], report.threads) as team:
        report.add_team(team)
        entries = make.chunk(team, plan["repeat"])
        report.add(take_turns(entries, plan["rounds"], lambda line: print(line, file=sys.stderr, flush=True)))
        report.differences = make.differences(team)
    found = markdown(report, {"One chunk after the other": chunk_table})
    write_between(options.page, "precision", [found])
    print(found)


def _by_default(contender: Contender) -> Contender:
    return replace(contender.in_precision(""), name=contender.name + BY_DEFAULT)


if __name__ == "__main__":
    main()
