"""Every family of docs/other-models.md becomes what the page says, and computes what TensorFlow does."""

import functools
import re
import runpy
from pathlib import Path

import openvino
import pytest

from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes.recognition import recognise
from tests.families import Graph, families
from tests.support.compare import EXACT, compiled, op_counts
from tests.support.limits import assert_close
from tests.support.rnn_check import convert

ROOT = Path(__file__).parent.parent
SHOWN = [family for family in families() if family.graph is not None]
CONVERTED = [family for family in SHOWN if not family.is_refused]
REFUSED = [family for family in SHOWN if family.is_refused]
TAKEN, NOWHERE = ([each for each in REFUSED if ("converts it" in each.instead) is known] for known in (True, False))
LOOPS = ("Loop", "TensorIterator")


@functools.cache
def graph_of(family) -> Graph:
    return family.graph()


@functools.cache
def expected(family) -> list[dict]:
    """TensorFlow's outputs of all calls, each with the states of the one before."""
    from tests.support.reference import session

    graph, states, found = graph_of(family), {}, []
    with session(graph.graph_def) as run:
        for feeds in graph.calls:
            found.append(dict(zip(graph.outputs, run(list(graph.outputs), {**feeds, **states}), strict=True)))
            states = {name: found[-1][output] for name, output in graph.states.items()}
    return found


def check(model, family) -> None:
    """The form, and the numbers of all calls."""
    ops = op_counts(model)
    assert (ops["LSTMSequence"], sum(ops[op] for op in LOOPS)) == (family.sequences, family.loops)
    check_numbers(model, family)


def check_numbers(model, family) -> None:
    """Call after call, each side with its own states."""
    network, graph, ours = compiled(model), graph_of(family), {}
    for feeds, want in zip(graph.calls, expected(family), strict=True):
        fed = {**feeds, **ours}
        found = network({port: value for port in network.inputs for name, value in fed.items() if name in port.names})
        for name, value in want.items():
            assert found[name].shape == value.shape, name
            assert_close(found[name], value, EXACT, name)
            assert value.size == 0 or value.std() > 0.01, f"{name} says nothing"
        ours = {name: found[output] for name, output in graph.states.items()}


@pytest.mark.requires_tf
@pytest.mark.parametrize("family", CONVERTED, ids=str)
def test_a_family_becomes_what_the_page_says(family):
    check(convert(graph_of(family).graph_def)[0], family)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.parametrize("family", [family for family in CONVERTED if not family.mo], ids=str)
def test_the_same_through_mo(tmp_path, family):
    from tests.support.mo_run import mo

    (tmp_path / "model.pb").write_bytes(graph_of(family).graph_def)
    model, printed = mo(tmp_path / "model.pb")
    assert family.loops or "own frontend" not in printed
    check(model, family)


@pytest.mark.sampled
@pytest.mark.requires_tf
@pytest.mark.parametrize("family", REFUSED, ids=str)
def test_what_is_refused_says_why(family):
    found = recognise(GraphView.of(parse(GraphDef, graph_of(family).graph_def, what="a test")))
    assert not found.lstms
    said = [str(refusal) for refusal in found.refused]
    assert any(family.reason in each for each in said) or family.reason == "" == "".join(said)


@pytest.mark.sampled
@pytest.mark.requires_tf
@pytest.mark.parametrize("family", [family for family in REFUSED if "ovc" in family.instead], ids=str)
def test_what_is_refused_is_converted_by_the_tool_that_is_named(family, tmp_path):
    (tmp_path / "model.pb").write_bytes(graph_of(family).graph_def)
    check_numbers(openvino.convert_model(tmp_path / "model.pb"), family)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.parametrize("family", TAKEN, ids=str)
def test_what_is_refused_keeps_its_numbers(tmp_path, family):
    """The plugin breaks nothing that `mo` converts without it."""
    from tests.support.mo_run import mo

    (tmp_path / "model.pb").write_bytes(graph_of(family).graph_def)
    model = mo(tmp_path / "model.pb")[0]
    assert op_counts(model)["LSTMSequence"] == 0
    check_numbers(model, family)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.parametrize("family", NOWHERE, ids=str)
def test_what_no_tool_is_named_for_mo_does_not_convert_by_itself(tmp_path, family):
    from tests.support.mo_run import MOError, mo

    (tmp_path / "model.pb").write_bytes(graph_of(family).graph_def)
    with pytest.raises(MOError, match="Loop detected during topological sort"):
        mo(tmp_path / "model.pb", plugin=False)


def test_the_page_is_current():
    page = runpy.run_path(str(ROOT / "docs" / "make_other_models.py"))
    wanted = "run PYTHONPATH=. python docs/make_other_models.py"
    assert (ROOT / "docs" / "other-models.md").read_text(encoding="utf-8") == page["text"](families()), wanted


def test_every_family_is_shown():
    named = [family.shown_by for family in families() if family.graph is None]
    assert [name for name in named if not re.fullmatch(r"tests/test_\w+\.py", name) or not (ROOT / name).exists()] == []
