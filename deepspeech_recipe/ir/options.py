"""The options of a conversion: their names, types, choices and defaults.

The command line, the Python functions and the plugin's configuration take them from here. Nothing is loaded for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, Union, get_args

from deepspeech_recipe.errors import RecipeError

# OpenVINO's own frontend takes 2 s where Model Optimizer takes 20, to the same result.
Converter = Literal["openvino", "mo"]
# Where states live: in inputs and outputs of the model, or in variables inside of it.
State = Literal["external", "internal"]
Size = Union[int, Literal["dynamic"]]
Lengths = Literal["enforce", "input"]
Audio = Literal["none", "separate", "attached"]
Weights = Literal["fp32", "fp16", "int8"]
Activations = Literal["fp32", "int8"]
Device = Literal["CPU", "GPU", "NPU"]
# In what a device computes, as OpenVINO calls it.
Precision = Literal["f32", "bf16", "f16"]
# What `logits` is.
Head = Literal["probabilities", "raw"]

# In place of a number of time steps or a batch, in the metadata too: any number.
DYNAMIC: Literal["dynamic"] = "dynamic"
CHOICES: dict[str, tuple[str, ...]] = {
    "converter": get_args(Converter),
    "state": get_args(State),
    "head": get_args(Head),
    "lengths": get_args(Lengths),
    "audio": get_args(Audio),
    "weights": get_args(Weights),
    "activations": get_args(Activations),
    "device": get_args(Device),
}
# OpenVINO's option, and what the numbers of this project hold for.
PRECISION = "INFERENCE_PRECISION_HINT"
FULL_PRECISION: Precision = "f32"
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
# What the plugin can be told in mo's --transformations_config; mo's own options say the rest.
PLUGIN = ("state", "head", "recipe")


@dataclass(frozen=True)
class Options:
    """What `convert` is asked for. None of a size or the head: as in the graph; of activations: int8.

    recipe: the path of a Python file that the user named. freeze: inputs and the number that each holds for good.
    inputs, outputs: where to cut the graph (`graphdef.cut`).
    keep_fp16: names of layers.
    """

    converter: Converter = "openvino"
    recipe: str | None = None
    freeze: Mapping[str, float] | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    state: State = "external"
    time_steps: Size | None = None
    batch: Size | None = None
    lengths: Lengths = "enforce"
    audio: Audio = "none"
    weights: Weights = "fp32"
    keep_fp16: tuple[str, ...] = ()
    activations: Activations | None = None
    device: Device = "CPU"
    head: Head | None = None

    @property
    def streaming(self) -> bool:
        """Whether the model takes blocks of samples of one stream."""
        return self.audio == "attached" and self.state == "internal"

    def check(self) -> None:
        """Raises RecipeError for what no model allows."""
        optional = {field.name for field in fields(self) if field.default is None}
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (value is None and name in optional):
                raise RecipeError(f"The option {name} must be {' or '.join(choices)}, not {value!r}.")
        for what, size in (("number of time steps", self.time_steps), ("batch", self.batch)):
            number = isinstance(size, int) and not isinstance(size, bool) and size > 0
            if not number and size not in (None, DYNAMIC):
                raise RecipeError(f"The {what} must be a whole number above zero or '{DYNAMIC}', not {size!r}.")
        if self.keep_fp16 and self.weights != "int8":
            raise RecipeError(
                f"--keep-fp16 names layers that weights of 8 bits leave wider; these are {self.weights}. "
                "Give --weights int8 with it."
            )
        if self.activations and self.weights != "int8":
            raise RecipeError(
                f"--activations says what weights of 8 bits are multiplied by; these are {self.weights}. "
                "Give --weights int8 with it."
            )
        if self.audio == "attached" and self.time_steps not in (None, DYNAMIC):
            raise RecipeError(
                f"With audio attached a call takes any number of samples, so the time steps cannot be fixed to "
                f"{self.time_steps}. Leave --time-steps out, or use --audio separate."
            )
        if self.streaming and self.lengths == "input":
            raise RecipeError(
                "With audio attached and internal state a call takes one block of one stream, so an input of lengths "
                "has no use. Leave --lengths out, or keep the state external."
            )
