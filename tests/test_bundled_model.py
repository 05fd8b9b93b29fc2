"""The bundled model: a v0.9 graph as exported, and recordings it reads although it never heard them."""

import csv
import wave
from pathlib import Path

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.alphabet import parse_alphabet
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.tensor import shape_of, to_numpy
from deepspeech_recipe.ir.audio_settings import AudioSettings
from tests.support.client_audio import mfcc
from tests.support.limits import assert_close
from training.plan import digest, held_out_voices, plan
from training.text import ALPHABET, greedy

MODEL = Path(deepspeech_recipe.__file__).parent / "data" / "model"
GRAPH = MODEL / "output_graph.pb"
AUDIO = AudioSettings(
    sample_rate=16000,
    window_size=512,
    stride=320,
    magnitude_squared=True,
    upper_frequency_limit=8000.0,
    dct_coefficient_count=26,
)


def transcripts() -> list[dict]:
    with open(MODEL / "transcripts.csv", newline="") as file:
        return list(csv.DictReader(file))


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.fixture(scope="module")
def nodes():
    graph = parse(GraphDef, GRAPH.read_bytes(), what=str(GRAPH))
    return {node.name: node for node in graph.node}


@pytest.fixture(scope="module")
def frozen(tf):
    from training.frozen import Frozen

    return Frozen(GRAPH)


def test_the_bundled_graph_has_the_sizes_of_a_released_one(nodes):
    sizes = {
        name: shape_of(nodes[name].attr["shape"].shape)
        for name in ("input_samples", "input_node", "input_lengths", "previous_state_c", "previous_state_h")
    }
    assert sizes == {
        "input_samples": (512,),
        "input_node": (1, 16, 19, 26),
        "input_lengths": (1,),
        "previous_state_c": (1, 160),
        "previous_state_h": (1, 160),
    }
    assert to_numpy(nodes["layer_6/bias"].attr["value"].tensor).shape == (len(ALPHABET) + 1,)


def test_the_bundled_graph_carries_its_metadata(nodes):
    values = {
        name.removeprefix("metadata_"): to_numpy(node.attr["value"].tensor).tolist()
        for name, node in nodes.items()
        if name.startswith("metadata_")
    }
    (alphabet,) = values.pop("alphabet")
    assert b"".join(parse_alphabet(alphabet)).decode() == ALPHABET
    assert values == {
        "version": [6],
        "sample_rate": [16000],
        "feature_win_len": [32],
        "feature_win_step": [20],
        "beam_width": [500],
        "language": [b"en"],
    }


def test_the_bundled_model_is_small():
    assert sum(file.stat().st_size for file in MODEL.rglob("*") if file.is_file()) < 3_000_000


def test_six_recordings_of_two_to_six_seconds():
    rows = transcripts()
    assert len(rows) == 6
    assert {row["wav_filename"] for row in rows} == {f"recordings/{p.name}" for p in MODEL.glob("*/*.wav")}
    for row in rows:
        path = MODEL / row["wav_filename"]
        assert path.stat().st_size == int(row["wav_filesize"])
        assert 2 <= read_wav(path).size / 16000 <= 6


def test_recordings_are_held_out():
    training = [line for line in plan() if line.split == "train"]
    assert not {row["transcript"] for row in transcripts()} & {line.text for line in training}
    assert not set(held_out_voices()) & {line.voice for line in training}
    unseen = [row for row in transcripts() if "unseen-voice" in row["wav_filename"]]
    assert len(unseen) == 3
    for row in unseen:
        name = Path(row["wav_filename"]).stem
        assert any(f"-{voice.lower()}-" in name for voice in held_out_voices())


@pytest.mark.parametrize("page", [MODEL / "MODEL_CARD.md", Path(__file__).parent.parent / "docs" / "accuracy.md"])
def test_figures_are_of_this_plan(page):
    assert digest(plan()) in page.read_text()


@pytest.mark.parametrize(("samples", "frames"), [(0, 1), (511, 1), (512, 2), (5000, 16)])
def test_frames_as_the_client_counts_them(frozen, samples, frames):
    pcm = np.random.default_rng(0).integers(-9000, 9000, samples).astype(np.int16)
    padded = np.zeros((frames - 1) * 320 + 512)
    padded[:samples] = pcm / 32768
    assert_close(frozen.mfccs(pcm), mfcc(padded, AUDIO), 1e-4)


@pytest.mark.parametrize("row", transcripts(), ids=lambda row: Path(row["wav_filename"]).stem)
def test_tensorflow_reads_every_recording(frozen, row):
    assert row["transcript"]
    frames = frozen.mfccs(read_wav(MODEL / row["wav_filename"]))
    assert greedy(frozen.probabilities(frames)) == row["transcript"]
