"""Native code is tried in a child process first, and only where it is at risk."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.converters import openvino, openvino_trial
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import BOOL, FLOAT, INT32, DType, GraphBuilder
from deepspeech_recipe.graphdef.proto import DATA_TYPES
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.processes import trial
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.rewrite.general import rewrite_general
from deepspeech_recipe.sources import frontend_trial
from tests.support.bundled import MODEL

STUB = "tests.support.stub_trial"


@pytest.mark.parametrize(("does", "failure"), [("hang", "does not end with it"), ("die", "dies of it (SIGSEGV)")])
def test_a_trial_that_dies_or_never_ends_is_a_failure(does, failure):
    assert trial.run(STUB, {"does": does}, 1).failure == failure


def test_what_loading_takes_is_not_counted():
    assert trial.run(STUB, {"does": "a reason", "code": 0, "loads": 2}, 1) == ("", 0, "a reason")


def test_memory_is_bounded():
    outcome = trial.run(STUB, {"does": "fill"}, 5)
    assert (outcome.failure, outcome.code, outcome.reason) == ("", 1, "MemoryError")


@pytest.mark.parametrize("code", [0, 2])
def test_a_trial_that_ends_gives_its_code_and_last_words(code):
    assert trial.run(STUB, {"does": "a reason", "code": code}, 5) == ("", code, "a reason")


def test_where_no_process_can_be_started(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    assert trial.run(STUB, {}, 5) is None


def loop(path: Path) -> Path:
    """x + 1, three times, as TensorFlow 1 writes it."""
    builder = GraphBuilder()
    builder.placeholder("x", FLOAT, (2, 3))
    floats, integers = {"T": DType(FLOAT)}, {"T": DType(INT32)}
    for name, value in (("zero", np.int32(0)), ("one", np.int32(1)), ("three", np.int32(3)), ("step", np.float32(1))):
        builder.const(name, value)
    for name, source, kind in (("i", "zero", integers), ("v", "x", floats)):
        builder.node(f"enter_{name}", "Enter", [source], frame_name="loop", is_constant=False, **kind)
        builder.node(f"merge_{name}", "Merge", [f"enter_{name}", f"next_{name}"], N=2, **kind)
        builder.node(f"switch_{name}", "Switch", [f"merge_{name}", "test"], **kind)
        builder.node(f"exit_{name}", "Exit", [f"switch_{name}"], **kind)
    for name, source, kind in (("three", "three", integers), ("one", "one", integers), ("step", "step", floats)):
        builder.node(f"const_{name}", "Enter", [source], frame_name="loop", is_constant=True, **kind)
    builder.node("less", "Less", ["merge_i", "const_three"], **integers)
    builder.node("test", "LoopCond", ["less"], dtype=DType(BOOL))
    builder.node("next_i", "NextIteration", [builder.node("add_i", "AddV2", ["switch_i:1", "const_one"], **integers)])
    builder.node("next_v", "NextIteration", [builder.node("add_v", "AddV2", ["switch_v:1", "const_step"], **floats)])
    for name, kind in (("next_i", integers), ("next_v", floats)):
        next(node for node in builder.graph.node if node.name == name).attr["T"].type = kind["T"]
    builder.node("out", "Identity", ["exit_v"], **floats)
    path.write_bytes(builder.graph.SerializeToString())
    return path


@pytest.fixture
def tried(monkeypatch):
    found = []
    whole = openvino_trial.trial.run

    def run(module, task, seconds):
        found.append(whole(module, task, seconds))
        return found[-1]

    monkeypatch.setattr(openvino_trial.trial, "run", run)
    return found


def test_a_loop_that_is_left_is_tried_first(tmp_path, tried):
    convert(loop(tmp_path / "m.pb"), tmp_path / "ir", converter="openvino", verify=False)
    assert [outcome.code for outcome in tried] == [0]
    assert (tmp_path / "ir" / "m.xml").exists()


def test_what_saves_a_model_beside_a_loop_that_is_left_is_not_an_output(tmp_path):
    """As the metagraph of a checkpoint has it."""
    builder = GraphBuilder()
    builder.graph.MergeFromString(loop(tmp_path / "m.pb").read_bytes())
    for name in ("model", "", "step"):
        builder.const(f"save/{name or 'slices'}", np.array([name], object))
    builder.node("save/file", "PlaceholderWithDefault", ["save/model"], dtype=DType(DATA_TYPES["DT_STRING"]), shape=())
    builder.node("save/all", "SaveV2", ["save/file", "save/step", "save/slices", "step"])
    view = GraphView(builder.graph.node)
    assert openvino.outputs_of(view, rewrite_general(view, recognise(view), {}, freeze="")) == ["out"]


def test_deepspeech_is_not_tried(tmp_path, tried):
    convert(MODEL, tmp_path / "ir", converter="openvino", verify=False)
    assert tried == []


def test_a_loop_that_the_frontend_does_not_survive(tmp_path, monkeypatch):
    outcome = trial.Outcome("dies of it (SIGSEGV)", -11, "")
    monkeypatch.setattr(openvino_trial.trial, "run", lambda *_: outcome)
    monkeypatch.setattr(openvino, "translate", lambda *_: pytest.fail("the frontend got it all the same"))
    with pytest.raises(
        RecipeError, match=r"m\.pb: OpenVINO's TensorFlow frontend dies of it \(SIGSEGV\), in 8 seconds"
    ):
        convert(loop(tmp_path / "m.pb"), tmp_path / "ir", converter="openvino", verify=False)
    assert not (tmp_path / "ir").exists()


def test_a_larger_model_gets_more_time(tmp_path, monkeypatch):
    seconds = []
    monkeypatch.setattr(openvino_trial.trial, "run", lambda module, task, limit: seconds.append(limit))
    for count in (1, 10**7):
        openvino_trial.try_conversion(loop(tmp_path / "m.pb"), [np.zeros(count, np.float32)])
    assert seconds[1] == seconds[0] + 2  # 40 MB


@pytest.mark.parametrize(("writes", "code"), [(loop, 0), (lambda path: path.write_bytes(b"damaged") and path, 1)])
def test_what_the_child_answers_about_a_file(monkeypatch, tmp_path, capsys, writes, code):
    """In this process, without its limits."""
    task = json.dumps({"path": str(writes(tmp_path / "m.pb")), "seconds": 1})
    monkeypatch.setattr(sys, "stdin", io.StringIO(task))
    monkeypatch.setattr(frontend_trial.trial, "limit", lambda seconds, memory: None)
    assert frontend_trial.main() == code
    assert bool(capsys.readouterr().err) is bool(code)
