"""Scores to decode, small language models, and every path of small scores."""

import itertools
import math
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


def drawn(seed: int, frames: int, classes: int, sharpness: float = 2.0) -> np.ndarray:
    """Every third frame is nearly a blank, as in speech."""
    scores = sharpness * np.random.default_rng(seed).standard_normal((frames, classes))
    scores[::3, -1] += 4
    return softmax(scores)


def followed(matrix: np.ndarray, width: int, words=None) -> list[tuple[float, tuple[int, ...], list[int]]]:
    """What the client does, as its source has it → (logarithm of its weight, text, frames), the best first.

    words: a language model: space, the class; beta; known(text), whether texts may begin so; ending(text), the
    logarithm of the weight of ending its last word.
    """
    blank = matrix.shape[1] - 1
    beam, begun = {(): [1.0, 0.0, []]}, False
    for at, frame in enumerate(matrix.astype(float)):
        begun = begun or frame[blank] < 0.999
        if not begun:
            continue
        order, least = range(blank + 1), 0.0
        if len(order) > 40:
            order = sorted(order, key=lambda label: -frame[label])[:40]
        if words and len(beam) == width:
            least = min(sum(state[:2]) for state in beam.values()) * frame[blank] / math.exp(max(0.0, words.beta))
        after = {text: [0.0, 0.0, frames] for text, (_, _, frames) in beam.items()}
        for label in order:
            for text, (behind, inside, frames) in beam.items():
                if frame[label] * (behind + inside) < least * (1 - 1e-9):
                    continue
                if label == blank:
                    weight = frame[blank] * (behind + inside)
                    if after[text][1] < weight:
                        after[text][2] = frames
                    after[text][0] += weight
                    continue
                same = text[-1:] == (label,)
                if same:
                    weight = frame[label] * inside
                    if after[text][1] < weight:
                        after[text][2] = frames
                    after[text][1] += weight
                if words and not words.known((*text, label)):
                    continue
                weight = frame[label] * (behind if same else behind + inside)
                if words and label == words.space:
                    weight *= math.exp(words.ending(text))
                longer = after.setdefault((*text, label), [0.0, 0.0, None])
                if longer[1] < weight:
                    longer[2] = [*frames, at]
                longer[1] += weight
        found = sorted(after.items(), key=lambda item: -sum(item[1][:2]))
        beam = {text: state for text, state in found[:width] if state[2] is not None}
    ends = {text: words and text and text[-1] != words.space for text in beam}
    found = [
        (math.log(state[0] + state[1]) + (words.ending(text) if ends[text] else 0.0), text, state[2])
        for text, state in beam.items()
    ]
    return sorted(found, key=lambda each: -each[0])


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
