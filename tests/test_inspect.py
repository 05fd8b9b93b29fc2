"""`deepspeech-recipe inspect`: what it says of each kind of graph. Most of it without TensorFlow."""

import io
import json
import sys
import tarfile

import pytest

from deepspeech_recipe import Refusal, cli, inspect
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from tests.support.pbmm_writer import write_pbmm
from tests.support.source_models import AUDIO, HIDDEN, LABELS, N_CONTEXT, N_INPUT, SIZES, graph_bytes, make_graph


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(graph_bytes())
    return path


def printed(capsys, *arguments) -> str:
    assert cli.main(["inspect", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_the_document_describes_file_graph_and_tensors(model):
    found = inspect(model)
    assert found["file"] == {
        "path": str(model),
        "kind": "pb",
        "size": len(graph_bytes()),
        "nodes": len(make_graph().node),
    }
    assert (found["why_not"], found["notes"], found["refused"]) == (None, [], [])
    speech = found["deepspeech"]
    wanted = {
        "generation": "v0.7 to v0.9 or Coqui STT",
        "sample_rate": 8000,
        "window_ms": 32,
        "step_ms": 20,
        "beam_width": 300,
        "language": "xx",
        "alphabet": {"encoding": "utf-8", "labels": [label.decode() for label in LABELS]},
        "n_input": N_INPUT,
        "n_context": N_CONTEXT,
        "hidden_size": HIDDEN,
        "dense_sizes": [*SIZES, len(LABELS) + 1],
        "classes": len(LABELS) + 1,
        "layer_norm": False,
        "time_steps": 5,
        "batch": 1,
        "head": "probabilities",
        "state": "placeholders",
        "last_state": "GatherNd",
        "forget_bias": 0.0,
    }
    assert {key: speech[key] for key in wanted} == wanted
    assert speech["features"]["window_size"] == AUDIO.window_size
    assert speech["features"]["upper_frequency_limit"] == AUDIO.upper_frequency_limit


def test_tensors_have_the_contract_s_names_and_the_graph_s(model):
    tensors = inspect(model)["deepspeech"]["tensors"]
    assert {name: (tensor["direction"], tensor["shape"]) for name, tensor in tensors.items()} == {
        "input_node": ("input", [1, 5, 2 * N_CONTEXT + 1, N_INPUT]),
        "previous_state_c": ("input", [1, HIDDEN]),
        "previous_state_h": ("input", [1, HIDDEN]),
        "logits": ("output", [5, 1, len(LABELS) + 1]),
        "new_state_c": ("output", [1, HIDDEN]),
        "new_state_h": ("output", [1, HIDDEN]),
        "lengths": ("dropped", [1]),
        "samples": ("features", None),
        "mfccs": ("features", None),
    }
    assert tensors["new_state_c"]["name"].endswith("/GatherNd:0")
    assert tensors["new_state_c"]["aliases"] == ["new_state_c:0"]


def test_the_text_describes_model_sizes_and_tensors(capsys, model):
    lines = printed(capsys, model).splitlines()
    assert lines[1] == "DeepSpeech v0.7 to v0.9 or Coqui STT"
    assert "  windows       5 frames (2 on each side) of 4 features" in lines
    assert "  dense layers  11, 9, 8, 10, 6" in lines
    assert "  input     previous_state_c  [1, 7]        previous_state_c:0" in lines
    assert "  alphabet      5 labels: ␣ a b é '" in lines


def test_json_is_the_same_document(capsys, model):
    assert json.loads(printed(capsys, model, "--json")) == inspect(model)


def test_a_package_is_named_as_one(capsys, tmp_path):
    path = tmp_path / "model.pbmm"
    count = write_pbmm(make_graph(), path, smallest=100)
    text = printed(capsys, path)
    assert f"{path}: pbmm, " in text
    assert f"  {count} constants (" in text
    assert inspect(path)["deepspeech"] == inspect_bytes(tmp_path, graph_bytes())["deepspeech"]


def inspect_bytes(tmp_path, data: bytes) -> dict:
    path = tmp_path / "other.pb"
    path.write_bytes(data)
    return inspect(path)


def test_an_alphabet_beside_the_model_is_used(tmp_path):
    graph = parse(GraphDef, graph_bytes(), what="")
    kept = [node for node in graph.node if node.name != "metadata_alphabet"]
    del graph.node[:]
    graph.node.extend(kept)
    path = tmp_path / "model.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in (("m/model.pb", graph.SerializeToString()), ("m/alphabet.txt", b"x\ny\nz\nu\nv\n")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert inspect(path)["deepspeech"]["alphabet"]["labels"] == ["x", "y", "z", "u", "v"]
    # What the graph says goes before what lies beside it.
    with tarfile.open(path, "w") as archive:
        for name, data in (("m/model.pb", graph_bytes()), ("m/alphabet.txt", b"x\ny\nz\nu\nv\n")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert inspect(path)["deepspeech"]["alphabet"]["labels"][1] == "a"


def test_labels_that_are_no_text(capsys, tmp_path):
    graph = parse(GraphDef, graph_bytes(), what="")
    (node,) = (node for node in graph.node if node.name == "metadata_alphabet")
    serialized = node.attr["value"].tensor.string_val[0]
    node.attr["value"].tensor.string_val[0] = serialized.replace(b"a", b"\xff")
    path = tmp_path / "bytes.pb"
    path.write_bytes(graph.SerializeToString())
    assert "5 labels that are bytes, not text" in printed(capsys, path)
    assert inspect(path)["deepspeech"]["alphabet"]["encoding"] == "base64"


def test_a_deepspeech_near_miss_is_refused_with_its_name(capsys, tmp_path):
    graph = parse(GraphDef, graph_bytes(), what="")
    (cell,) = (node for node in graph.node if node.op == "BlockLSTM")
    cell.attr["cell_clip"].f = 3.0
    path = tmp_path / "clip.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(Refusal, match="clip"):
        inspect(path)
    assert cli.main(["inspect", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"deepspeech-recipe: error: {path}: ")
    assert f"Node at fault: '{cell.name}'" in captured.err


def test_a_graph_without_lstm_is_not_an_error(capsys, tmp_path):
    graph = GraphDef()
    graph.node.add(name="x", op="Placeholder")
    path = tmp_path / "other.pb"
    path.write_bytes(graph.SerializeToString())
    assert printed(capsys, path).splitlines()[1:] == [
        "no DeepSpeech model",
        "  not 'deepspeech': DeepSpeech has one BlockLSTM, this graph has 0",
        "  not 'deepspeech-0.1': DeepSpeech v0.1 has two loops of LSTM cells, this graph has 0",
        "  input 'x' of unknown rank ?",
    ]
    assert inspect(path)["deepspeech"] is None


def test_needs_neither_tensorflow_nor_openvino(capsys, model, monkeypatch):
    for name in ("tensorflow", "openvino"):
        monkeypatch.setitem(sys.modules, name, None)  # makes their import fail
    assert "DeepSpeech v0.7" in printed(capsys, model)


@pytest.mark.parametrize(
    ("version", "generation", "state", "form", "head"),
    [
        ("0.2", "v0.2 or v0.3", "variables", "Gather", "raw"),
        ("0.4", "v0.4", "variables", "GatherNd", "probabilities"),
        ("0.5", "v0.5", "variables", "GatherNd", "probabilities"),
        ("0.6", "v0.6", "placeholders", "GatherNd", "probabilities"),
    ],
)
def test_every_release_is_told_with_its_state_and_head(capsys, graph_file, version, generation, state, form, head):
    path = graph_file(version)
    found = inspect(path)["deepspeech"]
    assert (found["generation"], found["state"], found["last_state"], found["head"]) == (generation, state, form, head)
    assert f"state         in {state}, last state by {form}" in printed(capsys, path)


def test_an_open_number_of_steps_is_dynamic(capsys, graph_file):
    path = graph_file("0.9", n_steps=-1)
    assert inspect(path)["deepspeech"]["time_steps"] == "dynamic"
    assert "[3, ?, 7, 11]" in printed(capsys, path)


def test_other_lstms_are_described(tf, capsys, tmp_path):
    from tests.graphs import foreign

    text = printed(capsys, foreign.stacked_language_model().save(tmp_path / "two.pb"))
    assert "DeepSpeech has one BlockLSTM, this graph has 2" in text
    assert text.count("can become an LSTMSequence; state: ") == 2
    text = printed(capsys, foreign.gates_consumed().save(tmp_path / "gates.pb"))
    assert "left as it is: The LSTM's" in text
