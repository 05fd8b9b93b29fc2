"""Speech of any length: recordings, one after the other."""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepspeech_recipe.files import atomic_path

_FOLDER = Path(__file__).parents[1] / "data" / "model" / "recordings"


def speech(seconds: float, sample_rate: int = 16000, recordings: Sequence[Path] = ()) -> np.ndarray:
    """Speech as int16 `[N]`, again and again from the first recording. At another rate, it sounds slower or faster.

    recordings: 16-bit mono WAV files; by default the bundled model's.
    """
    parts = []
    for path in recordings or sorted(_FOLDER.glob("*.wav")):
        with wave.open(str(path)) as file:
            parts.append(np.frombuffer(file.readframes(file.getnframes()), np.int16))
    return np.resize(np.concatenate(parts), round(seconds * sample_rate))


def write_speech(
    folder: Path, lengths: Sequence[float], sample_rate: int = 16000, recordings: Sequence[Path] = ()
) -> dict[float, Path]:
    """Seconds → WAV file."""
    found = {}
    for seconds in lengths:
        found[seconds] = folder / f"speech-{seconds:g}s-{sample_rate}.wav"
        with atomic_path(found[seconds]) as temporary, wave.open(str(temporary), "wb") as file:
            file.setparams((1, 2, sample_rate, 0, "NONE", ""))
            file.writeframes(speech(seconds, sample_rate, recordings).tobytes())
    return found
