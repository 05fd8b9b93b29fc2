"""The fields of an AcousticModel that a recipe of somebody's own returned: one line for what cannot be."""

from __future__ import annotations

from typing import Any

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Tensor
from deepspeech_recipe.ir.audio_settings import ClientSettings
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.audio import AudioPart
from deepspeech_recipe.recipes.metadata import Metadata

_HEADS = ("probabilities", "raw")
_LONGEST = 80


def check_acoustic(where: str, view: GraphView, model: AcousticModel) -> None:
    """Raises RecipeError for a field that is of another kind, or another size than the graph's."""
    for name, (fits, wanted) in _fields(view, model).items():
        if not fits:
            raise RecipeError(f"{where}: `{name}` is {_shown(getattr(model, name))}. It must be {wanted}.")
    sizes = view.shape(view.nodes[model.windows.node]) or ()
    window, own = tuple(sizes[2:]), tuple(model.windows_shape(-1, -1)[2:])
    if len(window) != len(own) or any(size not in (-1, other) for size, other in zip(window, own)):
        raise RecipeError(
            f"{where}: `window_frames` and `n_input` make windows of {list(own)} numbers, but '{model.windows}' has "
            f"{list(window)}. Give the graph's sizes."
        )
    if model.dense_sizes[-1] != model.classes:
        raise RecipeError(
            f"{where}: `classes` is {model.classes}, but the last of `dense_sizes` is {model.dense_sizes[-1]}. Give "
            "both the number of the last layer's outputs."
        )


def _fields(view: GraphView, model: AcousticModel) -> dict[str, tuple[bool, str]]:
    """Field → (whether it can be, what is expected)."""
    tensors = {name: (_is_there(view, getattr(model, name)), "a Tensor of the graph") for name in _TENSORS}
    reshapes = {name: (_is_reshape(view, getattr(model, name)), "the name of a Reshape") for name in _RESHAPES}
    sizes = {name: (_is_size(getattr(model, name)), "a whole number above zero") for name in _SIZES}
    open_sizes = {
        name: (_is_size(getattr(model, name), or_none=True), "a whole number above zero, or None") for name in _OPEN
    }
    kept = {name: (isinstance(getattr(model, name), State), "a State") for name in ("state_c", "state_h")}
    dense, lstms = model.dense_sizes, model.lstms
    return {
        **tensors,
        "windows": (_is_input(view, model.windows), "the Tensor of a placeholder [B, T, …]"),
        "lengths": (model.lengths is None or _is_there(view, model.lengths), "a Tensor of the graph, or None"),
        **reshapes,
        **sizes,
        **open_sizes,
        "dense_sizes": (isinstance(dense, tuple) and dense != () and all(map(_is_size, dense)), "a tuple of sizes"),
        "lstms": (
            isinstance(lstms, tuple) and lstms != () and all(isinstance(e, Lstm) for e in lstms),
            "a tuple of Lstm",
        ),
        **kept,
        "head": (model.head in _HEADS, " or ".join(map(repr, _HEADS))),
        "generation": (isinstance(model.generation, str), "a text"),
        "metadata": (isinstance(model.metadata, Metadata), "a Metadata"),
        "audio": (model.audio is None or isinstance(model.audio, AudioPart), "an AudioPart, or None"),
        "client_features": (
            model.client_features is None or isinstance(model.client_features, ClientSettings),
            "a ClientSettings, or None",
        ),
    }


_TENSORS = ("time_major", "raw_logits", "logits")
_RESHAPES = ("to_sequence", "to_logits")
_SIZES, _OPEN = ("window_frames", "n_input", "classes"), ("batch", "time_steps")


def _is_there(view: GraphView, tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and tensor.node in view.nodes


def _is_input(view: GraphView, tensor: Any) -> bool:
    node = view.nodes[tensor.node] if _is_there(view, tensor) else None
    return node is not None and node.op in PLACEHOLDER_OPS and len(view.shape(node) or ()) > 2


def _is_reshape(view: GraphView, name: Any) -> bool:
    return isinstance(name, str) and name in view.nodes and view.nodes[name].op == "Reshape"


def _is_size(value: Any, *, or_none: bool = False) -> bool:
    return (or_none and value is None) or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
