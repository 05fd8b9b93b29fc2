"""The benchmark's structure, with workers whose numbers are made up. No test looks at a time."""

import dataclasses
import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import scenarios as many
from benchmarks.contenders import WORKERS_HERE
from benchmarks.goals import Goal, PageReport
from benchmarks.tables import tables
from deepspeech_recipe.benchmarking import scenarios as make
from deepspeech_recipe.benchmarking.contenders import WORKERS, Contender
from deepspeech_recipe.benchmarking.machine import machine, usable_processors
from deepspeech_recipe.benchmarking.markdown import markdown, number, table
from deepspeech_recipe.benchmarking.measurement import Measurement, Ratio, Summary
from deepspeech_recipe.benchmarking.recordings import speech, write_speech
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.benchmarking.rounds import Entry, take_turns
from deepspeech_recipe.benchmarking.write import json_text, write
from deepspeech_recipe.processes.worker import RUN_GRAPH, Failed, Worker

pytestmark = pytest.mark.anywhere

STUB = Path(__file__).with_name("support") / "stub_worker.py"


@pytest.fixture
def stub(tmp_path):
    """`stub(name, **options)`: a contender of made-up numbers, whose commands are noted in `stub.log`."""

    def contender(name: str, **options) -> Contender:
        arguments = (str(stub_log), name)
        return Contender(name, tmp_path / f"{name}.pb", str(STUB), Path(sys.executable), arguments, options, "`made`")

    contender.log = stub_log = tmp_path / "log"
    stub_log.touch()
    return contender


def lines(stub) -> list[str]:
    return stub.log.read_text().splitlines()


def values(entries) -> list:
    return [measurement.rounds for entry in entries for measurement in entry.measurements]


# Numbers


def test_a_summary_is_over_the_samples_of_all_rounds():
    found = Measurement("chunk", "a", "ms", rounds=[[4, 1], [3, 2, 5]]).summary
    assert found == Summary(median=3, low=2, high=4, p95=4.8, count=5)
    assert Measurement("chunk", "a", "ms").summary is None


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    # The machine was three times as slow in the second round: the ratio of all samples' medians would be 1.33.
    ours = Measurement("chunk", "a", "ms", rounds=[[10, 11, 12], [33], [11]])
    theirs = Measurement("chunk", "b", "ms", rounds=[[22], [66, 60, 70], [44]])
    assert ours.times_as_fast_as(theirs) == Ratio(median=2, low=2, high=3)
    assert theirs.times_as_fast_as(ours).median == 0.5


def test_rounds_that_only_one_of_both_had_give_no_ratio():
    ours = Measurement("chunk", "a", "ms", rounds=[[10], [10]])
    assert ours.times_as_fast_as(Measurement("chunk", "b", "ms", rounds=[[30]])).median == 3
    assert ours.times_as_fast_as(Measurement("chunk", "b", "ms")) is None
    assert ours.times_as_fast_as(Measurement("chunk", "b", "ms", rounds=[[], [40]])).median == 4


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.01234, "0.012")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_an_empty_cell_is_one_blank():
    assert table(("a", ""), [("", "b")]) == ["| a | |", "| --- | --- |", "| | b |"]


# Turns


def test_each_round_begins_with_the_next_and_one_runs_at_a_time(stub):
    names = ["a", "b", "c"]
    with make.Team([stub(name) for name in names], 1) as team:
        take_turns(make.chunk(team, 2), 4)
    order = "abc" + "abc" + "bca" + "cab" + "abc"  # the first three warm up
    assert lines(stub) == [f"{what} {name} chunk" for name in order for what in ("begin", "end")]


def test_samples_come_round_by_round_and_the_warm_up_is_not_among_them(stub):
    with make.Team([stub("a", milliseconds=3)], 1) as team:
        entries = make.chunk(team, 2)
        take_turns(entries, 3)
    assert values(entries) == [[[3, 6], [3, 6], [3, 6]]]


def test_streams_have_a_measurement_for_each_number_of_rows(stub):
    with make.Team([stub("a", milliseconds=3), stub("b")], 1) as team:
        entries = many.streams(team, (1, 8), 10)
        take_turns(entries, 1)
    found = [(each.contender, each.point, len(each.rounds[0])) for entry in entries for each in entry.measurements]
    assert found == [("a", 1, 10), ("b", 1, 10), ("a", 8, 2), ("b", 8, 2)]
    assert entries[2].measurements[0].rounds == [[24, 48]]


