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


def compared(capsys, *options) -> tuple[dict, list[str], list[str]]:
    """(the report of the bundled model's conversions, the names of all contenders, that of TensorFlow)."""
    code, out = run(capsys, MODEL, "--rounds", 1, "--threads", 1, "--json", *options)
    assert code == 0
    found = json.loads(out)
    names = [each["name"] for each in found["contenders"]]
    graph = [f"TensorFlow, {MODEL.name}"] if has_tensorflow() else []
    assert names == [*graph, "output_graph, fp32", "output_graph, int8"]
    assert found["baseline"] == names[0]
    assert [each["failure"] for each in found["contenders"]] == [""] * len(names)
    assert found["differences"]["output_graph, fp32"] < 1e-5
    assert 0 < found["differences"]["output_graph, int8"] < 0.5
    return found, names, graph


def test_a_model_is_converted_and_compared(capsys):
    found, names, _ = compared(capsys, "--scenario=chunk")
    assert {each["contender"] for each in found["measurements"] if each["scenario"] == "chunk"} == set(names)


@pytest.mark.long
def test_every_scenario_of_a_model(capsys, tmp_path):
    found, names, graph = compared(capsys, "--seconds", 2, "-o", tmp_path / "out")
    scenarios = {(each["scenario"], each["contender"]) for each in found["measurements"] if each["rounds"]}
    assert {name for scenario, name in scenarios if scenario == "floor"} == set(names) - set(graph)
    wanted = ("chunk", "utterance", "features", "compile", "compile, cached", "first utterance", "memory")
    assert {(scenario, name) for scenario in wanted for name in names} - scenarios <= {("compile, cached", *graph)}
    texts = {each["facts"]["text"] for each in found["measurements"] if each["scenario"] == "utterance"}
    assert len(texts) == 1
    assert len(texts.pop()) > 10
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
