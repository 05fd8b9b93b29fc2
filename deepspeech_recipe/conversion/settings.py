"""What a model says of itself, what lies beside it, and what the user typed: do they fit together?"""

from collections.abc import Mapping
from typing import Any

from deepspeech_recipe.alphabet import parse_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.sources.loaded_model import LoadedModel

_WORDS = {"sample_rate": ("sample rate", "Hz"), "window_ms": ("window", "ms"), "step_ms": ("step", "ms")}


def check_settings(source: LoadedModel, model: AcousticModel, *, with_audio: bool) -> None:
    """Raises RecipeError if the alphabet does not fit the classes, or what was typed contradicts the graph.

    with_audio: whether the IR gets an audio part.
    """
    _check_alphabet(source, model)
    features = model.features
    if features is None:
        return
    key = features.contradicted(source.overrides)
    if key is None or (model.audio is None and not with_audio):
        return  # of a graph without a feature part, what was typed is of another client: see LoadedModel.complete
    origin = "the graph's own feature part" if model.audio else f"the client of DeepSpeech {model.generation}"
    what, unit = _WORDS[key]
    raise RecipeError(
        f"A {what} of {source.overrides[key]} {unit} was given, but {origin} has {features.described[key]:g} {unit}. "
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