def test_live_streams_have_a_sample_for_each_chunk_of_each(stub):
    with make.Team([stub("a", milliseconds=3)], 1) as team:
        entries = many.live(team, (1, 3), Path("x.wav"))
        take_turns(entries, 1)
    assert values(entries) == [[[3]], [[3, 6, 9]]]


def test_a_corpus_is_one_recording_after_the_other_unless_the_worker_knows_better(stub):
    recordings = [Path(f"{seconds}.wav") for seconds in (1, 2, 5)]
    with make.Team([stub("a", milliseconds=3)], 1) as team:
        entries = make.corpus(team, recordings, 8, Path("short.wav"))
        take_turns(entries, 2)
    (measurement,) = entries[0].measurements
    assert (measurement.point, measurement.rounds) == (8, [[9], [9]])
    assert measurement.facts == {"texts": ["1", "2", "5"]}
    assert lines(stub).count("begin a utterance") == 1 + 2 * 3


def test_one_that_dies_leaves_a_line_and_the_others_go_on(stub):
    with make.Team([stub("a", dies="chunk"), stub("b")], 1) as team:
        entries = make.chunk(team, 1)
        take_turns(entries, 3)
        more = make.utterance(team, {1: Path("x.wav")}, Path("short.wav"))
        take_turns(more, 1)
    assert values(entries) == [[[1]], [[1], [1], [1]]]
    line = "the worker ended with exit code 3: the last words"
    assert [each.failure for entry in (*entries, *more) for each in entry.measurements] == [line, "", line, ""]
    assert values(more) == [[], [[1]]]


def test_what_one_refuses_is_a_line_and_the_rest_of_it_goes_on(stub):
    with make.Team([stub("a", refuses="chunk")], 1) as team:
        entries = [*make.chunk(team, 1), *make.utterance(team, {1: Path("x.wav")}, Path("short.wav"))]
        take_turns(entries, 2)
    assert [entry.measurements[0].failure for entry in entries] == ["a has no chunk", ""]
    assert values(entries) == [[], [[1], [1]]]
    assert entries[1].measurements[0].facts == {"text": "x"}


def test_one_that_never_answers_is_stopped(stub):
    with make.Team([stub("a", sleeps=60)], 1) as team:
        worker = team.workers["a"]
        for _ in range(2):
            with pytest.raises(Failed, match=r"gave no answer to 'chunk' in 0\.1 seconds and was stopped"):
                worker.ask("chunk", wait=0.1, frames=1, rows=1, repeat=1)


def test_a_python_that_cannot_run_is_a_line(stub, tmp_path):
    (tmp_path / "false").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "false").chmod(0o755)
    strange = [Contender(name, tmp_path, str(STUB), tmp_path / name) for name in ("false", "absent")]
    with make.Team([*strange, stub("b")], 1) as team:
        entries = make.chunk(team, 1)
        take_turns(entries, 1)
    assert team.failures["false"] == "the worker ended with exit code 1"
    assert team.failures["absent"] == f"{tmp_path / 'absent'} cannot be run (No such file or directory)"
    assert values(entries) == [[], [], [[1]]]


def test_workers_end_with_their_team(stub):
    with make.Team([stub("a"), stub("b")], 1) as team:
        processes = [worker._process for worker in team.workers.values()]
        assert [process.poll() for process in processes] == [None, None]
    assert [process.poll() for process in processes] == [0, 0]


def test_start_takes_fresh_processes_each_time(stub):
    contender = stub("a", milliseconds=5)
    with make.Team([contender], 1) as team:
        (entry,) = make.start(team, Path("x.wav"), Path("y.wav"))
        take_turns([entry], 2)
    # Compiled 2 × 5 ms, 5 with a cache, which is filled first; an utterance takes 5 and adds one megabyte.
    assert values([entry]) == [[[10], [10]], [[5], [5]], [[15], [15]], [[10**6], [10**6]]]
    assert lines(stub).count("begin a compile") == 2 * (1 + 1 + 1) + 1


def test_a_missing_model_cache_costs_one_row_only(stub):
    with make.Team([stub("a", refuses="compile")], 1) as team:
        (entry,) = make.start(team, Path("x.wav"), Path("y.wav"))
        take_turns([entry], 2)
    assert [bool(each.failure) for each in entry.measurements] == [True, True, True, False]
    assert values([entry])[3] == [[10**6], [10**6]]


