"""What verify does not compare, and why: one line each."""

import json
import wave
from types import SimpleNamespace

import numpy as np
import pytest

from deepspeech_recipe import RecipeError
from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.cli import main
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.audio_settings import ClientSettings, SpectrogramSettings
from deepspeech_recipe.ir.ov_api import i64, opset, ov
from deepspeech_recipe.verification import verify
from deepspeech_recipe.verification.diagnose import diagnose
from deepspeech_recipe.verification.recordings import Recording, at_edges_of_frames, read_recording
from deepspeech_recipe.verification.trace import layer_tensors
from tests.support import damages
from tests.support import verify_models as models


@pytest.fixture(autouse=True)
def _hear_little(monkeypatch):
    models.hear_little(monkeypatch)


def write_wav(path, samples, rate: int, channels: int = 1, width: int = 2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-8000, 8000, count).astype("<i2")


def test_an_ir_of_another_program():
    with pytest.raises(RecipeError, match="no deepspeech_recipe metadata"):
        verify(models.graph("v0.9"), models.without_metadata(models.ir("v0.9")))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("bytes", "classes 256 in the IR, 10 in the model"), ("fixed", "no such file"), ("v0.9.pb", "is not an IR")],
)
def test_an_ir_that_does_not_fit(name, reason, tmp_path):
    ir = models.ir_file("bytes") if name == "bytes" else tmp_path / name
    if name == "v0.9.pb":
        ir.write_bytes(models.graph("v0.9").read_bytes())
    with pytest.raises(RecipeError, match=reason):
        verify(models.graph("v0.9"), ir)


@pytest.fixture
def without_features(tmp_path):
    return models.without_features("v0.9", tmp_path)


def test_a_graph_without_features_against_an_ir_that_takes_samples(without_features):
    with pytest.raises(RecipeError, match="has no feature part: it is another model"):
        verify(without_features, models.ir("v0.9", audio="attached"))


def test_a_feature_model_is_only_a_part():
    part = models.ir_file("v0.9", audio="separate").with_suffix(".audio.xml")
    with pytest.raises(RecipeError, match="it is a part of a model"):
        verify(models.graph("v0.9"), part)


def test_a_missing_feature_model(tmp_path):
    ov.save_model(models.ir("v0.9", audio="separate"), tmp_path / "m.xml")
    with pytest.raises(RecipeError, match=r"m\.audio\.xml: the feature model is missing"):
        verify(models.graph("v0.9"), tmp_path / "m.xml")


def test_half_of_the_state():
    model = models.ir("v0.9")
    results = [result for result in model.get_results() if "new_state_h" not in result.input_value(0).get_names()]
    half = ov.Model(results, model.get_parameters(), "half")
    half.set_rt_info(model.get_rt_info(["deepspeech_recipe", "json"]).value, ["deepspeech_recipe", "json"])
    with pytest.raises(RecipeError, match="'new_state_h' is not both an input and an output"):
        verify(models.graph("v0.9"), half)


@pytest.mark.parametrize(
    ("row", "options", "shown"),
    [
        (0, {"batch": "dynamic"}, r"\[7, 1, 10\] for 3 utterances"),
        (1, {"audio": "attached", "state": "internal", "batch": 1}, r"\[\d+, 0, 10\] for 1 utterance"),
    ],
)
def test_an_output_without_some_rows_of_the_batch(row, options, shown):
    model = models.ir("v0.9", **options)
    damages.changed_rows(lambda value: opset.slice(value, i64(row), i64(row + 1), i64(1), i64(1)), model, 0)
    for command in (verify, diagnose):
        with pytest.raises(RecipeError, match=f"returns 'logits' {shown}, where"):
            command(models.graph("v0.9"), model)


def test_more_windows_a_call_than_a_graph_without_state_has():
    with pytest.raises(RecipeError, match="takes 9 windows a call"):
        verify(models.graph("no_state"), models.ir("no_state", time_steps=9))


@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_an_unknown_device(weights):
    with pytest.raises(RecipeError, match=r"Nothing compiles for NPU9 \(.*Devices here: .*CPU"):
        verify(models.graph("v0.9"), models.ir("v0.9", weights=weights), device="NPU9")


def test_recordings_for_a_graph_without_features(without_features, tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(100), 16000)
    with pytest.raises(RecipeError, match="no feature part, and its client's features are not known"):
        verify(without_features, models.ir("v0.9"), audio=[path])


def test_another_sample_rate(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(100), 44100)
    with pytest.raises(RecipeError, match=r"44100 Hz, the model wants 16000 Hz\. Convert it: sox"):
        verify(models.graph("v0.9"), models.ir("v0.9"), audio=[path])


