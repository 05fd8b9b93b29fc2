"""DeepSpeech v0.1, audio to scores: ``python -m benchmarks.first_release [--quick]``.

OpenVINO's default frontend leaves two Loops in its IR; this project's IRs run beside it, in turns. Writes its table
into docs/speed.md after each round. Needs TensorFlow, to build the graph.
"""

import json
import sys
import tempfile
from pathlib import Path

import openvino

from benchmarks.page import table_parser, write_between
from deepspeech_recipe.benchmarking import scenarios as make
from deepspeech_recipe.benchmarking.contenders import Contender, ir_contender
from deepspeech_recipe.benchmarking.machine import usable_processors
from deepspeech_recipe.benchmarking.markdown import number, table, times
from deepspeech_recipe.benchmarking.recordings import write_speech
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.benchmarking.rounds import take_turns
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.ir.metadata import PATH
from deepspeech_recipe.ir.ov_api import ov
from tests.graphs.rnn import first_release

LOOPS = "default frontend, two Loops"
FULL = {"hidden": 2048, "seconds": 60, "rounds": 3}
QUICK = {"hidden": 24, "seconds": 1, "rounds": 2}  # a test of this program


def main(arguments: list[str] | None = None) -> None:
    options = table_parser(__doc__).parse_args(arguments)
    plan = QUICK if options.quick else FULL
    report = Report(LOOPS, usable_processors(), chunk_seconds=0)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        recordings, short = write_speech(folder, [plan["seconds"]]), write_speech(folder, [1])[1]
        with make.Team(contenders(folder, plan["hidden"]), report.threads) as team:
            report.add_team(team)
            report.differences = make.differences(team)
            entries = make.utterance(team, recordings, short)
            report.add(measurement for entry in entries for measurement in entry.measurements)
            take_turns(
                entries,
                plan["rounds"],
                lambda line: print(line, file=sys.stderr, flush=True),
                lambda: write_between(options.page, "v0.1", lines(report, plan)),
            )
    print("\n".join(lines(report, plan)))


def contenders(folder: Path, hidden: int) -> list[Contender]:
    """The graph by the default frontend, and by this project in FP32 and 8 bits."""
    pb = folder / "graph.pb"
    pb.write_bytes(first_release(decoder=False, n_input=26, widths=(hidden,) * 5, deviation=hidden**-0.5))
    made = {}
    for weights in ("fp32", "int8"):
        result = convert(pb, folder, name=weights, converter="openvino", weights=weights, verify=False)
        made[f"`convert --weights {weights}`"] = result.files[0]
    model = openvino.convert_model(pb)
    # What the runtime asks for: the metadata, and a name that it knows.
    model.set_rt_info(json.dumps(result.metadata), PATH)
    model.input("input_lengths:0").get_tensor().add_names({"lengths"})
    ov.save_model(model, folder / "loops.xml", compress_to_fp16=False)
    return [ir_contender(path, name) for name, path in {LOOPS: folder / "loops.xml", **made}.items()]


def lines(report: Report, plan: dict) -> list[str]:
    """The table, and who failed."""
    found = report.of("utterance")
    rounds = max(len(each.rounds) for each in found)
    version = report.contenders[0]["versions"]["openvino"].split("-")[0]
    rows = [
        (
            each.contender,
            number(each.summary.median / 1000),
            number(each.summary.median / 1000 / each.point),
            times(report.ratio(each)),
            f"{report.differences.get(each.contender, float('nan')):.0e}",
        )
        for each in found
        if each.summary
    ]
    header = ("IR", f"{plan['seconds']} s of audio, s", "real-time factor", "against the two Loops", "difference")
    failures = [f"- {each.contender}: {each.failure}" for each in found if each.failure]
    return [
        f"OpenVINO {version}, {report.threads} threads, H = {plan['hidden']}, {rounds} rounds, {report.date}:",
        "",
        *table(header, rows),
        *failures,
    ]


if __name__ == "__main__":
    main()
