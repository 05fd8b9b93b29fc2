"""Options of the plugin: `custom_attributes` of the id `deepspeech_recipe` in mo's --transformations_config."""

import json

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.passes.head import HEADS

ID = "deepspeech_recipe"
_CHOICES = {"state": ("external", "internal"), "head": HEADS}
_FILES = ("recipe",)  # paths


def read_options(argv) -> dict[str, str]:
    """The options given, by name. Raises RecipeError for one that is not known, naming those that are."""
    path = getattr(argv, "transformations_config", None)
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
    except (OSError, ValueError) as error:
        raise RecipeError(f"--transformations_config {path} cannot be read: {error}") from None
    entries = entries if isinstance(entries, list) else [entries]
    options: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, dict) and entry.get("id") == ID:
            options |= entry.get("custom_attributes", {})
    for name, value in options.items():
        if name in _FILES:
            continue
        if name not in _CHOICES:
            raise RecipeError(
                f"{path}: '{name}' is no option of the plugin. It knows {', '.join((*_CHOICES, *_FILES))}; "
                "the rest is set by mo's own options, or by `deepspeech-recipe convert`"
            )
        if value not in _CHOICES[name]:
            raise RecipeError(f"{path}: '{name}' is {value!r}, not one of {', '.join(_CHOICES[name])}")
    return options
