"""Per-frame arrays of recordings, for those who use DeepSpeech as a feature extractor."""

import os
from collections.abc import Callable

import numpy as np

from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.audio_files import read_audio


def features(
    audio: str | os.PathLike,
    model,
    *,
    tensor: str = "logits",
    rate: float | None = None,
    windows: int | None = None,
    device: str = "CPU",
    note: Callable[[str], None] | None = None,
) -> np.ndarray:
    """A recording → `[frames, width]`, float32, or `[frames, windows, width]`: see `Recognizer.features`.

    model: path of an IR, or an ov.Model. note: gets a line where the audio was converted. Raises RecipeError.
    """
    recognizer = Recognizer(model, device=device)
    samples = read_audio(audio, recognizer.sample_rate, note)
    return recognizer.features(samples, tensor, rate, windows)
