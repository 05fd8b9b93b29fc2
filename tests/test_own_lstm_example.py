"""examples/own_lstm, from TensorFlow to the running IR, as docs/own-lstm.md tells it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.converters import mo as mo_converter
from deepspeech_recipe.recipes import registry

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "own_lstm"
PAGE = ROOT / "docs" / "own-lstm.md"
RECIPE = ["--recipe", str(EXAMPLE / "recipe.py")]


def python(*arguments, cwd: Path | None = None) -> str:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tf, tmp_path_factory):
    """Where the page's commands are given: the repository's examples lie there, and the model that the first makes."""
    path = tmp_path_factory.mktemp("guide")
    shutil.copytree(EXAMPLE, path / "examples" / "own_lstm", ignore=shutil.ignore_patterns("__pycache__"))
    python(EXAMPLE / "model.py", "health", cwd=path)
    return path


@pytest.fixture(scope="module")
def saved(folder):
    return folder / "health"


def blocks() -> list[tuple[str, str]]:
    """(language, text) of each block of the page, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def without_what_varies(line: str) -> str:
    """Sizes of files and graphs, rounding errors, scores and the numbers in Keras' names differ between releases."""
    line = re.sub(r"_\d+\b", "", " ".join(line.split()))  # which state has the number differs from export to export
    return re.sub(r"[\d.]+ kB|\b\d+ nodes|\d+(\.\d+)?e-\d+(?!\))|\b0\.\d{3}\b", "…", line)


def run(line: str, folder: Path, capsys) -> str:
    """What a line of a shell block prints. Its commands run in this process, for time."""
    program, *arguments = shlex.split(line)
    if program == "python":
        return python(*arguments, cwd=folder)
    assert program == "deepspeech-recipe"
    assert main(arguments) == 0, line
    return capsys.readouterr().out


@pytest.mark.long
def test_the_guide_block_by_block(folder, capsys, monkeypatch):
    """Without Model Optimizer, for time: the test below takes it."""
    monkeypatch.setattr(mo_converter, "usable", lambda: (False, "Model Optimizer is not asked for"))
    monkeypatch.chdir(folder)
    printed, compared = "", []
    page = blocks()[: [language for language, _ in blocks()].index("python") + 1]
    for language, text in page:
        if language == "sh":
            printed = "".join(run(line, folder, capsys) for line in text.splitlines() if "model.py" not in line)
        elif language == "text":
            lines = [without_what_varies(line) for line in printed.splitlines()]
            missing = [line for line in text.splitlines() if without_what_varies(line) not in lines]
            assert not missing, f"the page shows {missing}; printed was\n{printed}"
            compared.append(text)
        else:
            scores = np.load("health.npz")["scores"][:, 0]
            assert python("-c", text, cwd=folder).split() == [("healthy", "worn")[row.argmax()] for row in scores]
    assert (len(page), len(compared)) == (14, 6)


@pytest.mark.long
def test_the_guides_test_of_a_recipe(folder):
    section = PAGE.read_text().split("## Test your recipe")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (folder / "test_recipe.py").write_text(code)
    assert "2 passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_recipe.py", cwd=folder)


def test_the_guide_names_the_places_of_recipes():
    """Its other blocks: a fork of DeepSpeech is `test_own_acoustic_model`'s, messages are compared below."""
    (configuration,) = (json.loads(text) for language, text in blocks() if language == "json")
    assert [(each["id"], *each["custom_attributes"]) for each in configuration] == [("deepspeech_recipe", "recipe")]
    (project,) = (text for language, text in blocks() if language == "toml")
    assert f'[project.entry-points."{registry.GROUP}"]' in project


@pytest.mark.parametrize(("state", "converter"), [("external", "openvino"), ("internal", "mo")])
def test_from_tensorflow_to_the_running_ir(saved, tmp_path, capfd, state, converter):
    if converter == "mo":
        pytest.importorskip("openvino.tools.mo")
    command = ["convert", str(saved), "-o", str(tmp_path), "--converter", converter, "--state", state, *RECIPE]
    assert main(command) == 0
    assert "all 3 checks passed" in capfd.readouterr().out
    printed = python(EXAMPLE / "run.py", tmp_path / "health.xml", f"{saved}.npz").splitlines()
    assert printed[0] == "healthy, worn"
    assert len(printed) == 7
    assert float(printed[-1].rpartition(" ")[2]) < 1e-5


def test_inspect_tells_roles_and_how_near_another_graph_came(saved, tmp_path, capsys):
    from tests.graphs import stateful

    assert main(["inspect", str(saved), *RECIPE]) == 0
    printed = capsys.readouterr().out
    assert "health: 4 readings of 3 sensors → [healthy, worn]" in printed
    assert "new value: new_h" in printed
    other = stateful.keyword_spotter().save(tmp_path / "other.pb")
    assert main(["inspect", str(other), *RECIPE]) == 0
    (miss,) = (text for language, text in blocks() if language == "text" and text.startswith("  not 'health'"))
    assert miss in capsys.readouterr().out


def test_a_model_with_another_number_of_sensors_is_refused_by_the_recipe(tf, tmp_path, capsys):
    import keras

    start = keras.Input(batch_shape=(1, 4, 5))
    hidden = keras.layers.LSTM(8, stateful=True, unroll=True)(start)
    model = keras.Model(start, keras.layers.Dense(2, "softmax")(hidden))
    model.export(str(tmp_path / "five"), verbose=False)
    assert main(["convert", str(tmp_path / "five"), "-o", str(tmp_path), *RECIPE]) == 2
    (refusal,) = (text for language, text in blocks() if language == "text" and "error: " in text)
    printed = capsys.readouterr().err.replace(f"{tmp_path}{os.sep}", "")
    assert without_what_varies(refusal) in [without_what_varies(line) for line in printed.splitlines()]
