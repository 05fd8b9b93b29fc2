"""`deepspeech-recipe benchmark` of IRs, and the workers that run real models, on small ones."""

import importlib
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks import precision, released
from benchmarks.contenders import WORKERS_HERE
from deepspeech_recipe import cli, convert
from deepspeech_recipe.benchmarking.contenders import PACKAGE, PROGRAMS, WORKERS, ir_contender
from deepspeech_recipe.benchmarking.floor import least_of
from deepspeech_recipe.benchmarking.markdown import TABLES
from deepspeech_recipe.benchmarking.recordings import write_speech
from deepspeech_recipe.installation import TensorFlow
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.processes.worker import Failed, Worker
from tests.support import runtime_models
from tests.support.bundled import MODEL, transcripts
from tests.support.command_line import one_error
from tests.support.limits import assert_close

pytestmark = pytest.mark.anywhere

ROOT = PACKAGE
FRAMES, CHUNKS = 16, 3


@pytest.fixture(scope="module")
def irs(tmp_path_factory) -> Path:
    """A directory with fp32.xml and int8.xml of the bundled model."""
    folder = tmp_path_factory.mktemp("irs")
    for weights in ("fp32", "int8"):
        convert(MODEL, folder, name=weights, weights=weights, converter="openvino", verify=False)
    return folder


@pytest.fixture
def worker(tmp_path):
    """`worker(kind)`: one with such an IR of tests/support/runtime_models.py; ends with the test. many: the one of
    benchmarks/, which takes many streams."""
    with ExitStack() as stack:

        def start(kind: str, *, many: bool = False, **options) -> Worker:
            path = tmp_path / "model.xml"
            ov.save_model(runtime_models.model(kind), path, compress_to_fp16=False)
            contender = ir_contender(path)
            found = stack.enter_context(many_streams() if many else Worker(sys.executable, PROGRAMS["openvino"], 1))
            found.ask("load", model=str(path), **contender.options | options)
            return found

        yield start


def many_streams() -> Worker:
    return Worker(sys.executable, WORKERS_HERE["ir"], 1, environment={"PYTHONPATH": str(WORKERS)})


def one_call(windows: np.ndarray) -> np.ndarray:
    """Chunks `[K, 1, T, window, features]` as one call → `[K·T, classes]`."""
    whole = np.concatenate(list(windows), axis=1)
    zero = np.zeros((1, runtime_models.HIDDEN), np.float32)
    feeds = {"input_node": whole, "previous_state_c": zero, "previous_state_h": zero}
    return runtime_models._acoustic("16 kHz", False)(feeds)["logits"][:, 0]


def windows(monkeypatch, *sizes: int) -> np.ndarray:
    monkeypatch.syspath_prepend(WORKERS)
    from signals import windows

    return windows(8, *sizes)[:CHUNKS]


@pytest.mark.parametrize("kind", ["windows, open", "windows, 16 steps", "windows, lengths", "internal state"])
def test_a_worker_s_chunks_are_chained(worker, monkeypatch, kind):
    width, features = 2 * runtime_models.CONTEXT + 1, runtime_models.AUDIO.dct_coefficient_count
    expected = one_call(windows(monkeypatch, 1, FRAMES, width, features))
    found = worker(kind)
    for _ in range(2):  # from zero state each time
        values = np.array(found.ask("probabilities", frames=FRAMES, chunks=CHUNKS))
        assert_close(values.reshape(expected.shape), expected, 2e-7)


def test_small_steps_make_a_chunk_together(worker, monkeypatch):
    width, features = 2 * runtime_models.CONTEXT + 1, runtime_models.AUDIO.dct_coefficient_count
    found = worker("windows, 5 steps, batch 3", many=True)
    with pytest.raises(Failed, match="the IR takes 5 windows a call, a chunk has 16"):
        found.ask("chunk", frames=16, rows=3, repeat=1)
    with pytest.raises(Failed, match="the IR has a batch of 3"):
        found.ask("chunk", frames=15, rows=1, repeat=1)
    assert len(windows(monkeypatch, 3, 15, width, features)) == CHUNKS


