"""What both models are given: recordings, a made-up signal if there are none, and windows of features."""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.audio_settings import SpectrogramSettings
from deepspeech_recipe.runtime.recordings.audio_files import open_audio

_BUNDLED = Path(__file__).resolve().parent.parent / "data" / "model" / "recordings"


@dataclass(frozen=True, eq=False)
class Recording:
    """samples `[N]`, float32, −1…1."""

    name: str
    samples: np.ndarray


def read_recording(path, sample_rate: int) -> Recording:
    """A sound file at the model's sample rate, mixed to mono. PCM WAV needs no further package.

    Raises RecipeError if it cannot be read or has another sample rate.
    """
    path = Path(path)
    with open_audio(path) as audio:
        if audio.rate != sample_rate:
            raise RecipeError(
                f"{path}: has a sample rate of {audio.rate} Hz, the model wants {sample_rate} Hz. "
                f"Convert it: sox '{path}' -r {sample_rate} -c 1 -b 16 out.wav"
            )
        return Recording(path.name, np.concatenate([np.zeros(0, np.float32), *audio.blocks]))


def built_in_recordings(sample_rate: int) -> list[Recording]:
    """Two bundled recordings where their sample rate fits, a made-up signal, and silence."""
    found = []
    for path in sorted(_BUNDLED.glob("*.wav"))[:2]:
        with open_audio(path) as audio:
            if audio.rate == sample_rate:
                found.append(Recording(path.stem, np.concatenate(list(audio.blocks))))
    return [*found, Recording("made-up speech", speech_like(sample_rate)), silence(sample_rate)]


def at_edges_of_frames(recordings: Iterable[Recording], framing: SpectrogramSettings) -> list[Recording]:
    """Cut by no more than a stride: by turns they end before the sample that makes their last frame, and with it, so
    that a frame too few or too many shows. What is a single frame stays whole."""
    found = []
    for number, each in enumerate(recordings):
        more = client_frame_count(len(each.samples), framing) - 1
        end = framing.window_size - framing.look_stride + more * framing.stride if more else len(each.samples) + 1
        found.append(Recording(each.name, each.samples[: end - 1 + number % 2]))
    return found


def silence(rate: int) -> Recording:
    """A fifth of a second in which all samples are zero, as their energies are: only the floor under these makes
    features of them."""
    return Recording("digital silence", np.zeros(rate // 5, np.float32))


@functools.lru_cache(maxsize=2)
def speech_like(rate: int, seconds: float = 2.0) -> np.ndarray:
    """Harmonics under moving formants in syllables, hiss between them, and a floor of noise: without the floor,
    what frameworks round differently would be all there is in the pauses."""
    rng = np.random.default_rng(20)
    time = np.arange(int(rate * seconds)) / rate
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * time)
    turns = np.cumsum(pitch) / rate
    voice = np.zeros_like(time)
    for harmonic in range(1, int(0.4 * rate / 180)):
        loudness = 0.01
        for centre, movement in ((500, 200), (1500, 500), (2600, 300)):
            formant = centre + movement * np.sin(2 * np.pi * 1.3 * time + centre)
            loudness = loudness + np.exp(-(((harmonic * pitch - formant) / 160) ** 2))
        voice += loudness * np.sin(2 * np.pi * harmonic * turns)
    syllables = np.sin(2 * np.pi * 3.5 * time)
    noise = rng.standard_normal((2, len(time)))
    signal = 0.12 * voice * np.clip(syllables, 0, None) + 0.03 * noise[0] * np.clip(-syllables, 0, None) ** 3
    return (np.round((signal + 3e-4 * noise[1]) * 32768).clip(-32768, 32767) / 32768).astype(np.float32)


def flushed(samples: np.ndarray, framing: SpectrogramSettings) -> np.ndarray:
    """The samples with zeros to one more full window, always, as DeepSpeech's client ends an utterance."""
    frames = client_frame_count(len(samples), framing)
    return np.pad(samples, (0, (frames - 1) * framing.stride + framing.window_size - len(samples)))


def windows_of(mfccs: np.ndarray, window_frames: int) -> np.ndarray:
    """MFCCs `[N, n_input]` → windows `[N, window_frames, n_input]`, zeros outside."""
    context = window_frames // 2
    padded = np.pad(mfccs, ((context, context), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, window_frames, axis=0).swapaxes(1, 2).astype(np.float32)


def random_features(count: int, n_input: int, seed: int = 21) -> np.ndarray:
    """Features `[count, n_input]` of size 1 that change slowly, as MFCCs do, and unlike them never saturate."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, n_input))
    for step in range(1, count):
        features[step] = 0.7 * features[step - 1] + math.sqrt(1 - 0.7**2) * features[step]
    return features.astype(np.float32)
