"""The same input for every worker. Runs on Python 3.9 with any numpy."""

import wave

import numpy as np


def windows(chunks: int, rows: int, frames: int, width: int, features: int) -> np.ndarray:
    """`[chunks, rows, frames, width, features]` f32 of the size MFCCs have."""
    rng = np.random.RandomState(7)  # the only generator that gives the same numbers in all versions
    return (10 * rng.standard_normal((chunks, rows, frames, width, features))).astype(np.float32)


def flat_windows(frames: int, size: int) -> np.ndarray:
    """`[1, frames, size]` f32 of the size that v0.1's scaled MFCCs have."""
    return windows(1, 1, frames, 1, size)[0, :, :, 0] / 10


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    exponential = np.exp(scores - scores.max(-1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


def int16_samples(path: str) -> np.ndarray:
    """`[N]` of a mono WAV file."""
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def greedy_text(probabilities: np.ndarray, labels: list) -> str:
    """`[frames, classes]` → text: repeats merged, blanks (the last class) dropped."""
    best = probabilities.argmax(1)
    kept = best[np.concatenate([[True], best[1:] != best[:-1]])]
    return "".join(labels[index] for index in kept if index < len(labels))
