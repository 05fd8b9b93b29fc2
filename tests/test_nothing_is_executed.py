"""Every command that runs a model, on a working DeepSpeech graph with an operation that writes a file beside it."""

from pathlib import Path

import pytest

from deepspeech_recipe import cli
from deepspeech_recipe.graphdef.build import GraphBuilder
from tests.graphs.effects import EFFECTS
from tests.support.mo_run import MOError, mo
from tests.support.reference import session

GRAPH = Path(__file__).with_name("fixtures") / "synthetic" / "batch_1.pb"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """(the graph's file, the file that it would write)."""
    folder = tmp_path_factory.mktemp("hostile")
    builder = GraphBuilder()
    builder.graph.ParseFromString(GRAPH.read_bytes())
    EFFECTS[0].write(builder, str(folder / "written"))
    next(node for node in builder.graph.node if node.name == "logits").input.append("^effect")
    (folder / "model.pb").write_bytes(builder.graph.SerializeToString())
    return folder / "model.pb", folder / "written"


@pytest.fixture(scope="module")
def converted(hostile, tmp_path_factory):
    """The IR's .xml, compared with the original."""
    folder = tmp_path_factory.mktemp("ir")
    assert cli.main(["convert", str(hostile[0]), "-o", str(folder), "--converter", "openvino", "--verify"]) == 0
    assert not hostile[1].exists()
    return folder / "model.xml"


@pytest.mark.requires_tf
def test_the_case_is_a_true_one(hostile, tmp_path):
    with session(hostile[0].read_bytes()) as run:
        run("effect")
    assert hostile[1].exists()
    hostile[1].unlink()


@pytest.mark.requires_tf
@pytest.mark.parametrize(
    "command", ["verify", *(pytest.param(each, marks=pytest.mark.long) for each in ("diagnose", "benchmark"))]
)
def test_commands_compare_and_write_nothing(hostile, converted, command, capsys):
    options = ["--scenario=chunk", "--rounds", "1", "--threads", "1"] if command == "benchmark" else [str(converted)]
    assert cli.main([command, str(hostile[0]), *options]) == 0
    assert "TensorFlow" in capsys.readouterr().out or command == "diagnose"
    assert not hostile[1].exists()


@pytest.mark.requires_mo
def test_mo_refuses_by_the_name_and_writes_nothing(hostile):
    with pytest.raises(MOError, match=r"would run WriteFile to see its shape, .*Node at fault: 'effect'"):
        mo(hostile[0])
    assert not hostile[1].exists()
