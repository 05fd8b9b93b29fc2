"""What was recognised, for a person to read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes.acoustic_model import AcousticModel

STATE_KINDS = {"variable": "variables → inputs", "input": "placeholders", "constant": "none"}


def one_line(model: AcousticModel, *, steps, batch) -> str:
    """Generation, sizes, T and state kind."""
    dense = "-".join(map(str, model.dense_sizes[:-2]))
    lstm = f"{'bidirectional ' if model.is_bidirectional else ''}LSTM {model.lstm.hidden_size}"
    return (
        f"DeepSpeech {model.generation}: {model.window_frames}×{model.n_input} features, dense {dense}, "
        f"{lstm}, dense {model.dense_sizes[-2]}, {model.classes} classes; "
        f"T = {steps or 'dynamic'}, batch {batch or 'dynamic'}, state in {STATE_KINDS[model.state_c.kind]}"
        f"{_begin(model)}; time_len == seq_len enforced"
    )


def initial_values(model: AcousticModel) -> str:
    """'c -0.5…0.5, h -0.3…0.4' of states that do not begin with zeros; '' if both do."""
    states = zip("ch", model.own_states)
    return ", ".join(f"{part} {span(each.initial)}" for part, each in states if begins_anywhere(each.initial))


def _begin(model: AcousticModel) -> str:
    states = dict(zip("ch", model.own_states))
    if states and model.state_c.kind == "constant":
        return (
            f" (constant initial state: {', '.join(f'{part} {span(each.initial)}' for part, each in states.items())})"
        )
    kept = initial_values(model)
    return f", initial values kept: {kept}" if kept else ""


def begins_anywhere(value: np.ndarray | None) -> bool:
    """Whether a state is known to begin with something else than zeros."""
    return value is not None and bool(np.any(value))


def span(value: np.ndarray | None) -> str:
    """'zeros', or the least and the largest value."""
    if value is None:
        return "unknown"
    return f"{np.min(value):.3g}…{np.max(value):.3g}" if np.any(value) else "zeros"


def warnings(constants: Iterable[State]) -> list[str]:
    """A line for each state that was one once, as far as can be told, and is a constant in this graph."""
    return [
        f"warning: constant initial state: every call begins with '{state.name}' ({span(state.initial)}), and no state "
        "goes from call to call. If it should, convert the graph with its assignments: they end with the node that "
        "--output, or the freezing, left out"
        for state in constants
    ]
