"""The variables of DeepSpeech ≥ 0.2 and Coqui STT by their names, which differ from release to release."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import Refusal, some_of
from deepspeech_recipe.graphdef.external import External, outside_if_large
from deepspeech_recipe.sources.canonical import Dense, Weights
from deepspeech_recipe.sources.canonical.fused_cell import CELL
from deepspeech_recipe.sources.checkpoint.bundle import Bundle

_LAYERS = ("1", "2", "3", "5", "6")


@dataclass(frozen=True)
class Naming:
    """How a range of releases names its variables."""

    releases: str
    kernel: str
    bias: str
    cell: str
    forget_bias: float

    def required(self) -> list[str]:
        """The variables without which a checkpoint is not of these releases."""
        layers = [pattern.format(layer) for layer in _LAYERS for pattern in (self.kernel, self.bias)]
        return [*layers, f"{self.cell}/kernel", f"{self.cell}/bias"]


NAMINGS = (
    Naming("v0.6 and later, Coqui STT", "layer_{}/weights", "layer_{}/bias", CELL, 0.0),
    Naming("v0.5", "layer_{}/weights", "layer_{}/bias", "lstm_fused_cell", 1.0),
    Naming("v0.2 to v0.4", "h{}", "b{}", "lstm_fused_cell", 1.0),
)
_STATES = ("previous_state_c", "previous_state_h")


def find_naming(variables: Bundle, path: Path) -> Naming:
    """The naming that fits best, all of whose variables are there; else a refusal that says what is missing."""
    missing = {naming: [n for n in naming.required() if n not in variables] for naming in NAMINGS}
    naming = min(missing, key=lambda naming: len(missing[naming]))
    if not missing[naming]:
        return naming
    opaque = next((name for name in variables.shapes if "opaque_kernel" in name.rpartition("/")[2]), None)
    if opaque and all(name.startswith(naming.cell) for name in missing[naming]):
        raise Refusal(
            f"{path}: the LSTM is stored as an opaque CuDNN blob ('{opaque}'), which only CuDNN can read",
            remedy="Save the checkpoint again with DeepSpeech's own training code on a GPU, which writes the "
            "canonical form, or export the model there",
        )
    if any(name.startswith("bidirectional_rnn/") for name in variables.shapes):
        raise Refusal(
            f"{path}: is a checkpoint of v0.1, a bidirectional network; checkpoints are read from v0.2 on",
            remedy="Export it with v0.1's own DeepSpeech.py --export_dir, and give the frozen graph that it writes",
        )
    raise Refusal(
        f"{path}: is not a checkpoint of DeepSpeech: {len(missing[naming])} of {len(naming.required())} variables of "
        f"{naming.releases} are missing ({some_of(missing[naming])})"
    )


def make_weights(variables: Bundle, naming: Naming, relu_clip: float) -> Weights:
    """The network's weights; layer normalisation if its variables are there."""

    def dense(layer: str) -> Dense:
        gains = [f"layer_{layer}/LayerNorm/{name}" for name in ("gamma", "beta")]
        has = [name for name in gains if name in variables]
        if len(has) == 1:
            raise Refusal(f"Of layer {layer}'s normalisation only '{has[0]}' is there")
        kernel, bias = naming.kernel.format(layer), naming.bias.format(layer)
        return Dense(_matrix(variables, kernel), _floats(variables, bias), *(_floats(variables, name) for name in has))

    return Weights(
        **{f"layer_{layer}": dense(layer) for layer in _LAYERS},
        lstm_kernel=_matrix(variables, f"{naming.cell}/kernel"),
        lstm_bias=_floats(variables, f"{naming.cell}/bias"),
        forget_bias=naming.forget_bias,
        relu_clip=relu_clip,
    )


def _matrix(variables: Bundle, name: str) -> np.ndarray | External:
    return outside_if_large(_floats(variables, name))


def _floats(variables: Bundle, name: str) -> np.ndarray:
    return np.asarray(variables[name], np.float32)


def initial_states(variables: Bundle, n_hidden: int) -> tuple[np.ndarray, np.ndarray] | None:
    """What the state variables of an exported graph (v0.2 to v0.5) hold, if it is not zero; training has none."""
    if any(name not in variables or variables.shapes[name][1:] != (n_hidden,) for name in _STATES):
        return None
    c, h = (_floats(variables, name) for name in _STATES)
    return (c, h) if c.shape == h.shape and (c.any() or h.any()) else None
