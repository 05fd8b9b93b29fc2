"""Per-frame arrays of recordings, for those who use DeepSpeech as a feature extractor."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepspeech_recipe.conversion.model_cache import ir_of
from deepspeech_recipe.corpus.engine import Log, Meter, ThisProcess, one_by_one, outcomes
from deepspeech_recipe.corpus.listing import Recording, list_recordings, with_outputs
from deepspeech_recipe.corpus.outcome import Outcome
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path, check_writable
from deepspeech_recipe.ir.options import Weights
from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import extractor
from deepspeech_recipe.runtime.frame_features.frames import check_stride
from deepspeech_recipe.runtime.recordings.audio_files import at_rate
from deepspeech_recipe.runtime.recordings.incoming import is_address, is_pipe, open_recording, shown_name


@dataclass(frozen=True)
class Frames:
    """Which frames are wanted. tensor: of which layer; rate: frames a second, None for the model's own; windows: how
    many neighbours each has; stride: every n-th of them."""

    tensor: str = "logits"
    rate: float | None = None
    windows: int | None = None
    stride: int = 1


@dataclass(frozen=True)
class Preset:
    """What a project of talking heads trains on. suffix: of its files, behind the recording's name."""

    frames: Frames
    suffix: str


_HEADS = Frames(rate=50, windows=16, stride=2)  # 25 windows a second, as many as their videos have frames
PRESETS = {
    "ad-nerf": Preset(_HEADS, ""),  # aud.wav → aud.npy
    "rad-nerf": Preset(_HEADS, "_ds"),  # aud.wav → aud_ds.npy
    "er-nerf": Preset(_HEADS, "_ds"),
}


def features(
    audio: str | os.PathLike,
    model,
    *,
    tensor: str = Frames.tensor,
    rate: float | None = Frames.rate,
    windows: int | None = Frames.windows,
    stride: int = Frames.stride,
    device: str = "CPU",
    alphabet: str | os.PathLike | None = None,
    weights: Weights | None = None,
    raw: int | None = None,
    log: Log | None = None,
) -> np.ndarray:
    """Gives a model's output for every frame of a recording: `[frames, width]` or `[frames, windows, width]`, float32.

    - model: as for `transcribe_files`; one of v0.1 too (`runtime.frame_features.deepspeech_v01`).
    - tensor, rate, windows: which layer, how many frames a second, how many neighbours: see `Recognizer.features`.
    - alphabet: an alphabet.txt, for a model that has none. weights: of a model file's IR. raw: bare samples' rate.
    - stride: take every n-th frame of these.
    - log: gets a line if the audio was converted to the model's sample rate or to mono.

    Raises RecipeError.
    """
    extract = _extractor(Frames(tensor, rate, windows, stride), model, device, alphabet, weights, log)
    (recording,) = list_recordings([audio], raw=raw)
    return extract(recording)[0]


def features_files(
    audio: Sequence[str | os.PathLike],
    model,
    frames: Frames,
    *,
    output: str | os.PathLike | None = None,
    suffix: str = "",
    device: str = "CPU",
    alphabet: str | os.PathLike | None = None,
    weights: Weights | None = None,
    recursive: bool = False,
    raw: int | None = None,
    log: Log | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Iterator[Outcome]:
    """Writes `features` of recordings to .npy files; yields an Outcome for each, whose result is (path, shape).

    output: an .npy file for one recording, or a folder that is there; None: beside each recording. suffix: comes
    behind the recording's name. Raises RecipeError if nothing can be begun.
    """
    recordings = with_outputs(list_recordings(audio, recursive=recursive, raw=raw, log=log))
    paths = {each.name: path for each, path in zip(recordings, _paths(recordings, output, suffix), strict=True)}
    meter = Meter(progress)
    extract = _extractor(frames, model, device, alphabet, weights, log)

    def work(recording: Recording) -> tuple[object, float]:
        array, seconds = extract(recording)
        path = paths[recording.name]
        if output is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            np.save(temporary, array)
        meter.add(seconds)
        return (path, array.shape), seconds

    yield from outcomes(recordings, ThisProcess(one_by_one(work)), meter)


def _extractor(
    frames: Frames, model, device: str, alphabet, weights: Weights | None, log: Log | None
) -> Callable[[Recording], tuple[np.ndarray, float]]:
    """Recording → (its array, seconds of audio)."""
    check_stride(frames.stride)
    ir = ir_of(model, weights=weights, alphabet=alphabet, log=log)
    network = extractor(ir, device, alphabet=alphabet)

    def frames_of(samples: np.ndarray) -> np.ndarray:
        return network.features(samples, frames.tensor, frames.rate, frames.windows)[:: frames.stride]

    frames_of(np.zeros(network.sample_rate, np.float32))  # what does not fit the model is said before the work

    def extract(recording: Recording) -> tuple[np.ndarray, float]:
        name, rate = shown_name(recording.name), network.sample_rate
        with open_recording(recording.name, recording.raw) as audio:
            samples = np.concatenate(list(at_rate(audio, name, rate, log)))
        return frames_of(samples), len(samples) / rate

    return extract


def _paths(recordings: Sequence[Recording], output: str | os.PathLike | None, suffix: str) -> list[Path]:
    if output is None:
        if any(is_pipe(each.name) or is_address(each.name) for each in recordings):
            raise RecipeError("What comes by a pipe or from an address has no folder: give an .npy file with -o.")
        return [Path(each.name).with_name(f"{each.output.name}{suffix}.npy") for each in recordings]
    folder = Path(output)
    if folder.is_dir():
        return [folder / each.output.with_name(f"{each.output.name}{suffix}.npy") for each in recordings]
    if len(recordings) > 1:
        raise RecipeError(f"{folder}: several recordings need a directory; make it first.")
    if folder.suffix != ".npy":
        raise RecipeError(f"{folder}: give the name of an .npy file, or a directory that exists.")
    check_writable(folder)
    return [folder]
