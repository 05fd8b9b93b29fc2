"""What a type checker sees of the package: the types of all functions and results, and wrong calls."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deepspeech_recipe

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).parent.parent
PROGRAM = """\
import deepspeech_recipe as ds

made = ds.convert(
    "m.pbmm", "out", state="internal", time_steps="dynamic", batch=2, keep_fp16=["dense_1"], log=print, verify=False
)
reveal_type(made.files[0])
reveal_type(made.inputs[0]["shape"])
reveal_type(made.verification)
reveal_type(ds.inspect("m.pb")["file"]["size"])
reveal_type(ds.verify("m.pb", "m.xml").checks[0].figure)
reveal_type(ds.diagnose("m.pb", "m.xml"))
reveal_type(ds.transcribe(["a.wav"], "m.xml", log=print, progress=lambda done, total: None)[0].words[0].start)
reveal_type(ds.evaluate("test.csv", "m.xml").total.wer)
reveal_type(ds.features("a.wav", "m.xml", rate=50))
reveal_type(ds.doctor().findings[0].status)
reveal_type(ds.benchmark(["m.xml"], rounds=2))
reveal_type(ds.unpack("m.pbmm", "m.pb"))
reveal_type(ds.extensions())
reveal_type(ds.demo())
reveal_type(ds.RecipeError)
ds.convert_model("m.pb", audio="attached", head=None)
"""
REVEALED = [
    "pathlib.Path",
    "list[int]",
    "deepspeech_recipe.verification.report.Report | None",
    "int | None",
    "float",
    "deepspeech_recipe.verification.diagnose.Diagnosis",
    "float",
    "float | None",
    "numpy.ndarray[",
    "str",
    "deepspeech_recipe.benchmarking.report.Report",
    "pathlib.Path",
    "pathlib.Path",
    "bool",
    "def (*args: object) -> deepspeech_recipe.errors.RecipeError",
]
# A wrong call of each function → what is wrong with it.
WRONG = {
    'ds.convert("m.pb", "out", sate="internal")': 'Unexpected keyword argument "sate" for "convert"',
    'ds.convert("m.pb", "out", state="inside")': 'Argument "state" to "convert" has incompatible type',
    'ds.convert("m.pb")': 'Missing positional argument "output" in call to "convert"',
    'ds.convert_model("m.pb", name="m")': 'Unexpected keyword argument "name" for "convert_model"',
    'ds.convert_model("m.pb", time_steps="open")': 'Argument "time_steps" to "convert_model" has incompatible type',
    'ds.inspect("m.pb", deep=True)': 'Unexpected keyword argument "deep" for "inspect"',
    'ds.verify("m.pb", "m.xml", devices=1)': 'Unexpected keyword argument "devices" for "verify"',
    'ds.diagnose("m.pb", "m.xml", plot="a")': 'Unexpected keyword argument "plot" for "diagnose"',
    'ds.transcribe("a.wav")': 'Missing positional argument "model" in call to "transcribe"',
    'ds.evaluate("t.csv", "m.xml", note=print)': 'Unexpected keyword argument "note" for "evaluate"',
    'ds.features("a.wav", "m.xml", rate="50")': 'Argument "rate" to "features" has incompatible type',
    'ds.doctor(".")': 'Too many positional arguments for "doctor"',
    'ds.benchmark("m.xml", round=2)': 'Unexpected keyword argument "round" for "benchmark"',
    'ds.unpack("m.pbmm")': 'Missing positional argument "output" in call to "unpack"',
    "ds.extensions(1)": 'Too many arguments for "extensions"',
    "ds.demo(say=print)": 'Unexpected keyword argument "say" for "demo"',
    "ds.convert_modell": 'Module has no attribute "convert_modell"',
    'ds.convert("m.pb", "out").file': '"ConvertResult" has no attribute "file"',
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> list[str]:
    """What mypy says of the program and the wrong calls, in a directory without this project, as for a user."""
    pytest.importorskip("mypy")
    program = tmp_path_factory.mktemp("user") / "program.py"
    program.write_text(PROGRAM + "\n".join(WRONG) + "\n")
    # As an installed package: its py.typed decides whether its annotations count.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--hide-error-context", "--no-error-summary", program.name],
        cwd=program.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_the_types_of_all_functions_and_results(checked):
    lines = [line for line in checked if "Revealed type is" in line]
    found = [line.split('Revealed type is "', 1)[1].rstrip('"') for line in lines]
    assert len(found) == len(REVEALED)
    for each, wanted in zip(found, REVEALED, strict=True):
        assert each.startswith(wanted), found


def test_wrong_calls_are_seen_and_right_ones_pass(checked):
    begin = PROGRAM.count("\n")
    errors = [line for line in checked if ": error:" in line]
    lines = [int(line.split(":")[1]) for line in errors]
    assert lines == list(range(begin + 1, begin + len(WRONG) + 1)), errors
    for error, wanted in zip(errors, WRONG.values(), strict=True):
        assert wanted in error


def test_type_checkers_and_python_find_the_same_objects():
    tree = ast.parse(Path(deepspeech_recipe.__file__).read_text(encoding="utf-8"))
    (block,) = [
        node for node in tree.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    imports = {
        alias.asname or alias.name: getattr(importlib.import_module(node.module), alias.name)
        for node in block.body
        for alias in node.names
    }
    assert {*imports, "RecipeError", "Refusal"} == set(deepspeech_recipe.__all__)
    for name, value in imports.items():
        assert getattr(deepspeech_recipe, name) is value
    assert set(deepspeech_recipe.__all__) <= set(dir(deepspeech_recipe))


def test_every_command_is_a_function():
    from deepspeech_recipe.cli import COMMANDS

    for command in {*COMMANDS} - {"serve"}:  # a package: its functions are looked at as all public ones
        signature = inspect.signature(getattr(deepspeech_recipe, command))
        assert signature.return_annotation is not signature.empty, command


def test_importing_the_package_loads_nothing():
    code = "import sys, deepspeech_recipe; print(sorted({'numpy', 'openvino', 'google'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
