"""Damaged files through every reader of the project; see ci/fuzz.

Files are made from a seed and a number, so a finding comes again. What counts as one: any exception but the promised
error, a refusal that is not one line with the file's name, a signal, 5 seconds of the processor, ten times the file's
size (at least 200 MB) of memory, something printed, a file written, left behind or read outside, a program started.
Exit codes: 0 nothing found, 1 findings (each with its file in the folder of findings), 2 bad usage.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CI": "true"}
os.environ["DEEPSPEECH_RECIPE_TRACEBACK"] = "1"  # the last net would hide what is not foreseen

from ci.fuzzing import report, supervisor
from ci.fuzzing.planted import PLANTED
from ci.fuzzing.reader import Input
from ci.fuzzing.readers import READERS


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="ci/fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [*READERS, PLANTED.name]
    parser.add_argument("--reader", action="append", choices=names, metavar="NAME", help=f"one of: {', '.join(names)}")
    parser.add_argument("--minutes", type=float, help="for all readers together (default 10)")
    parser.add_argument("--inputs", type=int, help="so many for each reader, in place of a time")
    parser.add_argument("--seed", type=int, help="default: by the clock, and printed")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for what was found")
    parser.add_argument("--replay", type=Path, metavar="PATH", help="a finding's folder, or a file: read it again")
    parser.add_argument("--totals", type=Path, help="a file of JSON that adds up the figures of many runs")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="print the sums of such files, no more")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    given = parser.parse_args(argv)
    if given.replay and not (given.replay.exists() and (given.reader or (given.replay / "about.json").exists())):
        parser.error("--replay takes a finding's folder, or a file and its --reader")
    return given


def main(argv=None) -> int:
    given = _arguments(argv)
    everyone = {**READERS, PLANTED.name: PLANTED}
    if given.table:
        print(report.table(report.read_totals(given.table), given.markdown))
        return 0
    if given.replay:
        return _replay(given, everyone)
    chosen = [everyone[name] for name in given.reader or READERS]
    seed = int(time.time()) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    seconds = None if given.inputs else 60 * (given.minutes or 10) / sum(reader.share for reader in chosen)
    figures = []
    for reader in chosen:
        share = None if seconds is None else seconds * reader.share
        found = supervisor.run(reader, seed, _folder(), inputs=given.inputs, seconds=share)
        figures.append(found)
        print("  ".join(report.row(asdict(found))), flush=True)
        for finding in found.findings.values():
            _keep(finding, reader, given.findings)
    rows = [asdict(each) for each in figures]
    if given.totals:
        rows = report.add_to_totals(given.totals, figures)
    print(report.table(rows, given.markdown))
    found = [finding for each in figures for finding in each.findings.values()]
    if found:
        print(f"{len(found)} findings, their files in {given.findings}", file=sys.stderr)
    return 1 if found else 0


def _folder() -> Path:
    """In memory where there is such a directory: inputs are written by the hundred thousand."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None))


def _keep(finding, reader, folder: Path) -> None:
    """Writes the input, and what it did, to a folder of its own."""
    print(f"  {finding.count} × {finding.mechanism} (number {finding.number})", flush=True)
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{finding.reader}-{finding.mechanism}")[:90]
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    given = reader.input(finding.seed, finding.number)
    for path, data in given.files.items():
        (place / "input" / path).parent.mkdir(parents=True, exist_ok=True)
        (place / "input" / path).write_bytes(data)
    (place / "about.json").write_text(json.dumps({**asdict(finding), "target": given.target}, indent=1))


def _replay(given, everyone) -> int:
    path, about = given.replay, {}
    if (path / "about.json").exists():
        about = json.loads((path / "about.json").read_text())
        path = path / "input"
    reader = everyone[given.reader[0] if given.reader else about["reader"]]
    root = path if about else path.parent
    paths = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    files = {each.relative_to(root).as_posix(): each.read_bytes() for each in paths}
    one = Input(files, about.get("target", path.name))
    replayed = type(reader)(**{**vars(reader), "make": lambda random: one})
    found = supervisor.run(replayed, 0, _folder(), inputs=1)
    for finding in found.findings.values():
        print(f"{finding.mechanism}\n{finding.message}")
    if not found.findings:
        print("refused, as it should be" if found.refused else "read")
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
