"""Memory-mapped packages."""

import math
import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import GraphDef, MemmappedFileSystemDirectory
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.sources.frozen import read_binary
from deepspeech_recipe.sources.pbmm import unpack
from tests.support.pbmm_writer import PREFIX, write_pbmm
from tests.support.source_models import make_graph, outcome

SMALLEST = 100  # bytes of a constant that gets a region of its own


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "model.pbmm"
    assert write_pbmm(make_graph(), path, smallest=SMALLEST) > 5
    return path


def rewrite(path, change) -> None:
    """Applies `change` to the directory of a package, and writes it back."""
    data = path.read_bytes()
    (start,) = struct.unpack("<Q", data[-8:])
    directory = MemmappedFileSystemDirectory()
    directory.ParseFromString(data[start:-8])
    change(directory.element)
    path.write_bytes(data[:start] + directory.SerializeToString() + data[-8:])


def rewrite_graph(path, change) -> None:
    """Applies `change` to the graph of a package; its new form lies at the end of the regions."""
    data = path.read_bytes()
    (start,) = struct.unpack("<Q", data[-8:])
    directory = MemmappedFileSystemDirectory()
    directory.ParseFromString(data[start:-8])
    element = directory.element[-1]
    graph = GraphDef()
    graph.ParseFromString(data[element.offset : element.offset + element.length])
    change(graph)
    content = graph.SerializeToString()
    element.length = len(content)
    tail = directory.SerializeToString() + struct.pack("<Q", element.offset + len(content))
    path.write_bytes(data[: element.offset] + content + tail)


def refused(path) -> str:
    with pytest.raises(RecipeError) as caught:
        open_model(path)
    assert str(path) in str(caught.value)
    with pytest.raises(RecipeError):
        unpack(path, path.with_name("out.pb"))
    assert not path.with_name("out.pb").exists()
    return str(caught.value)


def immutable(graph):
    return next(node for node in graph.node if node.op == "ImmutableConst")


@pytest.mark.parametrize("form", [{}, {"alignment": 32, "lengths": False}])
@pytest.mark.parametrize("name", ["model.pbmm", "model.pb"])
def test_the_graph_is_that_of_the_pb(tmp_path, form, name):
    path = tmp_path / name
    count = write_pbmm(make_graph(), path, smallest=SMALLEST, **form)
    source = open_model(path)
    assert source.kind == "pbmm"
    assert source.graph == make_graph()
    assert f"{count} constants" in source.notes[0]


@pytest.mark.parametrize("scale", [1, 40])
def test_unpack_writes_an_ordinary_pb(tmp_path, scale):
    write_pbmm(make_graph(scale), tmp_path / "model.pbmm", smallest=SMALLEST)
    unpack(tmp_path / "model.pbmm", tmp_path / "out.pb")
    open_model(tmp_path / "model.pbmm").write_pb(tmp_path / "again.pb")
    source = open_model(tmp_path / "out.pb")
    assert source.kind == "pb"
    assert read_binary(tmp_path / "out.pb") == make_graph(scale)
    assert (tmp_path / "again.pb").read_bytes() == (tmp_path / "out.pb").read_bytes()


def test_a_package_without_large_constants(tmp_path):
    assert write_pbmm(make_graph(), tmp_path / "model.pbmm", smallest=10**9) == 0
    assert open_model(tmp_path / "model.pbmm").graph == make_graph()


@pytest.mark.parametrize("size", [1, 8, 9, 100, 5000])
def test_a_package_that_is_cut_off_is_refused(package, size):
    content = package.read_bytes()
    package.write_bytes(content[:size])
    refused(package)
    package.write_bytes(content[:-size])
    reason = refused(package)
    assert "cut off" in reason or "damaged" in reason


def test_the_reason_names_the_missing_directory(package):
    package.write_bytes(package.read_bytes()[:-100])
    assert "package (.pbmm) without the directory at its end" in refused(package)


def test_a_region_outside_the_file_is_refused(package):
    rewrite(package, lambda elements: setattr(elements[-1], "length", 2**40))
    assert "lies outside the file" in refused(package)


def test_an_offset_outside_the_file_is_refused(package):
    rewrite(package, lambda elements: setattr(elements[1], "offset", 2**63))
    assert "lies outside the file" in refused(package)


def test_regions_that_overlap_are_refused(package):
    rewrite(package, lambda elements: setattr(elements[0], "length", elements[0].length + 100))
    assert "overlaps the next" in refused(package)


