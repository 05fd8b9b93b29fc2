"""espeak-ng's speech as 16 kHz PCM, with a level, a noise floor and silence around it."""

import io
import subprocess
import wave

import numpy as np

from training.plan import ACCENTS, FEMALE, MALE, UNSEEN_ACCENT, Utterance

RATE = 16000
FILES = {"en-gb": "en"}  # espeak-ng ignores a variant after the alias en-gb, without a word


def speak(line: Utterance) -> np.ndarray:
    """PCM of one utterance, int16 ``[samples]`` at 16 kHz; the same for the same line."""
    draw = np.random.default_rng(line.noise_seed)
    before, after = (np.minimum(0.05 + draw.exponential(0.25, 2), 1.5) * RATE).astype(int)
    voice = np.pad(_espeak(line), (before, after))
    voice *= np.exp(draw.uniform(np.log(0.15), np.log(0.9)))  # peak level
    # white noise, partly low-passed; 25 to 50 dB below the speech, never below one PCM step
    noise = draw.standard_normal(voice.size)
    colour = draw.uniform(0, 0.95)
    noise = noise - colour * np.roll(noise, 1) if draw.random() < 0.3 else _smooth(noise, colour)
    level = max(voice.std() * 10 ** (-draw.uniform(25, 50) / 20), 1 / 32768)
    sound = voice + noise / noise.std() * level
    return np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)


def check_voices() -> None:
    """Every accent with every voice sounds different: espeak-ng says nothing of a variant it ignores."""
    known = {}
    for accent in (*ACCENTS, UNSEEN_ACCENT):
        for voice in (*FEMALE, *MALE):
            sound = _espeak(Utterance("", "one two", voice, accent, 160, 50, 1.0, 0)).tobytes()
            other = known.setdefault(sound, (accent, voice))
            if other != (accent, voice):
                raise SystemExit(f"{accent} with {voice} sounds like {' with '.join(other)}")


def write_wav(path, pcm: np.ndarray) -> None:
    """Write int16 ``[samples]`` as a mono 16 kHz WAV file."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(pcm.tobytes())


def _espeak(line: Utterance) -> np.ndarray:
    """Speech with peak 1, float64 at 16 kHz."""
    accent = FILES.get(line.accent, line.accent)
    command = ["espeak-ng", "-v", f"{accent}+{line.voice}", "-s", str(line.speed)]
    command += ["-p", str(line.pitch), "--stdout", line.text]
    with wave.open(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)) as w:
        rate, data = w.getframerate(), w.readframes(2**30)
    sound = resample(np.frombuffer(data[: len(data) // 2 * 2], np.int16).astype(float), rate * line.warp, RATE)
    return sound / np.abs(sound).max()


def resample(sound: np.ndarray, rate: float, wanted: int) -> np.ndarray:
    """Band-limited resampling of a whole signal: its spectrum, cut or padded."""
    size = round(sound.size * wanted / rate)
    spectrum = np.fft.rfft(sound)
    kept = np.zeros(size // 2 + 1, complex)
    count = min(kept.size, spectrum.size)
    kept[:count] = spectrum[:count]
    return np.fft.irfft(kept, size) * size / sound.size


def _smooth(noise: np.ndarray, pole: float) -> np.ndarray:
    """First-order low-pass, as a short convolution."""
    kernel = pole ** np.arange(64)
    return np.convolve(noise, kernel)[: noise.size]
