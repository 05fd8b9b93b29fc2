"""Models of others from their framework to the running IR, by what docs/own-lstm.md says and no more."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.runtime import StatefulModel
from tests.graphs import fused, stateful, voice
from tests.support.compare import op_counts
from tests.support.limits import assert_close
from tests.support.reference import CALLS, expected_calls, random_chunks, run_chunks

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "own-lstm.md").read_text()
WAYS = [("external", "openvino"), ("internal", "mo"), ("internal", "openvino"),
        pytest.param("external", "mo", marks=pytest.mark.long)]  # fmt: skip
both_ways = pytest.mark.parametrize(("state", "converter"), WAYS[:2])
every_way = pytest.mark.parametrize(("state", "converter"), WAYS)
needs_frameworks = pytest.mark.usefixtures("tf")


def block(section: str, language: str = "python") -> str:
    """The only block of that language in a section of the page."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0], re.DOTALL)
    return text


def converted(model: Path, folder: Path, *options: str, state: str, converter: str) -> StatefulModel:
    """The command of the page, `deepspeech-recipe convert`."""
    if converter == "mo":
        pytest.importorskip("openvino.tools.mo")
    command = ["convert", str(model), "-o", str(folder), "--state", state, "--converter", converter, "--no-verify"]
    assert main([*command, *options]) == 0
    path = folder / f"{model.stem}.xml"
    read = ov.Core().read_model(path)
    assert read_metadata(read)["state"] == state
    assert op_counts(read).get("Assign", 0) == (len(StatefulModel(path).states) if state == "internal" else 0)
    return StatefulModel(path)


@pytest.fixture
def recipe(tmp_path):
    """`recipe(section)` → path of the recipe in that section."""

    def write(section: str) -> Path:
        path = tmp_path / "recipe.py"
        path.write_text(block(section))
        return path

    return write


@needs_frameworks
@both_ways
def test_a_fork_of_deepspeech_with_sizes_of_its_own(deepspeech, recipe, tmp_path, state, converter):
    sizes = {"n_context": 5, "n_input": 40, "relu_clip": 10.0, "dense_4": 38, "classes": 50}
    fork = deepspeech("0.9", batch=1, n_steps=7, **sizes)
    path = fork.save(tmp_path / "fork.pb")
    options = ["--recipe", str(recipe("A fork of DeepSpeech"))]
    run = converted(path, tmp_path / "ir", *options, state=state, converter=converter)
    metadata = read_metadata(ov.Core().read_model(tmp_path / "ir" / "fork.xml"))
    assert (metadata["recipe"], metadata["n_input"], metadata["n_context"]) == ("deeper", 40, 5)
    chunks = random_chunks(fork, count=CALLS)
    expected = run_chunks(fork, chunks)
    for number, chunk in enumerate(chunks):
        assert_close(run({"input_node": chunk})["logits"], expected.logits[number], 1e-6)
        for part, values in (("c", expected.c), ("h", expected.h)):
            assert_close(run.states[f"previous_state_{part}"], values[number], 3e-6)
    assert expected.logits.shape[-1] == 50
    assert np.abs(expected.c[-1] - expected.c[-2]).max() > 0.1


@needs_frameworks
@both_ways
def test_two_fused_lstms_with_lengths(recipe, tmp_path, state, converter):
    graph = fused.two_layers(taken="GatherNd")
    path = graph.save(tmp_path / "two.pb")
    options = ["--recipe", str(recipe("Fused LSTMs, and lengths"))]
    run = converted(path, tmp_path, *options, state=state, converter=converter)
    assert set(run.inputs) == {"frames", "lengths"}
    pairs = {f"memory_{layer}_{part}": f"after_{layer}_{part}" for layer in (0, 1) for part in "ch"}
    lengths = set()
    for seed, (scores, new) in enumerate(expected_calls(graph, "scores", pairs)):
        feeds = graph.feeds(seed)
        lengths |= set(feeds["frame_counts:0"].tolist())
        found = run({"frames": feeds["frames:0"], "lengths": feeds["frame_counts:0"]})
        assert_close(found["scores"], scores, 5e-7)
        assert set(run.states) == set(new)
        for name, value in new.items():
            assert_close(run.states[name], value, 1e-6)
    assert {0, 1, 4} <= lengths


@needs_frameworks
def test_lengths_that_are_always_all_steps_are_frozen(tmp_path):
    graph = fused.two_layers(taken="GatherNd")
    path = graph.save(tmp_path / "two.pb")
    options = ["--freeze", "frame_counts=6"]
    run = converted(path, tmp_path, *options, state="external", converter="openvino")
    assert run.inputs == ("frames",)


@pytest.mark.sampled
@needs_frameworks
@every_way
@pytest.mark.parametrize("form", ["fused", "loop"])
def test_a_voice_detector_without_a_recipe(tmp_path, form, state, converter):
    graph = voice.voice_detector(form=form)
    run = converted(graph.save(tmp_path / "vad.pb"), tmp_path, state=state, converter=converter)
    assert op_counts(ov.Core().read_model(tmp_path / "vad.xml"))["LSTMSequence"] == 1
    for seed, (speech, new) in enumerate(expected_calls(graph, "speech", dict.fromkeys(graph.states))):
        assert_close(run({"mfccs": graph.feeds(seed)["mfccs:0"]})["speech"], speech, 5e-7)
        for name, value in new.items():
            assert_close(run.states[name], value, 1e-6)


