"""What an IR says of itself, beside what its model says: numbers do not show a wrong alphabet, rate or beam width."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from deepspeech_recipe.converters.contract import model_metadata
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.initial_state import KEY as INITIAL_STATE
from deepspeech_recipe.ir.metadata import alphabet_labels
from deepspeech_recipe.ir.options import DYNAMIC
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.recipes.registry import named
from deepspeech_recipe.sources.loaded_model import METADATA, TYPED, without_other_client
from deepspeech_recipe.verification.converted import Converted
from deepspeech_recipe.verification.original import Original
from deepspeech_recipe.verification.report import Check

# What says by which version of this project the IR was made, and what was typed.
_NOT_OF_THE_MODEL = {"recipe", "recipe_version", "generation", TYPED}
_LONGEST = 60


@dataclass(frozen=True)
class Said:
    """check: whether the IR says what the model says. labels: of the model's alphabet, the IR's if the model has none.
    notes: what was not compared, or is not so."""

    check: Check
    labels: Sequence[bytes] | None
    notes: tuple[str, ...]


def check_metadata(original: Original, ir: Converted, recipe: str | os.PathLike | None) -> Said:
    """Compares all that is the model's: alphabet, sizes, audio settings, beam width, language, initial state."""
    notes = _form_notes(ir)
    try:
        model = recognise(original.view, named(recipe)).acoustic
    except RecipeError:
        model = None
    if model is None:
        notes.append("the metadata are not compared: this version does not recognise the model")
        return Said(Check("metadata", True, 0, 0, "not compared"), ir.labels, tuple(notes))
    source = original.source
    typed = set(ir.metadata.get(TYPED, ())) - set(source.overrides)
    expected = without_other_client(
        source.complete(model_metadata(model)), {key: ir.metadata.get(key) for key in typed}
    )
    wrong = []
    for key in sorted({*expected, INITIAL_STATE} - _NOT_OF_THE_MODEL):
        ours, theirs = ir.metadata.get(key), expected.get(key)
        if ours == theirs:
            continue
        if key in METADATA and (theirs is None or key in typed):
            notes.append(f"metadata: '{key}' was given when the model was converted, and is not compared")
            expected[key] = ours
        else:
            wrong.append(f"'{key}' is {_short(ours)} in the IR, {_short(theirs)} in the model")
    labels = alphabet_labels(expected.get("alphabet"))
    return Said(Check("metadata", not wrong, len(wrong), 0, "; ".join(wrong)), labels, tuple(notes))


def _form_notes(ir: Converted) -> list[str]:
    """What the IR says of its form and is not so any more: no program relies on it."""
    found = {"weights": ir.weights, "state": ir.state, "batch": ir.batch or DYNAMIC}
    if ir.input_kind == "windows":
        found["time_steps"] = ir.steps or DYNAMIC
    return [
        f"the metadata says {key} {ir.metadata[key]}, the IR has {value}"
        for key, value in found.items()
        if ir.metadata.get(key) not in (None, value)
    ]


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
