"""A released, trained model beside its own client: ``python -m benchmarks.released --stt PYTHON [--quick]``.

Coqui's program runs the file as it is, this project what `convert` makes of it; both hear the recordings that espeak-ng
makes for it (ci/released_model.py). Writes its tables into docs/speed-released.md.
"""

import sys
import wave
from pathlib import Path

from benchmarks import models
from benchmarks.contenders import FP32, INT8, INT8_EXACT, STT, WORKERS_HERE
from benchmarks.models import FRAMES, ROOT
from benchmarks.page import table_parser, write_between
from benchmarks.scenarios import only
from ci.released_model import model_and_clips
from deepspeech_recipe.benchmarking import scenarios as make
from deepspeech_recipe.benchmarking.contenders import WORKERS, Contender, ir_contender
from deepspeech_recipe.benchmarking.machine import usable_processors
from deepspeech_recipe.benchmarking.markdown import markdown
from deepspeech_recipe.benchmarking.recordings import write_speech
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.benchmarking.rounds import take_turns

PAGE = ROOT / "docs" / "speed-released.md"
BATCHES = "convert int8, batches"
IRS = {
    FP32: ("--weights", "fp32"),
    INT8: ("--weights", "int8"),
    INT8_EXACT: ("--weights", "int8", "--activations", "fp32"),
    BATCHES: ("--weights", "int8", "--batch", "dynamic"),
}
FULL = {"clips": 60, "seconds": 60, "rounds": {"chunk": 9, "utterance": 3, "corpus": 2, "start": 3}}
QUICK = {"clips": 2, "seconds": 2, "rounds": dict.fromkeys(FULL["rounds"], 1)}  # a test of this program


def main(arguments: list[str] | None = None) -> None:
    parser = table_parser(__doc__, PAGE)
    # Absolute, not resolved: a virtual environment's Python is a link.
    parser.add_argument(
        "--stt", type=lambda text: Path(text).absolute(), required=True, metavar="PYTHON",
        help="a Python 3.10 with stt 1.4.0; it fetches the model too",
    )  # fmt: skip
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "benchmarks", help="where models are kept")
    options = parser.parse_args(arguments)
    plan, work = QUICK if options.quick else FULL, options.work.resolve() / "released"
    model, recordings = model_and_clips(work, str(options.stt))
    clips = [path for name, path in recordings.items() if name.startswith("clip-")][: plan["clips"]]
    contenders = [_client(model, options.stt), *(_ir(model, work, name) for name in IRS)]
    report = Report(STT, usable_processors(), FRAMES * 0.02)
    with make.Team(contenders, report.threads) as team:
        report.add_team(team)
        for scenario, rounds in plan["rounds"].items():
            entries = _entries(team, scenario, clips, plan["seconds"], work)
            report.add(take_turns(entries, rounds, lambda line: print(line, file=sys.stderr, flush=True)))
        report.differences = make.differences(only(team, [*IRS]))
    found = markdown(report)
    write_between(options.page, "released", [found])
    print(found)


def _client(model: Path, python: Path) -> Contender:
    return Contender(
        STT, model, WORKERS_HERE["client"], python, ("stt",), made="Coqui's client, the file itself",
        environment={"PYTHONPATH": str(WORKERS)},
    )  # fmt: skip


def _ir(model: Path, work: Path, name: str) -> Contender:
    options = IRS[name]
    path = models.made(
        work / models.file_name(name, ".xml"),
        lambda xml: models.convert(Path(sys.executable), model, xml, "--converter", "openvino", *options),
        again=True,
    )
    return ir_contender(path, name, made=f"`convert {' '.join(options)}`")


def _entries(team: make.Team, scenario: str, clips: list[Path], seconds: float, work: Path) -> list:
    if scenario == "chunk":  # the client takes audio, not windows
        return [*make.chunk(only(team, [*IRS]), 10), *make.floor(team)]
    if scenario == "corpus":
        some = only(team, [STT, FP32, BATCHES])
        return make.corpus(some, clips, round(sum(map(_length, clips)), 1), clips[0])
    recordings = write_speech(work, [seconds], recordings=clips)
    some = only(team, [name for name in (STT, *IRS) if name != BATCHES])
    if scenario == "start":
        return make.start(some, recordings[seconds], clips[0])
    return make.utterance(some, recordings, clips[0])


def _length(path: Path) -> float:
    """Seconds."""
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


if __name__ == "__main__":
    main()