@pytest.mark.parametrize("kind", ["windows, open", "windows, 16 steps", "windows, int8", "internal state, int8"])
def test_a_chunk_may_have_any_number_of_rows(worker, kind):
    found = worker(kind, many=True)
    for rows in (1, 2, 3, 1):
        if rows > 1 and kind.startswith("internal"):
            continue  # its state has one row
        assert len(found.ask("chunk", frames=FRAMES, rows=rows, repeat=4)["ms"]) == 4


@pytest.mark.parametrize("kind", ["streaming", "streaming, int8"])
def test_a_streaming_ir_gets_a_chunk_of_samples(worker, kind):
    found = worker(kind)
    assert len(found.ask("chunk", frames=FRAMES, repeat=2)["ms"]) == 2
    frames = [len(chunk) for chunk in found.ask("probabilities", frames=FRAMES, chunks=CHUNKS)]
    # The last frames wait for the context after them.
    assert frames[1:] == [FRAMES] * (CHUNKS - 1)


@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_the_least_that_a_chunk_costs_is_all_weights_once_and_the_recurrence_for_each_frame(irs, weights):
    sizes = read_metadata(ov.Core().read_model(irs / f"{weights}.xml"))
    hidden, (first, second, third, fifth, classes) = sizes["hidden_size"], sizes["dense_sizes"]
    inputs = (2 * sizes["n_context"] + 1) * sizes["n_input"]
    recurrence = 4 * hidden * hidden
    rest = inputs * first + first * second + second * third + third * 4 * hidden + hidden * fifth
    rest += fifth * classes
    found = least_of(irs / f"{weights}.xml")
    size = 1 if weights == "int8" else 4
    assert found.whole is (weights == "int8")
    assert found.each_frame == size * recurrence
    # In 8 bits, 494 inputs and 29 classes are filled up to multiples of 16.
    filled = 2 * first + 3 * fifth if weights == "int8" else 0
    assert found.once == size * (rest + filled)
    assert found.multiply_adds == recurrence + rest + filled


def test_the_least_is_measured_by_reading_and_by_multiplying(irs):
    with Worker(sys.executable, PROGRAMS["openvino"], 1) as found:
        found.ask("load", model=str(irs / "int8.xml"))
        asked = {"frames": 16, "once": 10**5, "each_frame": 10**5, "multiply_adds": 10, "whole": True}
        reading = found.ask("least", **asked)
        assert reading["ms"][0] == pytest.approx(1000 * 17e5 / reading["bytes_a_second"])
        multiplying = found.ask("least", **asked | {"multiply_adds": 10**9, "whole": False})
        assert multiplying["ms"][0] == pytest.approx(1000 * 16e9 / multiplying["multiply_adds_a_second"])


@pytest.mark.parametrize("options", [{}, {"recognizer": {"max_batch": 2}}])
def test_live_streams_give_a_time_for_each_chunk(worker, tmp_path, options):
    audio = write_speech(tmp_path, [1])[1]  # 16000 samples are 4 blocks of 16 frames; the first one completes no chunk
    assert len(worker("windows, open", many=True, **options).ask("live", audio=str(audio), rows=3)["ms"]) == 3 * 3


def test_an_ir_of_whole_utterances_has_no_chunks(worker):
    with pytest.raises(Failed, match="the IR takes whole utterances, so it has no chunks"):
        worker("attached").ask("chunk", frames=FRAMES, repeat=1)


def test_an_ir_from_elsewhere_is_given_what_the_runtime_asks_for(tmp_path):
    model = runtime_models.model("windows, 16 steps")
    metadata = json.dumps(read_metadata(model))
    recording = str(write_speech(tmp_path, [1])[1])
    texts = []
    for name in ("ours", "documented"):
        if name == "documented":
            model = documented(model)
        path = tmp_path / f"{name}.xml"
        ov.save_model(model, path, compress_to_fp16=False)
        with many_streams() as found:
            found.ask("load", model=str(path), package=str(PACKAGE), metadata=metadata)
            texts.append(found.ask("utterance", audio=recording)["text"])
    assert texts[0] == texts[1] != ""


def documented(model):
    """The same with the names that the documented command leaves, and without metadata."""
    names = {"new_state_c": "cell/GatherNd:0", "new_state_h": "cell/GatherNd_1:0"}
    for port in model.outputs:
        for name, other in names.items():
            if name in port.get_names():
                port.get_tensor().set_names({other})
    return ov.Model(model.get_results(), model.get_parameters(), "documented")


