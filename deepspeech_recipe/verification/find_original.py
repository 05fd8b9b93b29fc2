"""Finds the roles of the original model's tensors, by the names that DeepSpeech's exporters gave them.

The recogniser, which the converters rely on, is asked only if a graph has other names.
"""

import os

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import last_net
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.audio_settings import ClientSettings
from deepspeech_recipe.recipes.deepspeech_v01 import split_window
from deepspeech_recipe.recipes.recognition import Recognition, recognise
from deepspeech_recipe.recipes.registry import named
from deepspeech_recipe.sources import LoadedModel
from deepspeech_recipe.verification.original import Original, producer


@last_net("the graph")
def find_original(source: LoadedModel, recipe: str | os.PathLike | None = None) -> Original:
    """Reads a source's graph. recipe: a Python file to ask first if its names are not upstream's.

    Raises RecipeError if it is not an acoustic model."""
    view = GraphView.of(source.graph)
    recognition, roles = None, _by_name(view)
    if roles is None:
        recognition = recognise(view, named(recipe))
        roles = _by_recogniser(view, source, recognition)
    windows = producer(view, roles["windows"])
    shape = windows.attribute("shape")
    if len(shape) == 3:  # v0.1's windows are flat
        shape = (*shape[:2], *split_window(shape[2]))
    batch, steps = (None if size < 0 else size for size in shape[:2])
    audio = _audio(view)
    client = None if audio["samples"] else _client(view, recipe, recognition)
    return Original(
        source=source, view=view, batch=batch, steps=steps, window_frames=shape[2], n_input=shape[3],
        head="probabilities" if _is_softmax(view, roles["logits"]) else "raw", client=client, **roles, **audio,
    )  # fmt: skip


def _by_name(view: GraphView) -> dict | None:
    """The roles by upstream's names, or None if one is missing."""
    if not _is_placeholder(view, "input_node", 4) or "logits" not in view.nodes:
        return None
    roles = {
        "windows": Tensor("input_node"),
        "logits": Tensor("logits"),
        "lengths": Tensor("input_lengths") if _is_placeholder(view, "input_lengths", 1) else None,
        **dict.fromkeys(("state_c", "state_h", "new_c", "new_h", "first_c", "first_h")),
    }
    for part in "ch":
        state, new = f"previous_state_{part}", f"new_state_{part}"
        if state not in view.nodes:
            continue
        roles[f"state_{part}"] = Tensor(state)
        if view.is_variable(view.nodes[state]):
            roles[f"new_{part}"] = next((node.inputs[1] for node in view.updates(view.nodes[state])), None)
            roles[f"first_{part}"] = _first(view, state, "initialize_state")
        elif new in view.nodes:
            roles[f"new_{part}"] = Tensor(new)
        if roles[f"new_{part}"] is None:
            return None
    if not view.of_op("BlockLSTM", "BlockLSTMV2") or (roles["state_c"] is None) != (roles["state_h"] is None):
        return None
    return roles


def _by_recogniser(view: GraphView, source: LoadedModel, recognition: Recognition) -> dict:
    if recognition.acoustic is None:
        raise RecipeError(f"{source.path}: is not a DeepSpeech model: {recognition.why_not}.")
    model = recognition.acoustic
    states = {"c": model.state_c, "h": model.state_h}
    kept = {part: state for part, state in states.items() if state.kind != "constant"}
    reset = _reset(view, {name for state in kept.values() for name in state.reset})
    first = {part: _first(view, kept[part].name, reset) for part in kept if kept[part].kind == "variable"}
    return {
        "windows": model.windows,
        "logits": model.logits,
        "lengths": model.lengths,
        **{f"state_{part}": kept[part].source if part in kept else None for part in states},
        **{f"new_{part}": kept[part].new[0] if part in kept else None for part in states},
        **{f"first_{part}": first.get(part) for part in states},
    }


def _reset(view: GraphView, assigns: set[str]) -> str | None:
    """The node that all resets are inputs of."""
    if not assigns:
        return None
    return next((node.name for node in view.of_op("NoOp") if assigns <= set(node.control_inputs)), None)


def _first(view: GraphView, variable: str, reset: str | None) -> Tensor | None:
    """What a variable is assigned by the node that begins an utterance, or None."""
    nodes = view.nodes[reset].control_inputs if reset is not None and reset in view.nodes else ()
    assigns = [view.nodes[name] for name in nodes if name in view.nodes and view.nodes[name].op == "Assign"]
    return next((node.inputs[1] for node in assigns if node.inputs[0] == Tensor(variable)), None)


def _is_placeholder(view: GraphView, name: str, rank: int) -> bool:
    node = view.nodes.get(name)
    return node is not None and node.op.startswith("Placeholder") and len(node.attribute("shape") or ()) == rank


def _is_softmax(view: GraphView, logits: Tensor) -> bool:
    return producer(view, view.source(logits)).op == "Softmax"


def _client(view: GraphView, recipe, recognition: Recognition | None) -> ClientSettings | None:
    try:
        acoustic = (recognition or recognise(view, named(recipe))).acoustic
    except RecipeError:
        return None
    return None if acoustic is None else acoustic.client_features


def _audio(view: GraphView) -> dict:
    """The feature part's ends: `input_samples` and `mfccs`, or what has their place."""
    none = {"samples": None, "mfccs": None}
    mfccs = view.of_op("Mfcc")
    if len(mfccs) != 1 or len(view.of_op("AudioSpectrogram")) != 1:
        return none
    samples = [node for node in view.ancestors(Tensor(mfccs[0].name)) if node.op.startswith("Placeholder")]
    if len(samples) != 1:
        return none
    end = Tensor("mfccs") if "mfccs" in view.nodes else Tensor(mfccs[0].name)
    return {"samples": Tensor(samples[0].name), "mfccs": end}
