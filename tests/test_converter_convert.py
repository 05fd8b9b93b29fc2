"""convert(): options, metadata, files that appear together or not at all, and refusals before any work."""

import json
import os
import re

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.ir import save
from deepspeech_recipe.ir.metadata import alphabet_labels, read_metadata
from deepspeech_recipe.ir.options import CHOICES
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.sources import LoadedModel
from tests.support import compare, contract
from tests.support.limits import assert_close

NINE = [bytes([0x61 + index]) for index in range(9)]  # with the blank, as many as the synthetic graphs' classes


def convert(case, output, **options):
    options = {"converter": "openvino", "verify": False, **options}
    return deepspeech_recipe.convert(contract.case(case).path, output, **options)


def test_a_plain_conversion(tmp_path):
    lines = []
    result = convert("v0.9", tmp_path / "new" / "folder", log=lines.append)
    assert result.files == (tmp_path / "new/folder/v0.9.xml", tmp_path / "new/folder/v0.9.bin")
    assert sorted(path.name for path in (tmp_path / "new/folder").iterdir()) == ["v0.9.bin", "v0.9.xml"]
    assert [tensor["name"] for tensor in result.inputs] == ["input_node", "previous_state_c", "previous_state_h"]
    assert [tensor["name"] for tensor in result.outputs] == ["logits", "new_state_c", "new_state_h"]
    assert result.inputs[0]["shape"] == [3, 7, 5, 6]
    assert result.verification is None
    assert result.converter == result.metadata["converter"]
    assert [line.split()[0] for line in lines] == ["reading", "DeepSpeech", "converting", "writing"]
    json.dumps(result.as_dict())
    each = contract.case("v0.9")
    compare.check_numbers(ov.Core().read_model(result.files[0]), each)


def test_the_audio_part_goes_with_the_model_whose_it_was(tmp_path):
    """No program tells it from one of the new model."""
    convert("v0.9", tmp_path, name="m", audio="separate")
    convert("v0.9", tmp_path, name="m.other", audio="separate")
    foreign = convert("v0.2", tmp_path, name="n").files[0]
    foreign.with_suffix(".audio.xml").write_text("<net>somebody's</net>")
    convert("v0.2", tmp_path, name="m")
    convert("v0.9", tmp_path, name="n")
    parts = [f"m.other.audio{suffix}" for suffix in (".bin", ".xml")]
    assert sorted(path.name for path in tmp_path.glob("*audio*")) == [*parts, "n.audio.xml"]
    assert deepspeech_recipe.verify(contract.case("v0.2").path, tmp_path / "m.xml", reference="numpy").passed


def test_every_option_at_once(tmp_path):
    result = convert(
        "steps_open", tmp_path, name="model", state="internal", batch=2, time_steps=9, lengths="input", head="raw",
        audio="separate", weights="fp16", sample_rate=16000, window_ms=32, step_ms=20, language="de", beam_width=7,
    )  # fmt: skip
    assert [path.name for path in result.files] == ["model.xml", "model.bin", "model.audio.xml", "model.audio.bin"]
    expected = {
        "state": "internal", "batch": 2, "time_steps": 9, "lengths": "input", "head": "raw", "audio": "separate",
        "weights": "fp16", "language": "de", "beam_width": 7,
    }  # fmt: skip
    for path in result.files[::2]:
        metadata = read_metadata(ov.Core().read_model(path))
        assert {key: metadata[key] for key in expected} == expected
    assert [tensor["name"] for tensor in result.inputs] == ["input_node", "lengths"]
    features = ov.Core().read_model(result.files[2])
    assert features.input("samples").get_partial_shape() == ov.PartialShape([-1, -1])
    assert features.output("input_node").get_partial_shape() == ov.PartialShape([-1, -1, 5, 6])