def test_chunks_are_computed_in_f32_or_what_is_asked_for(worker):
    worker("windows, open", precision="").ask("compile")
    with pytest.raises(Failed, match="INFERENCE_PRECISION_HINT"):
        worker("windows, open", precision="u8").ask("compile")


def test_compiling_fills_the_cache_and_memory_has_a_peak(worker, tmp_path):
    found = worker("windows, 16 steps")
    before = found.ask("memory")
    assert len(found.ask("compile", cache=str(tmp_path / "cache"))["ms"]) == 1
    assert list((tmp_path / "cache").iterdir())
    assert found.ask("memory")["peak"] >= before["peak"] > 10**7


# The command


def run(capsys, *arguments) -> tuple[int, str]:
    code = cli.main(["benchmark", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out


@pytest.mark.long
def test_live_streams_over_a_server_and_beside_them_without_one(irs, capsys):
    arguments = ("--scenario", "serve", "--streams", 3, "--rounds", 1, "--seconds", 2, "--threads", 1)
    code, out = run(capsys, irs / "fp32.xml", *arguments, "--json")
    assert code == 0
    found = json.loads(out)["measurements"]
    points = [("serve", 3, ""), ("live", 3, "")]
    assert [(each["scenario"], each["point"], each["failure"]) for each in found] == points
    served, alone = (each["rounds"][0] for each in found)
    assert 3 * 3 <= len(served) <= 3 * 5, "as many as chunks whose text is new"
    assert len(alone) == 3 * 6, "as many as blocks but for the first"
    assert min(*served, *alone) > 0
    for each in found:
        assert each["facts"]["processor_ms_a_second"] > 0
        assert each["facts"]["memory"] > 10**7


def test_irs_against_one_of_them_and_in_another_python(capsys, irs):
    arguments = ("--scenario", "chunk", "--rounds", 1, "--threads", 1, "--python", sys.executable)
    code, out = run(capsys, irs / "int8.xml", "--against", irs / "fp32.xml", *arguments)
    assert code == 0
    version = ov.__version__.split("-")[0]
    rows = [line.split(" | ")[0] for line in out.split("## One chunk")[1].splitlines() if line.startswith("| ")]
    assert rows[2:] == ["| fp32", "| int8", f"| fp32, OpenVINO {version}", f"| int8, OpenVINO {version}"]
    assert "as fast as fp32" in out


def test_irs_of_the_same_name_are_told_apart(capsys, irs, tmp_path):
    for suffix in (".xml", ".bin"):
        (tmp_path / f"fp32{suffix}").write_bytes((irs / f"fp32{suffix}").read_bytes())
    code, out = run(capsys, irs / "fp32.xml", tmp_path / "fp32.xml", "--scenario", "chunk", "--rounds", 1)
    assert code == 0
    assert f"| {tmp_path / 'fp32.xml'} |" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--rounds", "0"], "0 rounds measure nothing"),
        (["--threads", "9999"], "9999 threads: this machine has"),
        (["--threads", "0"], "0 threads: this machine has"),
        (["--seconds", "0"], "An utterance of 0 seconds cannot be measured"),
        (["--streams", "8", "--streams", "0"], "0 live streams cannot be measured"),
        (["--seconds", "nan"], "An utterance of nan seconds cannot be measured"),
        (["--scenario", "sprint"], "There is no scenario 'sprint', only chunk, utterance, corpus, start, serve."),
        (["--python", "/absent/python"], "--python /absent/python: cannot run IRs (/absent/python cannot be run"),
        (["--against", "absent.xml"], "absent.xml: no such file"),
        (["-o", "OUTPUT"], "is a file; give a directory for the results"),
    ],
)
def test_bad_input_is_one_line(capsys, irs, tmp_path, arguments, text):
    (tmp_path / "file").touch()
    arguments = [str(tmp_path / "file") if each == "OUTPUT" else each for each in arguments]
    assert cli.main(["benchmark", str(irs / "fp32.xml"), *arguments]) == 2
    assert text in one_error(capsys.readouterr())


