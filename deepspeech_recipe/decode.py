"""Text from the network's output, without a language model."""

from collections.abc import Sequence

import numpy as np

from deepspeech_recipe.errors import RecipeError


def greedy(scores, labels: Sequence[bytes]) -> str:
    """Greedy CTC decoding: the best class of every step, repeats merged, blanks dropped.

    scores: `[T, classes]`, probabilities or raw scores, the blank being the last class; labels: the text of the
    other classes, as UTF-8 or as pieces of it. Raises RecipeError where the two do not fit.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] != len(labels) + 1:
        raise RecipeError(
            f"Scores of shape {list(scores.shape)} do not fit an alphabet of {len(labels)} labels: "
            f"[T, {len(labels) + 1}] is needed, the blank being the last class."
        )
    best = scores.argmax(axis=1)
    starts = np.append(True, best[1:] != best[:-1])[: len(best)]
    return b"".join(labels[index] for index in best[starts] if index < len(labels)).decode(errors="replace")