@pytest.mark.parametrize("lengths", CHOICES["lengths"])
def test_attached_audio_is_separate_audio_in_one_model(tmp_path, lengths):
    result = convert("v0.9", tmp_path, name="one", audio="attached", lengths=lengths)
    assert [tensor["name"] for tensor in result.outputs] == ["logits"]
    wanted = ["samples"] if lengths == "enforce" else ["samples", "sample_lengths"]
    assert [tensor["name"] for tensor in result.inputs] == wanted
    assert result.metadata["audio"] == "attached"
    parts = convert("v0.9", tmp_path, name="two", audio="separate", time_steps="dynamic")
    samples = np.random.default_rng(2).normal(0, 0.1, (3, 9000)).astype(np.float32)
    one, acoustic, audio = (
        compare.compiled(ov.Core().read_model(path)) for path in (result.files[0], parts.files[0], parts.files[2])
    )
    windows = audio([samples])[0]
    zeros = np.zeros((3, 11), np.float32)
    want = acoustic([windows, zeros, zeros])["logits"]
    feeds = [samples] if lengths == "enforce" else [samples, np.full(3, 9000)]
    found = one(feeds)["logits"]
    assert want.shape == (windows.shape[1], 3, 10)
    assert_close(found, want, compare.EXACT)
    assert np.ptp(want, axis=0).max() > 0.01


@pytest.mark.parametrize("weights", CHOICES["weights"])
def test_weights_are_stored_as_asked_and_features_in_full(tmp_path, weights):
    result = convert("v0.9", tmp_path, weights=weights, audio="separate")
    graph, features = (ov.Core().read_model(path) for path in result.files[::2])
    kinds = {name: _large_constants(model) for name, model in (("graph", graph), ("features", features))}
    wanted = {"fp32": {"f32"}, "fp16": {"f16"}, "int8": set()}[weights]
    assert kinds == {"graph": wanted, "features": {"f32"}}
    assert result.metadata["weights"] == weights


def _large_constants(model) -> set[str]:
    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    kinds = [(node.get_element_type().get_type_name(), np.prod(node.get_output_shape(0))) for node in constants]
    return {kind for kind, size in kinds if kind in ("f16", "f32") and size > 100}


def test_what_the_file_does_not_know_can_be_said(tmp_path):
    alphabet = tmp_path / "alphabet.txt"
    alphabet.write_text("# a comment\n" + "\n".join("zyxwvutsr") + "\n")
    typed = {"alphabet": alphabet, "sample_rate": 8000, "window_ms": 32, "step_ms": 20}
    metadata = convert("v0.3", tmp_path, **typed).metadata
    assert alphabet_labels(metadata["alphabet"]) == [label.encode() for label in "zyxwvutsr"]
    assert [metadata[key] for key in ("sample_rate", "window_ms", "step_ms")] == [8000, 32, 20]
    silent = convert("v0.3", tmp_path).metadata
    # The rate is that of its client, which took no other.
    assert [silent[key] for key in ("alphabet", "sample_rate", "window_ms")] == [None, 16000, None]


def test_what_is_typed_goes_before_what_the_graph_says(tmp_path):
    graph = convert("v0.9", tmp_path).metadata
    typed = convert("v0.9", tmp_path, alphabet=serialize_alphabet(NINE[::-1]), language="xx").metadata
    assert alphabet_labels(graph["alphabet"]) == NINE
    assert alphabet_labels(typed["alphabet"]) == NINE[::-1]
    assert (graph["language"], typed["language"]) == (None, "xx")


def test_what_lay_beside_the_model_goes_after_what_the_graph_says():
    beside = {"alphabet": serialize_alphabet(NINE), "language": "de", "sample_rate": 44100}
    source = LoadedModel("m.pb", "archive", None, {"language": "fr"}, beside)
    found = source.complete({"alphabet": None, "language": "en", "sample_rate": 8000, "beam_width": None})
    assert alphabet_labels(found.pop("alphabet")) == NINE
    assert found == {"language": "fr", "sample_rate": 8000, "beam_width": None}


@pytest.mark.parametrize("case", ["v0.2", "v0.9"])
def test_a_conversion_ends_with_its_verification(tmp_path, case):
    result = convert(case, tmp_path, verify=True)
    assert result.verification.passed, result.verification.as_dict()
    assert result.as_dict()["verification"]["checks"]


