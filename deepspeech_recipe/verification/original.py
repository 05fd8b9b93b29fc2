"""The original model: where its inputs and outputs are, told by the names that DeepSpeech's exporters gave them.

The recogniser, which the converters rely on, is asked only if a graph has other names.
"""

import os
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import last_net
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.ir.audio_settings import ClientSettings, SpectrogramSettings
from deepspeech_recipe.patterns.state import initial_state
from deepspeech_recipe.recipes.deepspeech_v01 import split_window
from deepspeech_recipe.recipes.recognition import Recognition, recognise
from deepspeech_recipe.recipes.registry import named
from deepspeech_recipe.sources import LoadedModel


def producer(view: GraphView, tensor: Tensor | None) -> Node:
    """The node that computes a tensor. Raises RecipeError if there is none."""
    node = None if tensor is None else view.producer(tensor)
    if node is None:
        raise RecipeError(f"The graph has no node '{tensor.node if tensor else ''}'.")
    return node


@dataclass(frozen=True, eq=False)
class Original:
    """A graph as its file has it, and its tensors' roles.

    windows `[B, T, window, n_input]`; batch, steps: its sizes there, None if open. lengths: input `[B]` or None.
    logits `[T, B, classes]`: probabilities or raw scores, as `head` says.
    state_c, state_h `[B, H]`: placeholders, or variables that the graph itself updates (`keeps_state`; frozen ones
    too), or None; new_c, new_h: the values after the last step. first_c, first_h: what variables are given when an
    utterance begins.
    samples, mfccs: the feature part's ends, or None. client: what the client computed instead, if that is known.
    """

    source: LoadedModel
    view: GraphView
    windows: Tensor
    batch: int | None
    steps: int | None
    window_frames: int
    n_input: int
    lengths: Tensor | None
    logits: Tensor
    head: str
    state_c: Tensor | None
    state_h: Tensor | None
    new_c: Tensor | None
    new_h: Tensor | None
    first_c: Tensor | None
    first_h: Tensor | None
    samples: Tensor | None
    mfccs: Tensor | None
    client: ClientSettings | None

    @property
    def keeps_state(self) -> bool:
        return self.state_c is not None and self.view.is_variable(producer(self.view, self.state_c))

    @property
    def has_state(self) -> bool:
        return self.state_c is not None

    @property
    def inputs(self) -> list[Tensor]:
        """What a call is given: windows, lengths, states."""
        return _there(self.windows, self.lengths, self.state_c, self.state_h)

    @property
    def outputs(self) -> list[Tensor]:
        """What a call returns: logits, new states."""
        return _there(self.logits, self.new_c, self.new_h)

    @property
    def fed(self) -> list[Tensor]:
        """All that is ever given to the graph: the feature part's input too."""
        return [*self.inputs, *_there(self.samples)]

    @property
    def fetched(self) -> list[Tensor]:
        """All that is ever asked of it: the features and the first states too."""
        return [*self.outputs, *_there(self.mfccs, self.first_c, self.first_h)]

    @property
    def hidden_size(self) -> int:
        return self._state_shape[1]

    @property
    def state_rows(self) -> int:
        """The batch of the state; 1 if it is open."""
        return self._state_shape[0] if self._state_shape[0] > 0 else 1

    @property
    def _state_shape(self) -> tuple[int, ...]:
        node = producer(self.view, self.state_c)
        shape = self.view.shape(node)
        if shape is None or len(shape) != 2:
            raise RecipeError(f"The state '{node.name}' does not have two dimensions of known size.")
        return shape

    @property
    def initial(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """(c, h) `[B, H]` before the first call: zeros for placeholders; None if a variable does not say."""
        if not self.has_state:
            return None, None
        return self._initial(self.state_c), self._initial(self.state_h)

    def _initial(self, state: Tensor | None) -> np.ndarray | None:
        known = initial_state(self.view, producer(self.view, state)) if self.keeps_state else np.zeros(())
        shape = self.state_rows, self.hidden_size
        return None if known is None else np.array(np.broadcast_to(known, shape), np.float32)

    @property
    def sample_rate(self) -> int | None:
        """Of audio, in Hz; None if it is not known how audio becomes windows."""
        if self.samples is None:
            return None if self.client is None else self.client.sample_rate
        return int(self.view.scalar(self.view.of_op("Mfcc")[0].inputs[1]))

    @property
    def framing(self) -> SpectrogramSettings:
        """How audio becomes frames. Raises RecipeError if that is not known."""
        if self.sample_rate is None:
            raise RecipeError(f"{self.source.path}: has no feature part, and its client's features are not known.")
        if self.client is not None:
            return self.client
        spectrogram = self.view.of_op("AudioSpectrogram")[0]
        return SpectrogramSettings(spectrogram.attribute("window_size"), spectrogram.attribute("stride"))


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


def _there(*tensors: Tensor | None) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


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


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis, float64."""
    exponential = np.exp(np.asarray(scores, np.float64) - np.max(scores, -1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


def probabilities(values: np.ndarray, head: str) -> np.ndarray:
    """What `logits` holds → probabilities."""
    return softmax(values) if head == "raw" else np.asarray(values, np.float64)
