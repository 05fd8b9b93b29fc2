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
    alphabet: str | os.PathLike | None = None,
    log: Callable[[str], None] | None = None,
) -> np.ndarray:
    """Gives a model's output for every frame of a recording: `[frames, width]` or `[frames, windows, width]`, float32.

    - model: the path of an IR, or an ov.Model; one of v0.1 too (`runtime.frame_features.deepspeech_v01`).
    - tensor, rate, windows: which layer, how many frames a second, how many neighbours: see `Recognizer.features`.
    - alphabet: an alphabet.txt, for an IR that has none in its metadata.
    - stride: take every n-th frame of these.
    - log: gets a line if the audio was converted to the model's sample rate or to mono.

    Raises RecipeError.
    """
    check_stride(stride)
    network = extractor(model, device, alphabet=alphabet)
    samples = read_audio(audio, network.sample_rate, log)
    return network.features(samples, tensor, rate, windows)[::stride]