def test_differences_are_from_the_first(stub):
    with make.Team([stub("a", milliseconds=3), stub("b", milliseconds=7), stub("c", dies="x")], 1) as team:
        assert make.differences(team, 2) == pytest.approx({"a": 0, "b": 0.04, "c": 0.02})


def test_an_entry_s_failure_stops_only_itself():
    def fail():
        raise Failed("no")

    good, bad = Measurement("s", "a", "ms"), Measurement("s", "b", "ms")
    take_turns([Entry(fail, [bad]), Entry(lambda: [[1.0]], [good])], 2)
    assert (bad.failure, bad.rounds, good.rounds) == ("no", [], [[1.0], [1.0]])


# Reports


@pytest.fixture
def report() -> PageReport:
    found = PageReport("b", threads=2, chunk_seconds=0.32, differences={"a": 0.0, "b": 2e-6})
    for name, scale in (("a", 1), ("b", 4)):
        found.contenders.append(
            {"name": name, "worker": "w", "made": "`m`", "disk_bytes": 2 * 10**6, "versions": {"openvino": "1.2.3-x"}}
            | {"failure": ""}
        )
        for scenario, point in (
            ("chunk", None),
            ("streams", 1),
            ("streams", 8),
            ("live", 4),
            ("length", 1),
            ("utterance", 10),
            ("corpus", 40),
        ):
            rounds = [[16.0 * scale, 16.0 * scale], [32.0 * scale]]
            found.add([Measurement(scenario, name, "ms", point, rounds)])
        if name == "a":
            found.add([Measurement("floor", name, "ms", None, [[8.0], [8.0]])])
        found.add([Measurement("features", name, "ms", 10, [[1.0 * scale]])])
        found.add([Measurement("one by one", name, "ms", 40, [[48.0 * scale], [64.0 * scale]])])
        found.add([Measurement("size", name, "ms", 512, [[3.0]]), Measurement("compile", name, "ms", None, [[1500.0]])])
        found.add([Measurement("memory", name, "bytes", None, [[90e6]])])
    found.contenders.append({**found.contenders[0], "name": "c", "failure": "has no legs"})
    found.add([Measurement("streams", "a", "ms", point, failure="has a batch of 1") for point in (2, 4)])
    found.goals = [Goal("be fast", "≥ 2 ×", "≥ 9 ×", "4.00 ×", "yes")]
    return found


def test_the_json_document_holds_every_sample_summary_and_ratio(report):
    text = json_text(report)
    found = json.loads(text)
    assert set(found) == {
        *("format", "recipe_version", "date", "machine", "load_before", "threads", "chunk_seconds", "baseline"),
        *("contenders", "differences", "measurements", "goals"),
    }
    assert found["measurements"][0] == {
        "scenario": "chunk",
        "contender": "a",
        "point": None,
        "unit": "ms",
        "summary": {"median": 16.0, "low": 16.0, "high": 24.0, "p95": 30.4, "count": 3},
        "rounds": [[16.0, 16.0], [32.0]],
        "facts": {},
        "failure": "",
        "times_as_fast_as_baseline": {"median": 4.0, "low": 4.0, "high": 4.0},
    }
    assert found["measurements"][-1]["summary"] is None
    assert found["goals"][0]["verdict"] == "yes"
    assert sum(line.startswith("  {") for line in text.splitlines()) >= len(found["measurements"])


