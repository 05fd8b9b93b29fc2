"""Scores to decode, small language models, and every path of small scores."""

import itertools
from collections import defaultdict

import numpy as np
from hypothesis import strategies


def softmax(values) -> np.ndarray:
    powers = np.exp(values)
    return (powers / powers.sum(-1, keepdims=True)).astype(np.float32)


def collapse(path, blank: int) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def all_paths(probabilities):
    """Text → total probability of its paths."""
    frames, classes = probabilities.shape
    found = defaultdict(float)
    for path in itertools.product(range(classes), repeat=frames):
        found[collapse(path, classes - 1)] += float(np.prod(probabilities[np.arange(frames), path].astype(float)))
    return found


matrices = strategies.builds(
    lambda seed, frames: softmax(2 * np.random.default_rng(seed).standard_normal((frames, 4))),
    strategies.integers(0, 10_000),
    strategies.integers(1, 6),
)


ENGLISH = [" ", *"abcdefghijklmnopqrstuvwxyz", "'"]


LABELS = [b"a", b"b", b" "]


SMALL_ARPA = """\\data\\
ngram 1=6
ngram 2=2

\\1-grams:
-3\t<unk>\t0
-99\t<s>\t-0.4
-0.9\t</s>\t0
-0.6\ta\t-0.2
-0.9\tab\t-0.1
-0.7\tba\t-0.3

\\2-grams:
-0.3\t<s> a
-0.2\ta ba

\\end\\
"""
