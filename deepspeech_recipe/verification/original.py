"""The original model: its graph as the file has it, with the roles of its tensors."""

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.ir.audio_settings import ClientSettings, SpectrogramSettings
from deepspeech_recipe.patterns.state import initial_state
from deepspeech_recipe.sources import LoadedModel


def producer(view: GraphView, tensor: Tensor | None) -> Node:
    """The node that computes a tensor. Raises RecipeError if there is none."""
    node = None if tensor is None else view.producer(tensor)
    if node is None:
        raise RecipeError(f"The graph has no node '{tensor.node if tensor else ''}'.")
    return node


def _there(*tensors: Tensor | None) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


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


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis, float64."""
    exponential = np.exp(np.asarray(scores, np.float64) - np.max(scores, -1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


def probabilities(values: np.ndarray, head: str) -> np.ndarray:
    """What `logits` holds → probabilities."""
    return softmax(values) if head == "raw" else np.asarray(values, np.float64)