@pytest.fixture(scope="module")
def exported(tf, tmp_path_factory):
    """A stateful Keras model by the page's `ExportArchive`: (SavedModel, inputs and outputs of ten calls)."""
    import keras

    keras.utils.set_random_seed(2)
    start = keras.Input(batch_shape=(2, 6, 5))
    hidden = keras.layers.LSTM(7, return_sequences=True, stateful=True)(start)
    model = keras.Model(start, keras.layers.Dense(3)(hidden))
    folder = tmp_path_factory.mktemp("keras")
    code = block("Keras: a fixed signature, and the batch").replace('"exported"', repr(str(folder / "exported")))
    exec(code, {"keras": keras, "tf": tf, "model": model})
    model.export(str(folder / "open"), verbose=False)
    x = np.random.default_rng(5).standard_normal((CALLS, 2, 6, 5)).astype(np.float32)
    return folder, x, np.stack([model(each).numpy() for each in x])


@pytest.mark.parametrize("state", ["external", "internal"])
def test_keras_with_a_fixed_signature(exported, tmp_path, state):
    folder, x, y = exported
    run = converted(folder / "exported", tmp_path, state=state, converter="openvino")
    assert run.inputs == ("frames",)
    assert list(ov.Core().read_model(tmp_path / "exported.xml").input("frames").shape) == [2, 6, 5]
    for given, wanted in zip(x, y, strict=True):
        assert_close(run({"frames": given})["output_0"], wanted, 1e-6)


def test_a_stateful_keras_model_has_the_batch_that_it_was_built_for(exported, tmp_path, capsys):
    command = ["convert", str(exported[0] / "open"), "-o", str(tmp_path), "--converter", "openvino", "--no-verify"]
    assert main([*command, "--batch", "3"]) == 2
    printed = capsys.readouterr().err
    assert "The batch cannot be 3: other parts of the graph have another one written down" in printed
    assert main([*command, "--batch", "2"]) == 0


def test_plain_mo_cannot_load_a_stateful_keras_model(exported, requires_mo):
    """The page's first row of what needs `convert`."""
    from tests.support.mo_run import MOError, mo

    # The second in a process that has made other graphs.
    with pytest.raises(MOError, match=r"Could not find variable|must feed a value for placeholder"):
        mo(None, "--saved_model_dir", str(exported[0] / "exported"))


def test_plain_mo_stops_at_complex_numbers(tf, requires_mo, tmp_path):
    from tests.graphs.keywords import spectral_mask
    from tests.support.mo_run import MOError, mo

    (tmp_path / "mask.pb").write_bytes(spectral_mask())
    with pytest.raises(MOError, match="node Cast"):
        mo(tmp_path / "mask.pb")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """`installed(argument, …)` → what Python prints where a package with a recipe is installed, whose project file has
    the page's lines."""
    project, site = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("site")
    (entry,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    head = '[build-system]\nrequires = ["setuptools"]\n[project]\nname = "my-package"\nversion = "1.0"\n'
    (project / "pyproject.toml").write_text(head + entry)
    (project / "my_package").mkdir()
    (project / "my_package" / "__init__.py").touch()
    shutil.copy(ROOT / "tests" / "support" / "recipes.py", project / "my_package" / "recipe.py")
    pip = ["pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", site, project]

    def run(*command: object) -> str:
        path = os.pathsep.join([str(ROOT), str(site)])
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", *pip)
    return run


@needs_frameworks
def test_a_packaged_recipe_is_found_with_and_without_its_name(installed, tmp_path):
    path = stateful.keyword_spotter().save(tmp_path / "spotter.pb")
    assert "keyword: one frame → scores of keywords" in installed("-m", "deepspeech_recipe", "inspect", path)
    for name, options in (("plain", ()), ("named", ("--recipe", "keyword"))):
        command = ["-m", "deepspeech_recipe", "convert", path, "-o", tmp_path / name]
        installed(*command, "--converter", "openvino", "--no-verify", *options)
        metadata = read_metadata(ov.Core().read_model(tmp_path / name / "spotter.xml"))
        assert (metadata["recipe"], metadata["states"]) == ("keyword", {"state_c": "next_c", "state_h": "next_h"})


def test_doctor_lists_a_packaged_recipe(installed):
    """Without its looks at other packages, at Model Optimizer and at devices, for time."""
    lines = ["from deepspeech_recipe.self_test import devices, model_optimizer, packages"]
    lines += [f"{each}.findings = lambda *_: ()" for each in ("devices", "model_optimizer", "packages")]
    lines += ["from deepspeech_recipe.cli import main", "main(['doctor'])"]
    listed = installed("-c", "; ".join(lines))
    assert "recipe 'keyword': the installed recipe 'health' (my_package.recipe)" in listed
