"""DeepSpeech v0.1: bidirectional, without state, flat windows, a decoder behind the scores."""

from pathlib import Path

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.converters import openvino
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.passes.sequence_lengths import lengths_input
from deepspeech_recipe.recipes.recognition import recognise
from tests.support.compare import EXACT, check_structure, compiled
from tests.support.limits import assert_close
from tests.support.verify_models import replace_constant

GRAPH = Path(__file__).with_name("fixtures") / "old_tensorflow" / "v0.1.pb"


@pytest.fixture(scope="module")
def expected():
    """chunks [B, T, 57], lengths [B], logits at these lengths and (whole) at T: TensorFlow 1.6's."""
    with np.load(GRAPH.with_suffix(".npz")) as arrays:
        values = dict(arrays)
    return {**values, "chunks": values["chunks"] / np.float32(16)}


def convert(graph_def: bytes, **options):
    graph = parse(GraphDef, graph_def, what="a test")
    view = GraphView.of(graph)
    return openvino.prepare(graph, view, recognise(view), Options(**options)).convert()


def run(model, **feeds):
    return compiled(model)(feeds)["logits"]


def test_a_graph_of_its_time_is_recognised():
    model = recognise(GraphView.of(parse(GraphDef, GRAPH.read_bytes(), what="a test"))).acoustic
    assert model.generation == "v0.1"
    assert (model.batch, model.time_steps, model.n_context, model.n_input) == (None, None, 9, 3)
    assert (model.dense_sizes, model.lstm.hidden_size, model.classes) == ((14, 13, 12, 11, 10), 8, 10)
    assert (model.head, model.lstm.cell.forget_bias, str(model.lengths)) == ("raw", 1.0, "input_lengths:0")


def test_both_directions_become_sequences(expected):
    model = convert(GRAPH.read_bytes())
    check_structure(model, 2, backwards=1)
    assert [port.get_any_name() for port in model.inputs] == ["input_node"]
    assert {"logits", "logits:0"} <= model.output(0).get_names()
    metadata = read_metadata(model)
    assert (metadata["generation"], metadata["bidirectional"], metadata["head"]) == ("v0.1", True, "raw")
    found = run(model, input_node=expected["chunks"])
    assert_close(found, expected["whole"], EXACT)


def test_rows_shorter_than_the_sequence(expected):
    model = lengths_input(convert(GRAPH.read_bytes()))
    check_structure(model, 2, backwards=1)
    found = run(model, input_node=expected["chunks"], lengths=expected["lengths"].astype(np.int64))
    assert_close(found, expected["logits"], EXACT)
    assert np.abs(expected["logits"] - expected["whole"]).max() > 0.1


def test_a_row_alone_needs_no_lengths(expected):
    """time_len == seq_len: a call with as many windows as the row has gives what the graph gives at its length."""
    model = compiled(convert(GRAPH.read_bytes()))
    assert len(set(expected["lengths"])) > 1
    for row, length in enumerate(expected["lengths"]):
        found = model({"input_node": expected["chunks"][row : row + 1, :length]})["logits"]
        assert_close(found[:, 0], expected["logits"][:length, row], EXACT)


def test_fixed_sizes(expected):
    model = convert(GRAPH.read_bytes(), time_steps=9, batch=4)
    assert list(model.input(0).shape) == [4, 9, 57]
    assert_close(run(model, input_node=expected["chunks"]), expected["whole"], EXACT)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"state": "internal"}, "begins every call with the same constant state"),
        ({"audio": "attached"}, "v0.1 has no feature part"),
    ],
)
def test_options_that_v01_does_not_have_are_refused(tmp_path, options, reason):
    with pytest.raises(RecipeError, match=reason):
        deepspeech_recipe.convert(GRAPH, tmp_path / "out", converter="openvino", verify=False, **options)


def test_inspect_names_it():
    found = deepspeech_recipe.inspect(GRAPH)["deepspeech"]
    assert (found["generation"], found["state"]) == ("v0.1", "none")
    assert found["tensors"]["input_node"]["shape"] == [-1, -1, 57]
    assert found["tensors"]["lengths"]["direction"] == "dropped"


@pytest.mark.requires_tf
@pytest.mark.parametrize("lengths", ["enforce", "input"])
def test_convert_and_verify(tmp_path, lengths):
    result = deepspeech_recipe.convert(GRAPH, tmp_path, converter="openvino", lengths=lengths, verify=True)
    assert result.verification.passed, result.verification.as_dict()
    assert [port["name"] for port in result.inputs] == ["input_node", "lengths"][: 1 if lengths == "enforce" else 2]


