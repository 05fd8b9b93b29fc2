"""Features: the layers' outputs, frame rates, windows, and the command that writes them."""

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.frame_features import frames as frame_features
from tests.support.bundled import bundled_ir, samples_of, transcripts
from tests.support.limits import assert_close

LAYERS = ("dense_1", "dense_2", "dense_3", "lstm", "dense_5", "dense_6")
FIRST, SECOND = list(transcripts())[:2]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(bundled_ir(), config={"INFERENCE_NUM_THREADS": 1})


def test_layers_are_those_between_the_weights(recognizer):
    """Each from the one before it and the weights of the original, in numpy."""
    from deepspeech_recipe.graphdef.view import GraphView, Tensor
    from deepspeech_recipe.sources.frozen import read_binary
    from tests.support.bundled import MODEL

    view = GraphView(read_binary(MODEL).node)
    samples = samples_of(FIRST)
    found = {tensor: recognizer.features(samples, tensor) for tensor in ("logits", *LAYERS)}
    weights = {
        number: [view.value(Tensor(f"layer_{number}/{kind}", 0)) for kind in ("weights", "bias")]
        for number in (2, 3, 5, 6)
    }

    def dense(name, number):
        return found[name] @ weights[number][0] + weights[number][1]

    for tensor, expected in {
        "dense_2": dense("dense_1", 2).clip(0, 20),
        "dense_3": dense("dense_2", 3).clip(0, 20),
        "dense_5": dense("lstm", 5).clip(0, 20),
        "dense_6": dense("dense_5", 6),
    }.items():
        assert_close(found[tensor], expected, 5e-5, tensor)
    powers = np.exp(found["dense_6"])
    assert_close(found["logits"], powers / powers.sum(1, keepdims=True), 1e-6)
    assert read_metadata(recognizer._whole.model)["dense_sizes"][2] == found["dense_3"].shape[1]
    for kind in ("attached", "streaming"):
        other = Recognizer(bundled_ir(kind), config={"INFERENCE_NUM_THREADS": 1})
        for tensor in ("dense_3", "dense_5"):
            assert_close(other.features(samples, tensor), found[tensor], 1e-5)


@pytest.mark.parametrize("kind", ["none", "attached", "streaming"])
def test_what_came_out_stays_what_it_was(kind):
    """OpenVINO's results are views on memory that the next call overwrites."""
    session = Recognizer(bundled_ir(kind), config={"INFERENCE_NUM_THREADS": 1}).session(4, "lstm")
    parts, copies = [], []
    for part in session.feed(samples_of(FIRST)[:12000]), session.feed(samples_of(FIRST)[12000:]), session.finish():
        for values in part:
            parts.append(values)
            copies.append(values.copy())
    assert len(parts) > 2
    for values, copy in zip(parts, copies, strict=True):
        np.testing.assert_array_equal(values, copy)


def test_any_frame_rate_keeps_the_time_of_each_frame():
    """A line stays a line, and each frame keeps its time."""
    step, seconds = 0.02, 2.0
    times = (np.arange(101) + 0.5) * step
    values = np.stack([times, 3 - times], 1).astype(np.float32)
    for rate in (50, 25, 30, 100, 7.5):
        found = frame_features.resampled(values, step, rate, seconds)
        wanted = ((np.arange(round(seconds * rate)) + 0.5) / rate).clip(times[0], times[-1])
        assert found.dtype == np.float32
        assert_close(found, np.stack([wanted, 3 - wanted], 1), 1e-6)
    one = frame_features.resampled(values[:1], step, 25, 0.0)
    np.testing.assert_array_equal(one, values[:1])
    with pytest.raises(RecipeError, match="frame rate of 0"):
        frame_features.resampled(values, step, 0, seconds)


def test_windows_have_zeros_outside():
    values = np.arange(1, 6, dtype=np.float32)[:, None]
    assert frame_features.windows(values, 4)[:, :, 0].tolist() == [
        [0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 0],
    ]  # fmt: skip
    assert frame_features.windows(values, 1)[:, :, 0].tolist() == values.tolist()
    with pytest.raises(RecipeError, match="Windows of 0"):
        frame_features.windows(values, 0)


def test_an_unknown_tensor(recognizer):
    with pytest.raises(RecipeError, match=r"no tensor 'dense_4'.*logits, dense_1"):
        recognizer.features(samples_of(FIRST), "dense_4")


