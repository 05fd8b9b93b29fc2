"""Options of the plugin: `custom_attributes` of the id `deepspeech_recipe` in mo's --transformations_config."""

from collections.abc import Mapping

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.options import CHOICES, PLUGIN

ID = "deepspeech_recipe"


def check_options(options: Mapping, path: str) -> None:
    """Raises RecipeError for an option that is not known, naming those that are. path: the file it is in."""
    for name, value in options.items():
        if name not in PLUGIN:
            raise RecipeError(
                f"{path}: '{name}' is not an option of the plugin. It knows {', '.join(PLUGIN)}; "
                "the rest is set by mo's own options, or by `deepspeech-recipe convert`"
            )
        if name in CHOICES and value not in CHOICES[name]:
            raise RecipeError(f"{path}: '{name}' is {value!r}, not one of {', '.join(CHOICES[name])}")
        if name not in CHOICES and not isinstance(value, str):
            raise RecipeError(f"{path}: '{name}' is {value!r}, not a path")
