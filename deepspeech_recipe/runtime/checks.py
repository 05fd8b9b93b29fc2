"""Whether an IR has what recognition needs of it."""

from collections.abc import Sequence

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.names import EXTERNAL


def audio_of(ir: AcousticIR) -> AudioSettings:
    """How audio becomes its features."""
    if ir.audio is None:
        raise Refusal(
            f"{ir.name}: does not say how audio becomes its features: the graph had no feature part, and its client is "
            "not one of v0.2 to v0.4",
            remedy="Compute the features and feed the IR directly, or use a newer model",
        )
    return ir.audio


def labels_of(ir: AcousticIR, given: Sequence[bytes] | None) -> Sequence[bytes]:
    """The alphabet given, or the IR's own."""
    labels = ir.labels if given is None else given
    if labels is None:
        raise RecipeError(f"{ir.name}: has no alphabet in its metadata. Give the alphabet.txt of its training.")
    if ir.classes not in (None, len(labels) + 1):
        raise RecipeError(
            f"The alphabet has {len(labels)} labels, {len(labels) + 1} classes with the blank, but {ir.name} has "
            f"{ir.classes} classes. Give the alphabet of its training."
        )
    return labels


def check_shared(ir: AcousticIR, rows: int, delay: float) -> None:
    """Whether that many streams can share its calls, and wait for each other so long."""
    if rows < 1 or not delay >= 0:
        raise RecipeError(f"max_batch is {rows} and max_delay {delay}: at least 1 row and 0 seconds are needed.")
    if ir.input_kind != "windows" or ir.state != EXTERNAL:
        raise RecipeError(
            f"{ir.name}: keeps its state inside or takes whole utterances, so streams cannot share its calls. "
            "Convert with --state external and --batch dynamic."
        )
    if ir.batch is not None and rows > ir.batch:
        raise RecipeError(
            f"{ir.name}: takes a batch of {ir.batch}, so {rows} streams cannot share its calls. "
            "Convert with --batch dynamic."
        )
