"""Settings and test signals for the audio front-end.

Signals have a noise floor, as recordings do: empty bins of a noise-free synthetic tone hold only rounding errors,
and float32 and float64 round differently.
"""

import functools

import numpy as np

from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.recipes.audio import client_features

SETTINGS = {
    "16 kHz": AudioSettings(
        window_size=512, stride=320, magnitude_squared=True,
        sample_rate=16000, upper_frequency_limit=8000.0, dct_coefficient_count=26,
    ),
    "v0.5, upper limit left out": AudioSettings(
        window_size=512, stride=320, magnitude_squared=True, sample_rate=16000, dct_coefficient_count=26,
    ),
    "8 kHz": AudioSettings(
        window_size=256, stride=160, magnitude_squared=True,
        sample_rate=8000, upper_frequency_limit=4000.0, dct_coefficient_count=26,
    ),
    "window 400": AudioSettings(
        window_size=400, stride=160, magnitude_squared=True,
        sample_rate=16000, upper_frequency_limit=8000.0, dct_coefficient_count=26,
    ),
    "window 400, magnitude, from 0 Hz": AudioSettings(
        window_size=400, stride=160, magnitude_squared=False,
        sample_rate=16000, upper_frequency_limit=7600.0, lower_frequency_limit=0.0,
    ),
    "window 512 from 0 Hz": AudioSettings(
        window_size=512, stride=300, magnitude_squared=True,
        sample_rate=16000, upper_frequency_limit=8000.0, lower_frequency_limit=0.0, filterbank_channel_count=32,
    ),
    "window 320 at 8 kHz": AudioSettings(
        window_size=320, stride=200, magnitude_squared=True,
        sample_rate=8000, upper_frequency_limit=4000.0, dct_coefficient_count=26,
    ),
    "window 1103 at 44.1 kHz": AudioSettings(
        window_size=1103, stride=441, magnitude_squared=True, sample_rate=44100,
        upper_frequency_limit=8000.0, lower_frequency_limit=130.0, dct_coefficient_count=20,
    ),
    "gaps between windows": AudioSettings(
        window_size=64, stride=100, magnitude_squared=True, sample_rate=16000,
        upper_frequency_limit=8000.0, filterbank_channel_count=12, dct_coefficient_count=12,
    ),
}  # fmt: skip

# What the clients of releases without a feature part computed.
CLIENTS = {
    f"client of {release}": client_features(generation, 26)
    for release, generation in {"v0.3": "v0.2 or v0.3", "v0.4": "v0.4"}.items()
}
EVERY = {**SETTINGS, **CLIENTS}


def pcm16(samples) -> np.ndarray:
    """Samples (−1…1) clipped and rounded as in a 16-bit file, float32."""
    return (np.clip(np.round(samples * 32768), -32768, 32767) / 32768).astype(np.float32)


@functools.cache
def speech_like(rate: int, seconds: float = 1.5) -> np.ndarray:
    """Voiced syllables with gliding pitch and formants, hissing between them, a noise floor, 16-bit steps."""
    rng = np.random.default_rng(7)
    time = np.arange(int(rate * seconds)) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.9 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = np.zeros_like(time)
    for harmonic in range(1, int(0.45 * rate / 150)):
        frequency = harmonic * pitch
        formants = sum(np.exp(-(((frequency - centre) / 150) ** 2)) for centre in (500, 1500, 2500))
        voice += (formants + 0.01) * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3 * time), 0, None) ** 2
    hiss = rng.standard_normal(len(time)) * np.clip(-np.sin(2 * np.pi * 3 * time), 0, None) ** 4
    floor = rng.standard_normal(len(time))
    found = pcm16(0.15 * voice * syllables + 0.03 * hiss + 2e-4 * floor)
    found.flags.writeable = False  # all tests have the same array
    return found


def signals(rate: int) -> dict[str, np.ndarray]:
    """name → float32 samples [N] at a sample rate."""
    speech = speech_like(rate)
    noise = np.random.default_rng(3).standard_normal(len(speech))
    silence = np.zeros(rate // 4, np.float32)
    return {
        "speech": speech,
        "quiet speech": pcm16(speech * 0.003),
        "speech in silence": np.concatenate([silence, speech, silence]),
        "noise": pcm16(0.1 * noise),
        "noise of one step": pcm16(noise / 32768),
        "louder than full scale": (5 * noise).astype(np.float32),
        "silence": np.zeros_like(speech),
        "clipped speech": pcm16(20 * speech),
        "offset 0.3": np.full_like(speech, 0.3),
        "offset -1": np.full_like(speech, -1),
        "offset of one step": np.full_like(speech, 1 / 32768),
        "offset and faint noise": pcm16(0.3 + noise / 32768),
        "offset and noise": pcm16(-0.7 + 0.01 * noise),
        "offset and speech": pcm16(0.5 + 0.4 * speech),
        "click": np.eye(1, len(speech), 5000, dtype=np.float32)[0],
    }
