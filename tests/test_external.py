"""Large constants lie outside of the graph; tests' models are small, so 256 elements are large here."""

import gc

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef import external
from deepspeech_recipe.graphdef.external import External, dequantized
from deepspeech_recipe.graphdef.proto import GraphDef, NodeDef, parse
from deepspeech_recipe.graphdef.pure import pure_graph
from deepspeech_recipe.graphdef.tensor import from_numpy, to_numpy
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.sources.frozen import read_binary
from deepspeech_recipe.sources.mapped import map_file, parse_mapped
from deepspeech_recipe.sources.wire import header
from tests.support.exporter_fixtures import FOLDER
from tests.support.pbmm_writer import write_pbmm
from tests.support.source_models import make_graph

READERS = ("graphdef.external", "sources.stream")
FILES = ("model.pb", "model.pbmm", "plain/float.tflite", "other/int8.tflite", "plain/checkpoint")


@pytest.fixture(params=FILES)
def path(request, tmp_path, monkeypatch):
    for module in READERS:
        monkeypatch.setattr(f"deepspeech_recipe.{module}.LARGE", 256)
    for module in ("mapped", "frozen", "pbmm"):
        monkeypatch.setattr(f"deepspeech_recipe.sources.{module}.LARGEST_INSIDE", 1024)
    if "/" in request.param:
        return FOLDER / request.param
    path, graph = tmp_path / request.param, make_graph(scale=4)
    if request.param == "model.pb":
        path.write_bytes(graph.SerializeToString())
    else:
        write_pbmm(graph, path, smallest=100)
    return path


def constants(graph) -> dict[str, np.ndarray]:
    return {node.name: to_numpy(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}


def test_every_way_out_of_the_graph_gives_the_same_constants(path, tmp_path):
    model = open_model(path)
    assert len(model.external) >= 3
    found = constants(model.graph)
    model.write_pb(tmp_path / "written.pb")
    np.testing.assert_equal(constants(read_binary(tmp_path / "written.pb")), found)
    run = pure_graph(model.graph, [Tensor("logits")], [])
    whole = parse(GraphDef, run.SerializeToString(), what="the graph that is run")
    assert constants(whole).keys() >= {node.name for node in whole.node if node.name.endswith("weights")}
    assert not any(node.attr["value"].tensor.external for node in whole.node if node.op == "Const")
    np.testing.assert_equal(constants(whole), {name: found[name] for name in constants(whole)})


@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_an_ir_is_the_same(path, tmp_path, monkeypatch, weights):
    convert(path, tmp_path / "external", name="m", weights=weights, verify=False)
    open_model(path).write_pb(tmp_path / "m.pb")
    monkeypatch.setattr("deepspeech_recipe.sources.frozen.LARGEST_INSIDE", 2**30)
    convert(tmp_path / "m.pb", tmp_path / "inside", weights=weights, verify=False)
    assert (tmp_path / "external" / "m.bin").read_bytes() == (tmp_path / "inside" / "m.bin").read_bytes()


def test_they_go_with_the_model(path):
    model = open_model(path)
    graph, numbers = model.graph, [each.number for each in model.external]
    assert all(number in external._arrays for number in numbers)
    without = model.without_graph()
    del model
    gc.collect()
    assert not any(number in external._arrays for number in numbers)
    assert without.graph is None
    with pytest.raises(RecipeError, match="A constant refers to values that are not there; the file is damaged"):
        constants(graph)


@pytest.mark.parametrize("scale", [np.float32([0.5]), np.float32([[0.5], [2.0], [3.0]])])
@pytest.mark.parametrize("zero", [None, np.array([7]), np.array([[1], [2], [3]])])
def test_a_part_is_that_of_the_whole(scale, zero):
    values = np.arange(12, dtype=np.int8).reshape(3, 4)
    whole, stored = dequantized(values, scale, zero), External(values, scale, zero)
    part = slice(1, 3), slice(0, 2)
    assert (stored.dtype, stored.shape, len(stored)) == (np.float32, (3, 4), 3)
    for one, other in ((stored[...], whole), (stored[part], whole[part]), (stored.T[part], whole.T[part])):
        np.testing.assert_array_equal(one, other)


def test_a_part_of_a_constant():
    """Of one outside of the graph nothing else is read."""
    asked = []
    values = External(np.arange(12, dtype=np.float32).reshape(3, 4), forget=lambda: asked.append("forget"))
    graph = GraphDef()
    for name, value in (("outside", values), ("inside", values[...])):
        node = graph.node.add(name=name, op="Const")
        from_numpy(value, node.attr["value"].tensor)
    view, part = GraphView.of(graph), (slice(1, 2), slice(2, 4))
    asked.clear()
    for name in ("outside", "inside"):
        np.testing.assert_array_equal(view.constant_part(Tensor(name), part), [[6, 7]])
    assert asked == ["forget"]
    assert view.constant_part(Tensor("outside"), part).base is None  # the file's pages may go


@pytest.mark.parametrize(
    "change",
    [
        "a constant of another size",
        "a second value",
        "a large attribute of another node",
        "a number that is its own",
        "cut off",
    ],
)
def test_protobuf_reads_what_is_unusual(tmp_path, monkeypatch, change):
    monkeypatch.setattr("deepspeech_recipe.sources.mapped.LARGEST_INSIDE", 1024)
    graph = GraphDef()
    graph.CopyFrom(make_graph(scale=4))
    large = [node for node in graph.node if node.op == "Const" and len(node.attr["value"].tensor.tensor_content) > 1024]
    if change == "a constant of another size":
        large[0].attr["value"].tensor.tensor_shape.dim[0].size += 1
    elif change == "a large attribute of another node":
        next(node for node in graph.node if node.op == "Identity").attr["value"].CopyFrom(large[0].attr["value"])
    elif change == "a number that is its own":
        next(node for node in graph.node if node.op == "Const" and node not in large).attr["value"].tensor.external = 1
    data = graph.SerializeToString()
    if change == "a second value":
        again = NodeDef(attr={"value": large[0].attr["value"]}).SerializeToString()
        node = large[0].SerializeToString() + again
        data += header(0x0A, len(node)) + node
    path = tmp_path / "m.pb"
    path.write_bytes(data[:-3] if change == "cut off" else data)
    assert parse_mapped(map_file(path)) is None
    path.write_bytes(make_graph(scale=4).SerializeToString())
    assert parse_mapped(map_file(path)) is not None
