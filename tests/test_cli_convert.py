"""`deepspeech-recipe convert`: options, what is printed, exit codes. What is converted is tested elsewhere."""

import importlib
import inspect
import json
from types import SimpleNamespace

import pytest

from deepspeech_recipe import cli
from deepspeech_recipe.cli import progress
from tests.support.source_models import HIDDEN, graph_bytes

convert_module = importlib.import_module("deepspeech_recipe.conversion.convert")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(graph_bytes())
    return path


def convert(model, *options) -> int:
    return cli.main(["convert", str(model), "-o", str(model.parent / "out"), "--converter", "openvino", *options])


def test_prints_files_and_tensors(capsys, model):
    assert convert(model, "--no-verify") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    out = model.parent / "out"
    assert lines[0].startswith("Converted with openvino 20")
    assert [str(out / "model.xml"), str(out / "model.bin")] == lines[1:3]
    assert f"  input   previous_state_c  [1, {HIDDEN}]        f32" in lines
    assert "  output  logits            [5, 1, 6]     f32" in lines
    command = f"deepspeech-recipe verify {model} {out / 'model.xml'}"
    assert lines[-1] == f"not compared with the original; to do so: {command}"
    assert sorted(path.name for path in out.iterdir()) == ["model.bin", "model.xml"]


def test_json_names_files_tensors_and_metadata(capsys, model):
    assert convert(model, "--no-verify", "--json", "--time-steps", "dynamic", "--name", "other") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == [str(model.parent / "out" / f"other.{suffix}") for suffix in ("xml", "bin")]
    assert document["inputs"][0]["shape"] == [1, -1, 5, 4]
    assert document["metadata"]["time_steps"] == "dynamic"
    assert document["verification"] is None


def test_the_comparison_decides_the_exit_code(capsys, model, monkeypatch):
    assert convert(model, "--verify") == 0
    assert "✓ probabilities" in capsys.readouterr().out
    failed = SimpleNamespace(exit_code=1, lines=lambda: ["✗ probabilities"])
    monkeypatch.setattr(convert_module, "_verify", lambda job, result: failed)
    assert convert(model, "--verify") == 1
    assert capsys.readouterr().out.endswith("✗ probabilities\n")


EVERY_OPTION = {
    "name": "n",
    "converter": "openvino",
    "state": "internal",
    "time_steps": 7,
    "batch": 2,
    "lengths": "input",
    "audio": "separate",
    "weights": "int8",
    "keep_fp16": ("dense_1", "lstm_input"),
    "device": "GPU",
    "activations": "fp32",
    "head": "raw",
    "verify": False,
    "alphabet": "a.txt",
    "sample_rate": 8000,
    "window_ms": 30,
    "step_ms": 10,
    "beam_width": 100,
    "recipe": "mine.py",
    "freeze": {"keep_prob": 1.0, "rate": 0.5},
    "language": "de",
    "n_steps": -1,
    "n_context": 5,
    "upper_frequency": 7000.0,
}


def passed_on(monkeypatch, *options) -> dict:
    """The keywords that the command line hands to the function."""
    seen = {}

    def stub(model, output, log, **keywords):
        seen.update(keywords)
        return convert_module.ConvertResult((), "none", ({"name": "x", "shape": [1], "type": "f32"},), (), {})

    monkeypatch.setattr(convert_module, "convert", stub)
    assert cli.main(["convert", "m", "-o", "out", *options]) == 0
    return seen


def test_every_option_reaches_the_function_and_nothing_else_does(monkeypatch):
    command = []
    for name, value in EVERY_OPTION.items():
        flag = "--" + name.replace("_", "-")
        value = tuple(f"{key}={number}" for key, number in value.items()) if isinstance(value, dict) else value
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        command += ["--no-verify"] if value is False else [flag, text]
    assert passed_on(monkeypatch, *command) == EVERY_OPTION
    assert passed_on(monkeypatch) == {}


def test_the_graph_is_cut_by_inputs_and_outputs_that_are_typed_one_by_one(monkeypatch):
    typed = ["--input", "a[1,2]", "--input", "1:b", "--output", "c:1"]
    assert passed_on(monkeypatch, *typed) == {"inputs": ["a[1,2]", "1:b"], "outputs": ["c:1"]}


def test_every_keyword_of_the_function_is_an_option():
    keywords = {
        name
        for name, parameter in inspect.signature(convert_module.convert).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert keywords - {"log", "inputs", "outputs"} <= set(EVERY_OPTION)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--time-steps", "many"], "argument --time-steps: 'many' is neither a number nor 'dynamic'"),
        (["--time-steps", "0"], "must be a whole number above zero or 'dynamic', not 0"),
        (["--state", "none"], "argument --state: invalid choice: 'none'"),
        (["--audio", "attached", "--time-steps", "16"], "the time steps cannot be fixed to 16"),
        (["--state", "internal", "--batch", "dynamic"], "Internal state needs a fixed batch"),
        (["--n-steps", "16"], "only a checkpoint needs n_steps"),
        (["--name", "a/b"], "'a/b' is not a file name"),
    ],
)
def test_bad_usage_is_one_line_and_writes_nothing(capsys, model, options, text):
    assert convert(model, *options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("deepspeech-recipe: error: ")
    assert text in line
    assert not (model.parent / "out").exists()


def test_an_output_that_is_a_file(capsys, model):
    (model.parent / "out").write_text("mine")
    assert convert(model) == 2
    assert "is a file; give a directory for the IR" in capsys.readouterr().err
    assert (model.parent / "out").read_text() == "mine"


def test_progress_is_for_terminals(capsys, model, monkeypatch):
    monkeypatch.setattr(progress, "_QUIET", 0.0)
    assert convert(model, "--no-verify") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert convert(model, "--no-verify") == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("\r\033[K… ")
    assert captured.err.endswith("\r\033[K")
    assert "…" not in captured.out