def test_a_region_that_is_named_twice_is_refused(package):
    rewrite(package, lambda elements: setattr(elements[0], "name", elements[1].name))
    assert f"the package holds '{PREFIX}" in refused(package)


def test_a_package_without_a_graph_is_refused(package):
    rewrite(package, lambda elements: setattr(elements[-1], "name", PREFIX + "other"))
    assert "holds no graph" in refused(package)


@pytest.mark.parametrize("size", [1, 100])
def test_a_package_with_an_empty_directory_holds_no_graph(tmp_path, size):
    path = tmp_path / "model.pbmm"
    path.write_bytes(bytes(size) + struct.pack("<Q", size))
    with pytest.raises(RecipeError, match=r"model\.pbmm: the memory-mapped package holds no graph"):
        unpack(path, tmp_path / "out.pb")


def test_a_constant_larger_than_its_region_is_refused(package):
    def change(graph):
        for dim in immutable(graph).attr["shape"].shape.dim:
            dim.size = 2**40

    rewrite_graph(package, change)
    assert "but its region holds" in refused(package)


def test_a_constant_without_a_region_is_refused(package):
    rewrite_graph(package, lambda g: setattr(immutable(g).attr["memory_region_name"], "s", b"elsewhere"))
    assert "lies in 'elsewhere', which is not in the package" in refused(package)


@pytest.mark.parametrize(("size", "dtype"), [(-1, 1), (3, 7)])
def test_a_constant_that_is_not_a_fixed_array_of_numbers_is_refused(package, size, dtype):
    def change(graph):
        immutable(graph).attr["shape"].shape.dim[0].size = size
        immutable(graph).attr["dtype"].type = dtype

    rewrite_graph(package, change)
    assert "has no fixed shape or is not a number" in refused(package)


def test_a_constant_of_an_unknown_type_is_refused(package):
    rewrite_graph(package, lambda g: setattr(immutable(g).attr["dtype"], "type", 20))
    assert "DT_RESOURCE" in refused(package)


def test_nothing_is_written_where_it_cannot_be(package, tmp_path):
    with pytest.raises(RecipeError, match="does not exist"):
        unpack(package, tmp_path / "missing" / "out.pb")
    with pytest.raises(RecipeError, match="No such file"):
        unpack(tmp_path / "missing.pbmm", tmp_path / "out.pb")
    (tmp_path / "empty.pbmm").touch()
    with pytest.raises(RecipeError, match="too short"):
        unpack(tmp_path / "empty.pbmm", tmp_path / "out.pb")
    assert sorted(os.listdir(tmp_path)) == ["empty.pbmm", "model.pbmm"]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_packages_open_or_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "model.pbmm"
    write_pbmm(make_graph(), path, smallest=SMALLEST)
    content = bytearray(path.read_bytes())
    graph_and_directory = struct.unpack("<Q", content[-8:])[0] - 12_000
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(max(0, graph_and_directory), len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    result = outcome(lambda: open_model(path))
    assert isinstance(result, LoadedModel) or str(path) in str(result)


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
@settings(max_examples=150, deadline=None)
def test_random_packages_are_refused(tmp_path_factory, content, offset):
    path = tmp_path_factory.mktemp("fuzz") / "model.pbmm"
    path.write_bytes(content + struct.pack("<Q", offset % (2 * len(content) + 1)))
    result = outcome(lambda: unpack(path, path.with_name("out.pb")))
    assert isinstance(result, RecipeError)
    assert str(path) in str(result)
    assert os.listdir(path.parent) == [path.name]


def test_one_region_for_thousands_of_constants_is_refused(package, tmp_path, monkeypatch):
    """A small file that stands for gigabytes."""
    monkeypatch.setenv(limits.VARIABLE, "0.1")

    def share(graph):
        nodes = [node for node in graph.node if node.op == "ImmutableConst"]
        large = max(nodes, key=lambda node: math.prod(dim.size for dim in node.attr["shape"].shape.dim))
        size = 4 * math.prod(dim.size for dim in large.attr["shape"].shape.dim)
        for number in range(8 * 2**20 // size):
            graph.node.add().CopyFrom(large)
            graph.node[-1].name = f"copy{number}"

    rewrite_graph(package, share)
    for read in (open_model, lambda path: unpack(path, tmp_path / "m.pb")):
        with pytest.raises(RecipeError, match="its constants share regions, and take"):
            read(package)
    assert not (tmp_path / "m.pb").exists()