@pytest.mark.requires_tf
@pytest.mark.requires_mo
@pytest.mark.parametrize("prefix", [pytest.param("", marks=pytest.mark.long), "deepspeech"])
def test_plain_mo(tmp_path, prefix):
    from tests.graphs.rnn import first_release
    from tests.support.mo_run import mo
    from tests.support.reference import run_graph

    graph = first_release(prefix=prefix)
    path = tmp_path / "model.pb"
    path.write_bytes(graph)
    model, printed = mo(path)
    assert "DeepSpeech v0.1: 19×3 features" in printed
    check_structure(model, 2, backwards=1)
    scope = f"{prefix}/" if prefix else ""
    for rows, steps in ((2, 7), (3, 1)):
        x = np.random.default_rng(rows).standard_normal((rows, steps, 57)).astype(np.float32)
        feeds = {f"{scope}input_node:0": x, f"{scope}input_lengths:0": [steps] * rows}
        (want,) = run_graph(graph, feeds, [f"{scope}logits:0"])
        assert_close(run(model, input_node=x), want, EXACT)
        assert f"{scope}logits:0" in model.output(0).get_names()
    assert len(model.outputs) == 1
    x, lengths = x[:, [0, 0, 0]], [1, 3, 2]
    (want,) = run_graph(graph, {f"{scope}input_node:0": x, f"{scope}input_lengths:0": lengths}, [f"{scope}logits:0"])
    for gated in (lengths_input(model), lengths_input(convert(graph))):
        check_structure(gated, 2, backwards=1)
        found = run(gated, input_node=x, lengths=np.int64(lengths))
        assert_close(found, want, EXACT)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
def test_windows_that_are_time_major_make_it_a_general_model(tmp_path):
    """Its loops become LSTMSequences all the same, lengths exact; `--output logits` cuts the decoder off."""
    from tests.graphs.rnn import first_release
    from tests.support.mo_run import mo
    from tests.support.reference import run_graph

    graph = parse(GraphDef, first_release(decoder=True), what="a test")
    nodes = {node.name: node for node in graph.node}
    (reader,) = (node for node in graph.node if "transpose" in node.input)
    reader.input[list(reader.input).index("transpose")] = "input_node"
    for end in ("strided_slice/stack", "strided_slice/stack_1"):  # of the shape: the batch is the second size now
        nodes[end].attr["value"].tensor.int_val[0] += 1
    for name in ("transpose", "transpose/perm"):
        graph.node.remove(nodes[name])
    path = tmp_path / "time_major.pb"
    path.write_bytes(graph.SerializeToString())
    found = deepspeech_recipe.inspect(path)
    assert "a Transpose of 'input_node' into time-major order" in found["misses"]["deepspeech-0.1"]
    with pytest.raises(RecipeError, match="CTCBeamSearchDecoder"):
        convert(path.read_bytes())
    model, _ = mo(path, "--output", "logits")
    check_structure(model, 2, backwards=1)
    assert [port.get_names() for port in model.outputs] == [{"logits", "logits:0"}]
    feeds = {"input_node:0": np.random.default_rng(1).standard_normal((7, 3, 57)).astype(np.float32)}
    feeds["input_lengths:0"] = np.int32([7, 2, 5])
    (want,) = run_graph(path.read_bytes(), feeds, ["logits:0"])
    assert_close(compiled(model)(feeds)["logits"], want, EXACT)


@pytest.mark.requires_tf
@pytest.mark.requires_mo
def test_mo_refuses_lengths_that_contradict(tmp_path):
    from tests.support.mo_run import MOError, mo

    with pytest.raises(MOError, match=r"'input_lengths' is frozen to \[5\], but the input has 7 time steps"):
        mo(GRAPH, "--input", "input_node[2 7 57]", "--freeze_placeholder_with_value", "input_lengths->[5]")


# What `python_speech_features` 0.6 and v0.1's client make of some noise.
CLASSIC = Path(__file__).with_name("fixtures") / "classic_mfcc" / "expected.npz"