def test_what_is_not_an_ir_is_one_line(capsys, tmp_path):
    path = tmp_path / "model.xml"
    path.write_text("<xml/>")
    assert cli.main(["benchmark", str(path)]) == 2
    assert "is not an IR" in one_error(capsys.readouterr())
    (tmp_path / "model.pb").write_text("hello")
    assert cli.main(["benchmark", str(tmp_path / "model.pb")]) == 2
    assert f"{tmp_path / 'model.pb'}" in one_error(capsys.readouterr())


def test_where_nothing_runs_it_is_an_error(capsys, tmp_path):
    path = tmp_path / "model.xml"
    ov.save_model(runtime_models.model("attached"), path, compress_to_fp16=False)
    assert cli.main(["benchmark", str(path), "--scenario", "chunk"]) == 2
    assert "Nothing could be measured: the IR takes whole utterances" in one_error(capsys.readouterr())


def test_a_model_to_compare_with_needs_tensorflow(capsys, monkeypatch, irs):
    module = importlib.import_module("deepspeech_recipe.benchmarking.run")
    monkeypatch.setattr(module, "tensorflow", lambda: TensorFlow("", {}, "is not installed"))
    assert cli.main(["benchmark", str(irs / "fp32.xml"), "--against", str(MODEL)]) == 2
    assert "a model file runs in TensorFlow, which is not installed" in one_error(capsys.readouterr())


@pytest.mark.long
def test_every_table_of_the_documents_can_be_made(tmp_path):
    """benchmarks.measure with a tiny network; without mo and the clients, whose rows say so."""
    page = tmp_path / "machine.md"
    page.write_text("# Before\n\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    command = [sys.executable, "-m", "benchmarks.measure", "--quick", "--threads", "1"]
    command += ["--work", tmp_path / "work", "--page", page, "--results", tmp_path / "results"]
    command += ["--only", "documented IR", "convert int8", "convert int8, streams gathered"]
    done = subprocess.run(
        [*map(str, command)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("<!-- measured: end -->\nafter\n")
    assert "old" not in text
    for title in (
        "Goals",
        "One chunk",
        "A whole utterance",
        "Many streams",
        "Live streams",
        "Milliseconds per",
        "Start, memory",
    ):
        assert f"\n## {title}" in text
    assert "- documented IR: there is no Python for it (--mo)" in text
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["machine.json", "machine.png"]
    assert "![The same as a picture](results/machine.png)" in text
    found = json.loads((tmp_path / "results" / "machine.json").read_text())
    assert {each["point"] for each in found["measurements"] if each["scenario"] == "size"} == {24, 40}
    assert {goal["verdict"] for goal in found["goals"]} <= {"yes", "no", "stretch", "not measured"}


@pytest.mark.long
def test_the_table_of_precisions_can_be_made(tmp_path, capsys):
    page = tmp_path / "speed.md"
    page.write_text("<!-- precision: begin -->\n<!-- precision: end -->\n")
    precision.main(["--quick", "--page", str(page), "--work", str(tmp_path / "work")])
    names = ("convert fp32", "convert int8", "convert int8, activations fp32")
    rows = [line.split(" | ")[0] for line in page.read_text().partition("## One chunk")[2].splitlines()[4:]]
    assert rows[: 2 * len(names)] == [f"| {name}{by}" for by in ("", precision.BY_DEFAULT) for name in names]
    assert "documented IR: there is no Python for it (--mo)" in capsys.readouterr().err


@pytest.mark.long
def test_the_tables_of_the_released_model_can_be_made(tmp_path, monkeypatch):
    """Of the bundled model in its place, and without Coqui's client."""
    page = tmp_path / "released.md"
    page.write_text("<!-- released: begin -->\n<!-- released: end -->\n")
    clips = {f"clip-{number}": path for number, path in enumerate(transcripts())}
    monkeypatch.setattr(released, "model_and_clips", lambda folder, python: (MODEL, clips))
    (tmp_path / "work" / "released").mkdir(parents=True)
    released.main(["--quick", "--stt", "/nowhere/python", "--page", str(page), "--work", str(tmp_path / "work")])
    parts = dict(part.split("\n", 1) for part in page.read_text().split("\n## ")[1:])
    assert [*parts] == [title for title in TABLES if title != "Live streams over WebSockets"]
    names = [*released.IRS]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in parts["One chunk after the other"].splitlines()[3:]]
    assert rows[: len(names)] == names
    assert f"- {released.STT}: /nowhere/python cannot be run (No such file or directory)" in parts["What did not run"]
