"""examples/own_lstm, from TensorFlow to the running IR, as docs/own-lstm.md tells it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepspeech_recipe.cli import main

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_lstm"
RECIPE = ["--recipe", str(EXAMPLE / "recipe.py")]


def python(*arguments) -> str:
    path = os.pathsep.join(filter(None, [str(EXAMPLE.parent.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def saved(tf, tmp_path_factory):
    path = tmp_path_factory.mktemp("example") / "health"
    python(EXAMPLE / "model.py", path)
    return path


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
    assert (
        "not 'health': one input of rank 3 (batch, readings, sensors) was looked for, 3 inputs were found"
        in capsys.readouterr().out
    )


def test_a_model_with_another_number_of_sensors_is_refused_by_the_recipe(tf, tmp_path, capsys):
    import keras

    start = keras.Input(batch_shape=(1, 4, 5))
    hidden = keras.layers.LSTM(8, stateful=True, unroll=True)(start)
    model = keras.Model(start, keras.layers.Dense(2, "softmax")(hidden))
    model.export(str(tmp_path / "five"), verbose=False)
    assert main(["convert", str(tmp_path / "five"), "-o", str(tmp_path), *RECIPE]) == 2
    error = capsys.readouterr().err
    assert "The model reads 5 sensors, this machine has 3." in error
    assert "Train it with the readings of all three sensors." in error