def test_features_are_those_of_its_client():
    from deepspeech_recipe.runtime.frame_features.classic_mfcc import input_vectors, mfcc

    with np.load(CLASSIC) as arrays:
        samples, coefficients, vectors = (arrays[name] for name in ("samples", "mfcc", "vectors"))
    assert_close(mfcc(samples, 16000)[::2], coefficients, 1e-5)
    found = input_vectors(samples, 16000, 26, 9)
    assert_close(found[::7], vectors, 1e-6)
    assert abs(found.mean()) < 1e-5
    assert found.std() == pytest.approx(1, abs=1e-5)


def test_silence_and_a_few_samples_have_features():
    from deepspeech_recipe.runtime.frame_features.classic_mfcc import input_vectors

    assert input_vectors(np.zeros(100), 16000, 26, 9).shape == (1, 494)
    assert np.isfinite(input_vectors(np.zeros(2000), 16000, 26, 9)).all()


@pytest.fixture(scope="module")
def ir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ir")
    return deepspeech_recipe.convert(GRAPH, folder, converter="openvino", verify=False).files[0]


def test_windows_for_talking_heads(ir):
    from deepspeech_recipe.runtime.frame_features.classic_mfcc import input_vectors
    from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import DeepSpeechV01

    samples = (np.random.default_rng(5).standard_normal(16000) * 3000).astype(np.int16)
    network = DeepSpeechV01(ir)
    frames = network.features(samples)
    want = run(convert(GRAPH.read_bytes()), input_node=input_vectors(samples, 16000, 3, 9)[None])[:, 0]
    assert_close(frames, want, EXACT)
    windows = network.features(samples, rate=50, windows=16)
    assert windows.shape == (50, 16, 10)  # one second
    np.testing.assert_array_equal(windows[20], frames[12:28])
    assert not windows[0, :8].any()


def test_the_command_takes_every_second_window(ir, tmp_path, capsys):
    import wave

    from deepspeech_recipe.cli import main

    recording = tmp_path / "noise.wav"
    samples = (np.random.default_rng(6).standard_normal(8000) * 3000).astype("<i2")
    with wave.open(str(recording), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    out = tmp_path / "noise.npy"
    options = ["--model", str(ir), "-o", str(out), "--rate", "50", "--windows", "16", "--stride", "2"]
    assert main(["features", str(recording), *options]) == 0
    whole = deepspeech_recipe.features(recording, ir, rate=50, windows=16)
    np.testing.assert_array_equal(np.load(out), whole[::2])
    assert len(np.load(out)) == 13
    assert main(["features", str(recording), *options, "--stride", "0"]) == 2
    assert main(["features", str(recording), *options, "--tensor", "lstm"]) == 2
    assert "gives 'logits' only" in capsys.readouterr().err


def test_it_gives_no_text(ir):
    from deepspeech_recipe.runtime import Recognizer

    with pytest.raises(RecipeError, match="gives features, not text"):
        Recognizer(ir)


def test_the_runner_of_any_model_runs_it_without_a_state(ir, expected):
    from deepspeech_recipe.runtime import StatefulModel

    network = StatefulModel(ir)
    assert (network.inputs, network.outputs, dict(network.states)) == (("input_node",), ("logits",), {})
    found = network({"input_node": expected["chunks"]})["logits"]
    assert_close(found, expected["whole"], EXACT)


FORMS = [
    {}, {"lengths": "input"}, {"weights": "fp16"}, {"weights": "int8"}, {"batch": 3, "time_steps": 9},
    {"weights": "int8", "activations": "fp32", "lengths": "input"},
]  # fmt: skip


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_verify_and_diagnose_compare_it(options, tmp_path):
    path = deepspeech_recipe.convert(GRAPH, tmp_path, converter="openvino", verify=False, **options).files[0]
    for report in (deepspeech_recipe.verify(GRAPH, path, reference="numpy"), deepspeech_recipe.diagnose(GRAPH, path)):
        assert report.passed, "\n".join(report.lines())


def test_diagnose_names_the_stage_of_either_direction(ir):
    for direction in ("forward", "reverse"):
        model = ov.Core().read_model(ir)
        (node,) = (
            node for node in model.get_ops()
            if node.get_type_name() == "LSTMSequence" and node.get_attributes()["direction"] == direction
        )  # fmt: skip
        bias = node.input_value(6).get_node()
        replace_constant(bias, bias.get_data() + np.float32(0.01))
        assert deepspeech_recipe.diagnose(GRAPH, model).first == "lstm"
        assert not deepspeech_recipe.verify(GRAPH, model, reference="numpy").passed