def command(*arguments) -> int:
    return main(["features", *map(str, arguments), "--model", str(bundled_ir())])


def test_the_command_writes_the_array_of_the_function(capsys, tmp_path, recognizer):
    output = tmp_path / "out.npy"
    assert command(FIRST, "-o", output, "--rate", "25", "--tensor", "dense_3", "--windows", "16") == 0
    found = np.load(output)
    frames = round(len(samples_of(FIRST)) / 16000 * 25)
    assert found.shape == (frames, 16, recognizer.metadata["dense_sizes"][2])
    assert capsys.readouterr().out == f"{output}: {list(found.shape)}\n"
    same = deepspeech_recipe.features(FIRST, bundled_ir(), rate=25, tensor="dense_3", windows=16)
    assert_close(found, same, 1e-6)
    assert command(FIRST, SECOND, "-o", tmp_path) == 0
    assert_close(np.load(tmp_path / f"{SECOND.stem}.npy"), recognizer.features(samples_of(SECOND)), 1e-6)


def test_bad_usage_of_features_is_one_line(capsys, tmp_path):
    (tmp_path / "other").mkdir()
    copy = tmp_path / "other" / FIRST.name
    copy.symlink_to(FIRST)
    for reason, arguments in {
        "give the name of an .npy file": [FIRST, "-o", tmp_path / "out.txt"],
        "several recordings need a directory": [FIRST, SECOND, "-o", tmp_path / "out.npy"],
        "two of the recordings have the same name": [FIRST, copy, "-o", tmp_path],
        "is not a number of frames": [FIRST, "-o", tmp_path / "out.npy", "--rate", "0"],
        "no tensor 'x'": [FIRST, "-o", tmp_path / "out.npy", "--tensor", "x"],
        "does not exist; make it first": [FIRST, "-o", tmp_path / "no" / "out.npy"],
    }.items():
        assert command(*arguments) == 2
        assert reason in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.fixture
def heads(tmp_path):
    """As these projects keep their data: a folder for each person, video beside the audio."""
    pytest.importorskip("soundfile")
    for person, path in (("obama", FIRST), ("may", SECOND)):
        (tmp_path / person).mkdir()
        (tmp_path / person / "aud.wav").write_bytes(path.read_bytes())
        (tmp_path / person / f"{person}.mp4").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("preset", "name"), [("ad-nerf", "aud.npy"), ("rad-nerf", "aud_ds.npy"), ("er-nerf", "aud_ds.npy")]
)
def test_presets_of_talking_heads(capsys, heads, recognizer, preset, name):
    """Windows as these projects' scripts make them: 16 of 50 frames a second, every second one, zeros outside."""
    assert command(heads, "--recursive", "--preset", preset) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    for person, path in (("obama", FIRST), ("may", SECOND)):
        found = np.load(heads / person / name)
        frames = recognizer.features(samples_of(path), rate=50)
        assert len(frames) == round(len(samples_of(path)) / 16000 * 50)
        padded = np.concatenate([np.zeros((8, frames.shape[1])), frames, np.zeros((8, frames.shape[1]))])
        expected = [padded[at : at + 16] for at in range(0, len(padded) - 16, 2)]
        assert_close(found, expected, 1e-6)
        assert found.dtype == np.float32


def test_what_is_typed_goes_before_a_preset(capsys, heads, recognizer):
    audio = heads / "obama" / "aud.wav"
    assert command(audio, "--preset", "er-nerf", "--rate", "60", "--stride", "3", "-o", heads) == 0
    found = np.load(heads / "aud_ds.npy")
    assert_close(found, recognizer.features(samples_of(FIRST), rate=60, windows=16)[::3], 1e-6)


def test_features_go_on_past_a_bad_recording(capsys, heads):
    (heads / "obama" / "cut.wav").write_bytes(FIRST.read_bytes()[:-5000])
    assert command(heads, "--recursive") == 1
    out, err = capsys.readouterr()
    paths = [heads / person / "aud.npy" for person in ("may", "obama")]
    assert out.splitlines() == [f"{path}: {list(np.load(path).shape)}" for path in paths]
    assert "cut.wav: is cut off" in err
    assert err.splitlines()[-1].startswith("2 done, 0 skipped, 1 failed")


def test_features_of_a_pipe_need_a_file(capsys, tmp_path):
    assert command("-") == 2
    assert "give an .npy file with -o" in capsys.readouterr().err
