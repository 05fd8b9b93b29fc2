"""Where the Model Optimizer plugin lies."""

from pathlib import Path

from deepspeech_recipe.errors import RecipeError


def extensions() -> Path:
    """Returns the directory for `mo --extensions`: beside this package, in a checkout as after an installation.

    Raises RecipeError if it is missing.
    """
    directory = Path(__file__).resolve().parents[2] / "mo_extensions"
    if not (directory / "front" / "tf").is_dir():
        raise RecipeError(
            f"{directory}: the Model Optimizer plugin is missing. It belongs beside the package deepspeech_recipe: "
            "copy both directories, or install the package again."
        )
    return directory
