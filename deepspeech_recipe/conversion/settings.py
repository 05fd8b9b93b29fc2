"""What a model says of itself, what lies beside it, and what the user typed: do they fit together?"""

from collections.abc import Mapping
from typing import Any

from deepspeech_recipe.alphabet import parse_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.sources.loaded_model import LoadedModel


def check_settings(source: LoadedModel, model: AcousticModel) -> None:
    """Raises RecipeError if the alphabet does not fit the classes, or what was typed contradicts the graph."""
    _check_alphabet(source, model)
    if model.audio is None:
        return
    features = model.audio.settings
    rate = features.sample_rate
    per_ms = rate / 1000
    for what, key, unit, of_graph in (
        ("sample rate", "sample_rate", "Hz", rate),
        ("window", "window_ms", "ms", features.window_size / per_ms),
        ("step", "step_ms", "ms", features.stride / per_ms),
    ):
        typed = source.overrides.get(key)
        if typed is not None and round(of_graph) != typed:
            raise RecipeError(
                f"A {what} of {typed} {unit} was given, but the graph's own feature part has {of_graph:g} {unit}. "
                "Leave it out."
            )


def _check_alphabet(source: LoadedModel, model: AcousticModel) -> None:
    for labels, origin in (
        (_labels(source.overrides), "given"),
        (model.metadata.alphabet, "in the graph"),
        (_labels(source.metadata), "beside the model"),
    ):
        if labels is None:
            continue
        if len(labels) + 1 != model.classes:
            raise RecipeError(
                f"The alphabet {origin} has {len(labels)} labels, {len(labels) + 1} classes with the blank, but "
                f"the network has {model.classes} classes. Give the alphabet the model was trained with (--alphabet)."
            )
        return


def _labels(values: Mapping[str, Any]) -> list[bytes] | None:
    return parse_alphabet(values["alphabet"]) if "alphabet" in values else None
