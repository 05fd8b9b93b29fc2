"""DeepSpeech v0.1 in the benchmark: whole utterances, and one line for what a bidirectional network has not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scenarios as many
from benchmarks.contenders import WORKERS_HERE
from deepspeech_recipe import cli, convert
from deepspeech_recipe.benchmarking import scenarios as make
from deepspeech_recipe.benchmarking.contenders import WORKERS, ir_contender
from deepspeech_recipe.benchmarking.recordings import write_speech
from deepspeech_recipe.benchmarking.rounds import take_turns
from deepspeech_recipe.processes.programs.loop import NO_CHUNKS

GRAPH = Path(__file__).with_name("fixtures") / "old_tensorflow" / "v0.1.pb"
FRAMES = 50  # of a second: one every 20 ms


def run(capsys, *arguments) -> dict:
    assert cli.main(["benchmark", *map(str, arguments), "--rounds", "1", "--seconds", "1", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def facts(found: dict, name: str) -> list:
    return [each["facts"].get(name) for each in found["measurements"] if each["scenario"] == "utterance"]


@pytest.fixture(scope="module")
def ir(tmp_path_factory) -> Path:
    return convert(GRAPH, tmp_path_factory.mktemp("ir"), converter="openvino", verify=False).files[0]


@pytest.mark.long
def test_an_ir_has_whole_utterances_and_starts_and_no_chunks(capsys, ir):
    found = run(capsys, ir, "--scenario", "all", "--threads", 1)
    measured = {each["scenario"] for each in found["measurements"] if each["rounds"]}
    starts = {"compile", "compile, cached", "first utterance", "memory"}
    assert measured == {"utterance", "features", "corpus", "one by one", *starts}
    failures = {each["scenario"]: each["failure"] for each in found["measurements"] if not each["rounds"]}
    assert "is bidirectional (v0.1): it gives features, not text" in failures.pop("live")
    assert failures == {"chunk": NO_CHUNKS, "serve": "the model cannot be served"}
    assert facts(found, "frames") == [FRAMES]
    assert facts(found, "text") == [None]


def test_an_ir_has_no_streams(ir, tmp_path):
    audio = write_speech(tmp_path, [1])[1]
    contender = replace(ir_contender(ir), worker=WORKERS_HERE["ir"], environment={"PYTHONPATH": str(WORKERS)})
    with make.Team([contender], 1) as team:
        entries = [*many.streams(team, (1, 2), 1), *many.live(team, (1, 2), audio)]
        take_turns(entries, 1)
    assert [(each.failure, each.rounds) for entry in entries for each in entry.measurements] == [(NO_CHUNKS, [])] * 4


@pytest.mark.long
@pytest.mark.requires_tf
def test_tensorflow_reads_the_same_frames_beside_its_irs(capsys):
    found = run(capsys, GRAPH, "--scenario=chunk", "--scenario=utterance")
    names = ["TensorFlow, v0.1.pb", "v0.1, fp32", "v0.1, int8"]
    assert (found["baseline"], list(found["differences"])) == (names[0], names)
    assert facts(found, "frames") == [FRAMES] * 3
    assert found["differences"][names[1]] < 1e-6 < found["differences"][names[2]] < 0.05
    assert {each["failure"] for each in found["measurements"] if each["scenario"] == "chunk"} == {NO_CHUNKS}
    assert all(each["rounds"] for each in found["measurements"] if each["scenario"] in ("utterance", "features"))


@pytest.mark.requires_tf
@pytest.mark.long
def test_its_table_of_the_documents_can_be_made(tmp_path, capsys):
    from benchmarks.first_release import LOOPS, main

    page = tmp_path / "speed.md"
    page.write_text("before\n<!-- v0.1: begin -->\nold\n<!-- v0.1: end -->\nafter\n")
    main(["--quick", "--page", str(page)])
    text = page.read_text()
    assert text.startswith("before\n<!-- v0.1: begin -->\n\nOpenVINO ")
    assert text.endswith("|\n\n<!-- v0.1: end -->\nafter\n")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == [f"| {LOOPS}", "| `convert --weights fp32`", "| `convert --weights int8`"]
    assert [float(row[-1].rstrip(" |")) < limit for row, limit in zip(rows, (1e-9, 1e-6, 1e-2), strict=True)] == [
        True
    ] * 3
    assert "2 rounds" in capsys.readouterr().out
