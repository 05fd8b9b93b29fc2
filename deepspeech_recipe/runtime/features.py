"""Per-frame arrays of recordings, for those who use DeepSpeech as a feature extractor."""

import os
from collections.abc import Callable

import numpy as np

from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import extractor
from deepspeech_recipe.runtime.frame_features.frames import check_stride
from deepspeech_recipe.runtime.recordings.audio_files import read_audio


def features(
    audio: str | os.PathLike,
    model,
    *,
    tensor: str = "logits",
    rate: float | None = None,
    windows: int | None = None,
    stride: int = 1,
    device: str = "CPU",
    log: Callable[[str], None] | None = None,
) -> np.ndarray:
    """A recording → `[frames, width]`, float32, or `[frames, windows, width]`: see `Recognizer.features`.

    model: path of an IR, or an ov.Model; one of v0.1 too, see `runtime.frame_features.deepspeech_v01`. stride: take
    every n-th frame of these. log: gets a line if the audio was converted. Raises RecipeError.
    """
    check_stride(stride)
    network = extractor(model, device)
    samples = read_audio(audio, network.sample_rate, log)
    return network.features(samples, tensor, rate, windows)[::stride]
