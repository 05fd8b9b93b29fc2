"""Samples as callers have them → float32 from −1 to 1, or a clear error."""

import numpy as np

from deepspeech_recipe.errors import RecipeError


def as_samples(samples) -> np.ndarray:
    """samples `[N]`: float from −1 to 1, or int16 as DeepSpeech's client takes them → float32 `[N]`.

    Raises RecipeError for another rank or type, and for NaN and infinity.
    """
    try:
        array = np.asarray(samples)
    except ValueError:
        raise RecipeError("The samples are no array of numbers: one channel, [N], is needed.") from None
    if array.ndim != 1:
        raise RecipeError(
            f"The samples have the shape {list(array.shape)}, one channel [N] is needed: mix the channels first, "
            "samples.mean(axis=1) for one."
        )
    if array.dtype == np.int16:
        return array.astype(np.float32) / np.float32(32768)
    if array.size == 0:
        return np.zeros(0, np.float32)
    if array.dtype.kind != "f":
        raise RecipeError(f"The samples are of type {array.dtype}: floats from -1 to 1, or int16, are needed.")
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        place = int(np.flatnonzero(~np.isfinite(array))[0])
        raise RecipeError(f"Sample {place} is {array[place]}: samples must be finite numbers.")
    return array
