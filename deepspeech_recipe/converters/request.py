"""What is asked of either converter, checked against the model before any work is done."""

from __future__ import annotations

from typing import Literal

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.options import DYNAMIC, Options
from deepspeech_recipe.recipes.acoustic_model import AcousticModel


def check_request(options: Options, model: AcousticModel) -> None:
    """Raises RecipeError, with the reason, for what this model or a plugin cannot do."""
    batch = size_of(options, "batch", model)
    if model.state_c.kind == "constant":
        if options.state == "internal":
            raise Refusal(
                "The graph begins every call with the same constant state, so there is none to keep inside",
                node=model.state_c.name,
                remedy="Keep the state external",
            )
        if model.batch is not None and batch != model.batch:
            raise Refusal(
                f"The graph begins every call with a constant state of batch {model.batch}, so the batch cannot "
                f"be {batch or DYNAMIC}",
                node=model.state_c.name,
                remedy="Leave the batch as it is",
            )
    if options.state == "internal" and batch is None:
        raise RecipeError(
            "Internal state needs a fixed batch, and this one is dynamic: OpenVINO keeps variables of one shape "
            "between calls. Give --batch a number, or keep the state external."
        )


def size_of(options: Options, name: Literal["time_steps", "batch"], model: AcousticModel) -> int | None:
    """One of the IR's sizes, None if it is open: as asked for, or as in the graph."""
    asked = options.time_steps if name == "time_steps" else options.batch
    if asked is None:
        return model.time_steps if name == "time_steps" else model.batch
    return None if asked == DYNAMIC else asked