@pytest.mark.parametrize(
    ("case", "options", "reason"),
    [
        ("v0.9", {"alphabet": serialize_alphabet(NINE[:8])}, "has 8 labels, 9 classes with the blank.* has 10 classes"),
        ("rate_8k", {"sample_rate": 16000}, "A sample rate of 16000 Hz was given.*has 8000 Hz"),
        ("v0.9", {"window_ms": 25}, "A window of 25 ms was given.* has 32 ms"),
        ("v0.9", {"step_ms": 10}, "A step of 10 ms was given.* has 20 ms"),
        ("v0.9", {"converter": "ovc"}, "converter must be openvino or mo, not 'ovc'"),
        ("v0.9", {"weights": "int4"}, "weights must be fp32 or fp16"),
        ("v0.9", {"lengths": "some"}, "lengths must be enforce or input"),
        ("v0.9", {"audio": "both"}, "audio must be none or separate or attached"),
        ("v0.9", {"audio": "attached", "time_steps": 5}, "the time steps cannot be fixed to 5"),
        ("v0.9", {"state": "internal", "batch": "dynamic"}, "Internal state needs a fixed batch"),
        ("v0.9", {"n_steps": 16}, "only a checkpoint needs n_steps"),
        ("v0.9", {"name": "a/b"}, "'a/b' is not a file name"),
        ("v0.9", {"name": ""}, "'' is not a file name"),
    ],
)
def test_refusals_leave_nothing_behind(tmp_path, case, options, reason):
    with pytest.raises(RecipeError, match=reason):
        convert(case, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no model\n", bytes(range(256)) * 9], ids=["empty", "text", "bytes"])
def test_files_that_are_not_a_model_are_refused(tmp_path, content):
    path = tmp_path / "model.pb"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=re.escape(str(path))):
        deepspeech_recipe.convert(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _graph_without_lstm(path):
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (2, 3))
    graph.node("y", "Relu", ["x"], T=DType(FLOAT))
    path.write_bytes(graph.graph.SerializeToString())
    return path


def test_a_graph_without_any_lstm_is_refused(tmp_path):
    path = _graph_without_lstm(tmp_path / "other.pb")
    with pytest.raises(RecipeError, match=r"No DeepSpeech model was found.*no LSTM.*ovc"):
        deepspeech_recipe.convert(path, tmp_path / "out", converter="openvino")


def test_a_general_graph_takes_no_option_of_deepspeech(tmp_path):
    from tests.graphs.one_lstm import lstm_graph

    path = tmp_path / "tagger.pb"
    path.write_bytes(lstm_graph(5, 5).SerializeToString())
    options = {"converter": "openvino"}
    with pytest.raises(RecipeError, match="--state internal and --batch dynamic: only a DeepSpeech model"):
        deepspeech_recipe.convert(path, tmp_path / "out", state="internal", batch="dynamic", **options)
    result = deepspeech_recipe.convert(path, tmp_path / "out", **options)
    assert (result.metadata["states"], result.metadata["inputs"], result.metadata["outputs"]) == ({}, ["x"], ["y"])
    assert "BlockLSTM 'lstm' becomes an LSTMSequence" in " ".join(result.notes)
    assert result.files[0].exists()


def test_a_failed_conversion_keeps_what_was_there(tmp_path, monkeypatch):
    convert("v0.9", tmp_path, name="model")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(model, path, **_):
        path.write_bytes(b"half")
        raise RuntimeError("Could not write:\nno space left")

    monkeypatch.setattr(save.ov, "save_model", full)
    with pytest.raises(RecipeError, match=r"the IR cannot be written \(no space left"):
        convert("v0.5", tmp_path, name="model")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(RecipeError):
        convert("v0.5", tmp_path / "new", name="model")
    assert not (tmp_path / "new").exists()


def test_a_directory_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(RecipeError, match="no permission"):
        convert("v0.9", tmp_path / "out")


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(RecipeError, match="is a file; give a directory"):
        convert("v0.9", tmp_path / "out")


def test_audio_and_internal_state_of_a_stateless_graph(tmp_path):
    with pytest.raises(Refusal, match="the same constant state"):
        convert("no_state", tmp_path / "out", state="internal")
    assert set(CHOICES["audio"]) == {"none", "separate", "attached"}
