"""What is asked of either converter, checked against the model before any work is done."""

from __future__ import annotations

from dataclasses import dataclass

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.names import DYNAMIC, HEADS, STATES
from deepspeech_recipe.recipes.acoustic_model import AcousticModel


@dataclass(frozen=True)
class Request:
    """time_steps, batch: a number, 'dynamic', or None for what the graph has. head None: the graph's.
    recipe: the path of one that the user named."""

    state: str = "external"
    head: str | None = None
    time_steps: int | str | None = None
    batch: int | str | None = None
    recipe: str | None = None

    def check(self) -> None:
        """Raises RecipeError for values that no model allows."""
        check_choice("state", self.state, STATES)
        if self.head is not None:
            check_choice("head", self.head, HEADS)
        for what, size in (("number of time steps", self.time_steps), ("batch", self.batch)):
            number = isinstance(size, int) and not isinstance(size, bool) and size > 0
            if not number and size not in (None, DYNAMIC):
                raise RecipeError(f"The {what} must be a whole number above zero or '{DYNAMIC}', not {size!r}.")

    def check_model(self, model: AcousticModel) -> None:
        """Raises RecipeError, with the reason, for what this model or a plugin cannot do."""
        batch = self.size_of("batch", model)
        if model.state_c.kind == "constant":
            if self.state == "internal":
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
        if self.state == "internal" and batch is None:
            raise RecipeError(
                "Internal state needs a fixed batch, and this one is dynamic: OpenVINO keeps variables of one shape "
                "between calls. Give --batch a number, or keep the state external."
            )

    def size_of(self, name: str, model: AcousticModel) -> int | None:
        """'time_steps' or 'batch' of the IR, None where dynamic."""
        wanted = getattr(self, name)
        if wanted is None:
            return getattr(model, name)
        return None if wanted == DYNAMIC else wanted


def check_choice(name: str, value, choices) -> None:
    if value not in choices:
        raise RecipeError(f"The option {name} must be {' or '.join(choices)}, not {value!r}.")