def test_files_that_are_no_recordings(tmp_path):
    with pytest.raises(RecipeError, match="No such file"):
        read_recording(tmp_path / "missing.wav", 16000)
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(RecipeError, match=r"soundfile|cannot be read as audio"):
        read_recording(tmp_path / "text.wav", 16000)


@pytest.mark.parametrize("count", [0, 1, 511, 512, 4000])
def test_recordings_of_any_length_are_compared(count, tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(count), 16000)
    for options in ({}, {"audio": "attached"}):
        report = verify(models.graph("v0.9"), models.ir_file("v0.9", **options), audio=[path], reference="numpy")
        assert report.passed, "\n".join(report.lines())
        assert [result.windows for result in report.recordings] == [
            client_frame_count(count, SpectrogramSettings(512, 320))
        ]


@pytest.mark.parametrize(
    "framing",
    [
        *(SpectrogramSettings(*each) for each in ((512, 320), (400, 160), (8192, 320), (512, 100_000))),
        ClientSettings(16000, 8000.0, window_size=512, stride=320, look_stride=160),
    ],
)
def test_recordings_are_cut_at_the_edges_of_frames(framing):
    """If they are more than one: a fifth of a second is none of many a window."""
    given = [Recording(str(size), np.zeros(size, np.float32)) for size in (32000, 32000, 3200, 3200, 0, 0)]
    for number, (whole, cut) in enumerate(zip(given, at_edges_of_frames(given, framing), strict=True)):
        size, most = len(cut.samples), len(whole.samples)
        if client_frame_count(most, framing) == 1:
            assert size == most
            continue
        assert most - framing.stride <= size < most
        counts = [client_frame_count(size + each, framing) for each in (-1, 0, 1)]
        assert [count - counts[0] for count in counts] == ([0, 1, 1] if number % 2 else [0, 0, 1])


def test_stereo_is_mixed_and_samples_keep_their_scale(tmp_path):
    pairs = np.array([[16384, -16384], [16384, 16384], [-32768, -32768]], "<i2")
    path = write_wav(tmp_path / "a.wav", pairs, 8000, channels=2)
    assert read_recording(path, 8000).samples.tolist() == [0, 0.5, -1]


def test_the_command_prints_ticks_json_and_exit_codes(capsys, tmp_path):
    graph, ir = str(models.graph("v0.9")), str(models.ir_file("v0.9"))
    assert main(["verify", graph, ir, "--reference", "numpy"]) == 0
    assert "✓ probabilities after 1 chunk" in capsys.readouterr().out
    ov.save_model(models.permute_gates(models.ir("v0.9")), tmp_path / "bad.xml", compress_to_fp16=False)
    assert main(["verify", graph, str(tmp_path / "bad.xml"), "--reference", "numpy", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is False
    failed = [check for check in found["checks"] if not check["passed"]]
    assert "cell state after 1 chunk" in [check["name"] for check in failed]
    assert main(["verify", graph, str(tmp_path / "missing.xml")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("deepspeech-recipe: error: ")
    assert error.count("\n") == 1


def test_plot_without_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(RecipeError, match=r"pip install matplotlib"):
        verify(models.graph("v0.9"), models.ir_file("v0.9"), plot=tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_plot_that_cannot_be_written_is_refused_first(tmp_path):
    with pytest.raises(RecipeError, match="does not exist; make it first"):
        verify(tmp_path / "no model", tmp_path / "no.xml", plot=tmp_path / "none" / "a.png")


def test_plot_draws_a_png(tmp_path):
    path = tmp_path / "a.png"
    verify(models.graph("v0.9"), models.ir_file("v0.9"), plot=path, reference="numpy")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("count", "reason"), [(5, "No LSTM follows the dense layer 'dense_3'"), (2, "dense layers cannot be told apart")]
)
def test_dense_layers_around_no_lstm_of_a_known_kind(count, reason):
    graph = GraphBuilder()
    last = graph.placeholder("x", FLOAT, (1, 2))
    for number in range(1, count + 1):
        weights = graph.const(f"weights_{number}", np.eye(2), np.float32)
        last = graph.node(f"dense_{number}", "MatMul", [last, weights], T=DType(FLOAT))
    original = SimpleNamespace(
        view=GraphView.of(graph.graph), logits=Tensor(last), source=SimpleNamespace(path="model.pb")
    )
    with pytest.raises(RecipeError, match=reason):
        layer_tensors(original)
