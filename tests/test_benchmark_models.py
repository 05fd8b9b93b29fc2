"""`deepspeech-recipe benchmark` of a model file: its conversions, and TensorFlow beside them if it is installed."""

import json

import pytest

from deepspeech_recipe import cli
from tests.support.bundled import MODEL
from tests.support.skips import has_tensorflow

# With TensorFlow as a further contender they take four times as long.
pytestmark = [pytest.mark.long] if has_tensorflow() else []


def run(capsys, *arguments) -> tuple[int, str]:
    code = cli.main(["benchmark", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out


def test_a_model_is_converted_and_compared(capsys, tmp_path):
    code, out = run(capsys, MODEL, "--rounds", 1, "--seconds", 2, "--threads", 1, "--json", "-o", tmp_path / "out")
    assert code == 0
    found = json.loads(out)
    names = [each["name"] for each in found["contenders"]]
    graph = [f"TensorFlow, {MODEL.name}"] if has_tensorflow() else []
    assert names == [*graph, "output_graph, fp32", "output_graph, int8"]
    assert found["baseline"] == names[0]
    assert [each["failure"] for each in found["contenders"]] == [""] * len(names)
    scenarios = {(each["scenario"], each["contender"]) for each in found["measurements"] if each["rounds"]}
    assert {name for scenario, name in scenarios if scenario == "floor"} == set(names) - set(graph)
    wanted = ("chunk", "utterance", "features", "compile", "compile, cached", "first utterance", "memory")
    assert {(scenario, name) for scenario in wanted for name in names} - scenarios <= {("compile, cached", *graph)}
    texts = {each["facts"]["text"] for each in found["measurements"] if each["scenario"] == "utterance"}
    assert len(texts) == 1
    assert len(texts.pop()) > 10
    assert found["differences"]["output_graph, fp32"] < 1e-5
    assert 0 < found["differences"]["output_graph, int8"] < 0.5
    assert (tmp_path / "out" / "benchmark.md").read_text().startswith("# Benchmark\n")
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text()) == found


@pytest.mark.long
def test_a_corpus_of_a_model_runs_in_batches_too(capsys):
    code, out = run(capsys, MODEL, "--scenario=corpus", "--rounds", 1, "--seconds", 4, "--threads", 1, "--json")
    assert code == 0
    found = json.loads(out)["measurements"]
    graph = [f"TensorFlow, {MODEL.name}"] if has_tensorflow() else []
    irs = [f"output_graph, {form}" for form in ("fp32", "int8", "int8, batches")]
    turns = [("corpus", name) for name in (*graph, *irs)] + [("one by one", name) for name in irs]
    assert [(each["scenario"], each["contender"]) for each in found] == turns
    assert {(each["point"], each["failure"]) for each in found} == {(18, "")}
    texts = {tuple(each["facts"]["texts"]) for each in found}
    assert len(texts) == 1, "one after the other, in a batch and in TensorFlow: the same"
    assert len(texts.pop()) == 8


@pytest.mark.requires_tf
@pytest.mark.long
def test_state_variables_are_fed_to_tensorflow(capsys, graph_file):
    model = graph_file("0.5", batch=1)
    code, out = run(capsys, model, "--scenario=chunk", "--rounds", 1, "--threads", 1, "--json")
    assert code == 0
    assert json.loads(out)["differences"][f"{model.stem}, fp32"] < 1e-5
