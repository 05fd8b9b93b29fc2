"""What states hold before the first call, in an IR's metadata: `initial_state`, input → a number or rows of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from deepspeech_recipe.errors import RecipeError

KEY = "initial_state"


def initial_state_json(states: Mapping[str, np.ndarray | None]) -> dict:
    """The metadata's entries for states that begin with something else than zeros.

    states: input → its value before the first call `[B, …]`, one number for a state full of it, or None if the file
    does not say. Rows that are all the same are written once. Float32 survives: the shortest decimals are written.
    """
    found = {name: _rows(value) for name, value in states.items() if value is not None and np.any(value)}
    return {KEY: found} if found else {}


def initial_states(metadata: Mapping) -> dict[str, np.ndarray]:
    """The inverse: input → float32, a number or `[rows, …]`."""
    return {name: np.asarray(value, np.float32) for name, value in metadata.get(KEY, {}).items()}


def first_state(values: np.ndarray | None, shape: Sequence[int], name: str) -> np.ndarray:
    """A state of this shape `[B, …]` as it is before the first call, float32: zeros for None, one row for all.

    Raises RecipeError for rows of their own that are too few for the batch, and for other shapes; of too many rows the
    first are taken.
    """
    values = np.zeros((), np.float32) if values is None else values
    if values.ndim and len(values) > 1:
        if len(values) < shape[0]:
            raise RecipeError(
                f"The state '{name}' begins with {len(values)} rows of its own, so a batch of {shape[0]} does not know "
                f"how to begin. Use a batch of {len(values)}."
            )
        values = values[: shape[0]]
    try:
        return np.array(np.broadcast_to(values, shape), np.float32)
    except ValueError:
        raise RecipeError(
            f"The state '{name}' has the shape {list(shape)}, but what it begins with has {list(values.shape)}. "
            "Convert the model again."
        ) from None


def _rows(value: np.ndarray):
    value = np.asarray(value, np.float32)
    if value.ndim and (value == value[:1]).all():
        value = value[:1]
    return _decimals(value.tolist())


def _decimals(value):
    return [_decimals(each) for each in value] if isinstance(value, list) else float(str(np.float32(value)))
