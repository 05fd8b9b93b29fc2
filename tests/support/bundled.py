"""The bundled model as an IR, converted once a session, its recordings and their texts."""

import csv
from functools import cache
from pathlib import Path

import numpy as np

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.runtime.recordings.audio_files import read_audio
from tests.support.folders import shared_folder

FOLDER = Path(__file__).parents[2] / "deepspeech_recipe" / "data" / "model"
MODEL = FOLDER / "output_graph.pb"


@cache
def bundled_ir(audio: str = "none") -> Path:
    """Path of the .xml, with dynamic T. audio: as `convert` has it, or 'streaming'."""
    options = {"converter": "openvino", "verify": False, "time_steps": "dynamic", "audio": audio}
    if audio in ("attached", "streaming"):
        options |= {"time_steps": None, "audio": "attached"}
    if audio == "streaming":
        options |= {"state": "internal"}
    return convert(MODEL, shared_folder(), name="bundled", **options).files[0]


@cache
def bundled_batches() -> Path:
    """Path of the .xml of an IR for recordings of any length and any number at once."""
    options = {"converter": "openvino", "verify": False, "time_steps": "dynamic", "batch": "dynamic"}
    return convert(MODEL, shared_folder(), name="bundled", **options).files[0]


@cache
def transcripts() -> dict[Path, str]:
    """Recording → what was said."""
    with (FOLDER / "transcripts.csv").open(newline="") as file:
        return {FOLDER / row["wav_filename"]: row["transcript"] for row in csv.DictReader(file)}


@cache
def samples_of(path: Path):
    return read_audio(path, 16000)


def pcm(samples, rate: int = 16000) -> bytes:
    """16-bit little-endian samples, at another rate if asked."""
    if rate != 16000:
        import soxr

        samples = soxr.resample(samples, 16000, rate)
    return np.round(np.asarray(samples) * 32768).clip(-32768, 32767).astype("<i2").tobytes()
