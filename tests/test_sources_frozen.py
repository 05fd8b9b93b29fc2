"""Frozen graphs, binary and text, and the files that are none."""

import os
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import GraphBuilder
from deepspeech_recipe.graphdef.proto import GraphDef, MetaGraphDef, SavedModel, parse_text
from deepspeech_recipe.sources import LoadedModel, open_model
from tests.support.source_models import LABELS, graph_bytes, make_graph, outcome


def refused(path, content=None) -> str:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        open_model(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["model.pb", "model.pbmm", "model.tar.gz", "no suffix"])
def test_binary_graphs_are_told_by_their_content(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(graph_bytes())
    source = open_model(path)
    assert (source.kind, source.path) == ("pb", path)
    assert source.graph == make_graph()


def test_a_text_graph_is_read_like_the_binary_one(tmp_path):
    path = tmp_path / "model.pb"
    path.write_text(f"# written by hand\n{make_graph()}")
    source = open_model(str(path))
    assert source.kind == "pb text"
    assert source.graph == make_graph()


@pytest.mark.parametrize("scale", [1, 40])
def test_write_pb_streams_the_same_graph(tmp_path, scale):
    graph = GraphDef()
    graph.CopyFrom(make_graph(scale))
    graph.library.function.add().signature.name = "kept"
    (tmp_path / "in.pb").write_bytes(graph.SerializeToString())
    open_model(tmp_path / "in.pb").write_pb(tmp_path / "out.pb")
    written = GraphDef()
    written.ParseFromString((tmp_path / "out.pb").read_bytes())
    assert written == graph


def test_a_large_constant_in_value_fields_is_written(tmp_path):
    builder = GraphBuilder()
    builder.const("zeros", np.zeros((300, 300), np.float32))
    tensor = builder.graph.node[0].attr["value"].tensor
    tensor.ClearField("tensor_content")
    tensor.float_val.append(2.5)
    (tmp_path / "in.pb").write_bytes(builder.graph.SerializeToString())
    open_model(tmp_path / "in.pb").write_pb(tmp_path / "out.pb")
    assert open_model(tmp_path / "out.pb").graph == builder.graph


def test_what_the_user_typed_is_handed_on(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(graph_bytes())
    (tmp_path / "alphabet.txt").write_bytes(b"\n".join(LABELS))
    source = open_model(path, alphabet=tmp_path / "alphabet.txt", sample_rate=8000, language="de")
    assert source.overrides == {
        "alphabet": serialize_alphabet(LABELS),
        "sample_rate": 8000,
        "language": "de",
    }
    assert open_model(path).overrides == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sample_rate": 0}, "sample rate must be a whole number above zero, not 0"),
        ({"window_ms": -1}, "window must be a whole number above zero, not -1"),
        ({"step_ms": 2.5}, "step must be a whole number above zero, not 2.5"),
        ({"alphabet": b"\1"}, "too short for a serialized alphabet"),
        ({"n_steps": 16}, "only a checkpoint needs n_steps"),
    ],
)
def test_options_without_sense_are_refused(tmp_path, options, reason):
    path = tmp_path / "model.pb"
    path.write_bytes(graph_bytes())
    with pytest.raises(RecipeError, match=reason):
        open_model(path, **options)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (graph_bytes()[:-100], "cut off, damaged"),
        (graph_bytes()[:30], "cut off, damaged"),
        (b"\xff" * 5000, "cut off, damaged"),
        (b"Some notes about a model.\n", "is a text file, but not a text graph"),
        (b"node { name: 'a' op: }", "is a text file, but not a text graph: the text protobuf cannot be read"),
        (b"\n\x05\n\x01a\x12\x00", "without a name or an operation"),
        (b'"\x02\x08\x1b', "holds no graph node"),
        (b"\x08\x07\x12\x07pytorch\x1a\x031.9:\x04\x12\x02hi", "is an ONNX model \\(made by pytorch\\)"),
        (b"<?xml version='1.0'?><net name='x'>", "is an OpenVINO IR already"),
        (b"<!DOCTYPE html><html>Not found", "is an XML or HTML file"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "is a sound file"),
        (b"mmap lm http://kheafield.com/code format version 5\n\0", "give the acoustic model, and the scorer"),
        (b"\x89HDF\r\n\x1a\n", "is a HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, reason):
    assert re.search(reason, refused(tmp_path / "model.pb", content))


def test_a_truncated_graph_that_still_parses(tmp_path):
    """Cut between two nodes, a file is a valid message; the missing nodes are not missed silently."""
    graph = GraphDef()
    graph.CopyFrom(make_graph())
    removed = next(node for node in graph.node if node.op == "Const").name
    kept = [node for node in graph.node if node.name != removed]
    del graph.node[:]
    graph.node.extend(kept)
    reason = refused(tmp_path / "model.pb", graph.SerializeToString())
    assert f"reads '{removed}', which does not exist" in reason


def test_two_nodes_of_one_name_are_refused(tmp_path):
    content = graph_bytes() + graph_bytes()
    assert "two nodes have the name" in refused(tmp_path / "model.pb", content)


def test_control_and_numbered_inputs_are_understood(tmp_path):
    builder = GraphBuilder()
    builder.const("a", np.float32(1))
    builder.node("b", "Identity", ["a:0", "^a"])
    (tmp_path / "m.pb").write_bytes(builder.graph.SerializeToString())
    assert len(open_model(tmp_path / "m.pb").graph.node) == 2


def test_the_graph_file_of_a_savedmodel_or_checkpoint_names_the_remedy(tmp_path):
    saved = SavedModel(saved_model_schema_version=1)
    saved.meta_graphs.add().graph_def.CopyFrom(make_graph())
    assert "give the directory" in refused(tmp_path / "saved_model.pb", saved.SerializeToString())
    meta = MetaGraphDef(graph_def=make_graph())
    meta.meta_info_def.tags.append("train")
    assert "give the checkpoint's directory" in refused(tmp_path / "x.meta", meta.SerializeToString())


def test_paths_that_are_not_a_file_are_refused(tmp_path):
    assert "does not exist" in refused(tmp_path / "missing.pb")
    assert "is a directory without a model" in refused(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    assert "it holds notes.txt" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe, not a file" in refused(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "does not exist" in refused(tmp_path / "dangling")


def test_no_permission_to_read(tmp_path, monkeypatch):
    from pathlib import Path

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "model.pb").write_bytes(graph_bytes())
    monkeypatch.setattr(Path, "open", denied)
    assert "cannot be read (Permission denied)" in refused(tmp_path / "model.pb")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_graphs_open_or_are_refused(tmp_path_factory, data):
    content = bytearray(graph_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    opens_or_is_refused(tmp_path_factory, content)


@given(st.binary(max_size=400))
@example(b"\x08")
@example(b"\x08\x03\x12")
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_refused(tmp_path_factory, content):
    opens_or_is_refused(tmp_path_factory, content)


def opens_or_is_refused(tmp_path_factory, content) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "model.pb"
    path.write_bytes(content)
    result = outcome(lambda: open_model(path))
    assert isinstance(result, LoadedModel) or str(path) in str(result)


def test_a_mistake_in_a_long_line_is_told_by_its_beginning():
    with pytest.raises(RecipeError, match=r"^m\.pbtxt: the text protobuf cannot be read \(1:14 : .{290,300}…\)\.$"):
        parse_text(GraphDef, "node { name: " + "x" * 5000, what="m.pbtxt")