def test_tables_show_what_was_measured_and_what_failed(report):
    found = tables(report)
    usual = markdown(report)
    assert "## A corpus" in usual
    assert (
        "| a | 40 s | 0.016 s | 0.016–0.024 s | 2500 × | 4.00 × (4.00–4.00) | 2.50 × (2.25–2.75) |"
        in usual.splitlines()
    )
    assert set(re.findall("^## .*", usual, re.M)) - set(re.findall("^## .*", found, re.M)) == {"## A corpus"}
    for line in (
        "| a | `m` | OpenVINO 1.2.3 |",
        "| be fast | ≥ 2 × | ≥ 9 × | 4.00 × | yes |",
        # ms, quartiles, p95, chunks a second, of 0.32 s each
        "| a | 16.0 | 16.0–24.0 | 30.4 | 62.5 | 0.050 | 8.00 | 3.00 × (2.50–3.50) | 4.00 × (4.00–4.00) | 0 |",
        "| b | 64.0 | 64.0–96.0 | 122 | 15.6 | 0.200 | | | 1.00 × (1.00–1.00) | 2e-06 |",
        "| a | 10 s | 0.016 s | 0.016–0.024 s | 0.002 | 4.00 × (4.00–4.00) | 6.2 % |",
        "| contender | 1 at once | 8 at once |",
        "| b | 15.6 | 125 |",
        "| contender | 4 at once |",
        "| a | 16.0, 30.4 |",
        "| contender | H = 512 |",
        "| b | 1.50 | | | 90.0 | 2.00 |",
        "- c: has no legs",
        "- a, streams 2, 4: has a batch of 1",
    ):
        assert line in found.splitlines()
    widths = [re.sub(r"`[^`]*`", "", line).count("|") for line in found.splitlines()]
    for before, after in itertools.pairwise(widths):
        assert not before or not after or before == after, "rows of a table have the same number of cells"


def test_live_streams_stand_beside_those_without_a_server():
    def measured(scenario: str, contender: str, samples: list, **facts) -> Measurement:
        return Measurement(scenario, contender, "ms", 8, [samples], {"processor_ms_a_second": 20.0, **facts})

    found = Report("a", threads=1, chunk_seconds=0.32)
    found.add([measured("serve", "a", [30.0, 60.0, 120.0], memory=64e6), measured("live", "a", [20.0, 40.0, 80.0])])
    found.add([Measurement("serve", "b", "ms", 8, failure="is late"), measured("live", "b", [500.0])])
    assert markdown(found).split("## Live streams over WebSockets\n\n")[1].splitlines()[2:] == [
        "| a | 8 | server | 60.0 | 45.0–90.0 | 114 | 1.50 ×, 1.50 × | 20.0 | 64.0 |",
        "| a | 8 | runtime alone | 40.0 | 30.0–60.0 | 76.0 | | 20.0 | |",
        "| b | 8 | runtime alone | 500 | 500–500 | 500 | | 20.0 | |",
    ]


def test_a_report_without_anything_has_no_tables():
    empty = PageReport("a", threads=1, chunk_seconds=0.32)
    assert empty.failed
    assert "##" not in markdown(empty)
    assert "##" not in tables(empty)


def test_goals_are_the_page_s_alone():
    assert "goals" not in json.loads(json_text(Report("a", threads=1, chunk_seconds=0.32)))


def test_files_are_written_whole_or_not_at_all(report, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    write(report, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.json", "benchmark.md", "benchmark.png"]
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(Path, "write_text", _half)
    with pytest.raises(OSError, match="half"):
        write(report, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def _half(path: Path, text: str, **options) -> None:
    path.write_bytes(text.encode()[: len(text) // 2])
    raise OSError("half of it was written")


def test_the_machine_says_what_it_is():
    found = machine()
    assert found["processor"]
    assert found["processors"] == usable_processors() >= 1
    json.dumps(found)


def test_speech_of_any_length(tmp_path):
    assert len(speech(2.5)) == 40000
    assert speech(2.5).std() > 500
    assert np.array_equal(speech(60)[:40000], speech(2.5))
    assert write_speech(tmp_path, [1], 8000)[1].stat().st_size == 44 + 2 * 8000


def test_workers_run_on_python_3_9():
    import ast

    for path in [*map(Path, WORKERS_HERE.values()), *WORKERS.glob("*.py"), *RUN_GRAPH.parent.glob("*.py")]:
        ast.parse(path.read_text(), feature_version=(3, 9))
        assert "strict=" not in path.read_text(), "zip(strict=…) is of Python 3.10"


def test_a_worker_is_kept_to_its_processors(stub):
    with Worker(sys.executable, STUB, 1, str(stub.log), "a") as worker:
        assert worker.ask("about")["threads"] == "1"


def test_a_contender_s_environment_is_its_worker_s_alone(stub, monkeypatch):
    monkeypatch.setenv("OF_ALL", "x")
    found = {}
    for environment in ({}, {"OF_ONE": "y"}):
        contender = dataclasses.replace(stub("a"), environment=environment)
        with make.Team([contender], 1) as team:
            found[len(environment)] = team.workers["a"].ask("variables", names=["OF_ALL", "OF_ONE"])
    assert found == {0: ["x", None], 1: ["x", "y"]}
