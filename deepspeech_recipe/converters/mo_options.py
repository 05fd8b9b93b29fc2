"""Options of the plugin: `custom_attributes` of the id `deepspeech_recipe` in mo's --transformations_config."""

from collections.abc import Mapping

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import HEADS, STATES

ID = "deepspeech_recipe"
_CHOICES = {"state": STATES, "head": HEADS}
_FILES = ("recipe",)  # paths


def check_options(options: Mapping, path: str) -> None:
    """Raises RecipeError for an option that is not known, naming those that are. path: the file it is in."""
    for name, value in options.items():
        if name not in (*_CHOICES, *_FILES):
            raise RecipeError(
                f"{path}: '{name}' is not an option of the plugin. It knows {', '.join((*_CHOICES, *_FILES))}; "
                "the rest is set by mo's own options, or by `deepspeech-recipe convert`"
            )
        if name in _CHOICES and value not in _CHOICES[name]:
            raise RecipeError(f"{path}: '{name}' is {value!r}, not one of {', '.join(_CHOICES[name])}")
        if name in _FILES and not isinstance(value, str):
            raise RecipeError(f"{path}: '{name}' is {value!r}, not a path")
