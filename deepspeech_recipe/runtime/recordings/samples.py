"""Samples as callers have them → float32 from −1 to 1, or a clear error."""

from collections.abc import Iterable, Iterator

import numpy as np

from deepspeech_recipe.errors import RecipeError

LOUDEST = 10.0  # 20 dB beyond full scale: recordings in floats exceed 1, but not by that much


def as_samples(samples, first: int = 0) -> np.ndarray:
    """Checks samples `[N]`: float from −1 to 1, or int16 as DeepSpeech's client takes them → float32 `[N]`.

    first: the number of the first of them, if they are a part of something.
    Raises RecipeError for another rank or type, for NaN and infinity, and for what is far outside of −1…1.
    """
    if isinstance(samples, bytes | bytearray | memoryview):
        raise RecipeError("The samples are bytes: for 16-bit PCM, give numpy.frombuffer(samples, numpy.int16).")
    try:
        array = np.asarray(samples)
    except (ValueError, TypeError):
        raise RecipeError("The samples are not an array of numbers: one channel, [N], is needed.") from None
    if array.ndim != 1:
        remedy = "mix the channels first, samples.mean(axis=1) for one" if array.ndim else "an array is needed"
        raise RecipeError(f"The samples have the shape {list(array.shape)}, one channel [N] is needed: {remedy}.")
    if array.dtype.kind == "i" and array.dtype.itemsize == 2:
        return array.astype(np.float32) / np.float32(32768)
    if array.size == 0:
        return np.zeros(0, np.float32)
    if array.dtype.kind != "f":
        raise RecipeError(f"The samples are of type {array.dtype}: floats from -1 to 1, or int16, are needed.")
    if not max(array.max(), -array.min()) <= LOUDEST:  # NaN, which is the maximum of whatever it is in, is not less
        _refuse(array, first)
    return array.astype(np.float32, copy=False)


def pieces(blocks: Iterable, size: int) -> Iterator[np.ndarray]:
    """Blocks of samples, in order, in pieces of at most `size`."""
    for block in blocks:
        samples = as_samples(block)
        for at in range(0, len(samples), size):
            yield samples[at : at + size]


def _refuse(array: np.ndarray, first: int) -> None:
    strange = ~np.isfinite(array)
    if strange.any():
        place = int(np.argmax(strange))
        raise RecipeError(f"Sample {first + place} is {array[place]}: samples must be finite numbers.")
    place = int(np.argmax(np.abs(array) > LOUDEST))
    raise RecipeError(
        f"Sample {first + place} is {array[place]:g}, and floats are from -1 to 1. Those of 16-bit audio are given as "
        "int16, or divided by 32768."
    )
