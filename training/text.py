"""Greedy CTC text, and character errors."""

import numpy as np

ALPHABET = " abcdefghijklmnopqrstuvwxyz'"  # DeepSpeech's English one; the CTC blank comes last


def greedy(scores: np.ndarray) -> str:
    """Text of ``[T, 29]`` scores: best class a frame, repeats merged, blanks dropped."""
    best = scores.argmax(-1)
    kept = best[np.insert(best[1:] != best[:-1], 0, True)] if best.size else best
    return "".join(ALPHABET[c] for c in kept if c < len(ALPHABET))


def edits(wanted, got) -> int:
    """Levenshtein distance of two sequences: characters of texts, or words of lists."""
    row = list(range(len(got) + 1))
    for i, a in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(got, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]
