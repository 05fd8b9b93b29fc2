"""What a DeepSpeech model is, however its graph was recognised: all that the IR contract is made of."""

from __future__ import annotations

from dataclasses import dataclass

from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.ir.audio_settings import AudioSettings, ClientSettings
from deepspeech_recipe.ir.names import LOGITS, STATE_PAIRS, WINDOWS
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes.audio import AudioPart
from deepspeech_recipe.recipes.metadata import Metadata


@dataclass(frozen=True)
class AcousticModel:
    """A recognised acoustic model: windows of MFCCs → dense layers → LSTM → two dense layers.

    - generation: the releases that wrote such graphs.
    - windows: the input `[B, T, 2·context+1, n_input]`. batch, time_steps: None if the graph leaves them open.
    - window_frames, n_input: the sizes of a window. time_major: the tensor `[T, B, …]` made of the windows.
    - to_sequence, to_logits: Reshapes from `[T·B, …]` to `[T, B, …]`. lengths: the graph's input of lengths, if any.
    - no_batch: the Squeeze behind them that drops a batch of 1, '' without: TensorFlow Lite's exporters have it.
    - lstms: the LSTM; of v0.1 two, forward and backward, whose windows are flat. state_c, state_h: of the first one.
    - dense_sizes: of all dense layers in order, two of which are behind the LSTM. classes: the blank included.
    - layer_norm: whether the dense layers are followed by layer norms.
    - raw_logits, logits: scores, and what the graph calls logits. head: 'probabilities' or 'raw', what `logits` is.
    - audio: the feature part, if the graph has one. metadata: what the file says of alphabet and audio.
    - client_features: how the client made the windows, if the graph has no feature part and that is known.
    - recipe: the NAME of the recipe, filled in by the registry.
    """

    generation: str
    windows: Tensor
    batch: int | None
    time_steps: int | None
    window_frames: int
    n_input: int
    time_major: Tensor
    to_sequence: str
    to_logits: str
    lengths: Tensor | None
    lstms: tuple[Lstm, ...]
    state_c: State
    state_h: State
    dense_sizes: tuple[int, ...]
    classes: int
    layer_norm: bool
    raw_logits: Tensor
    logits: Tensor
    head: str
    audio: AudioPart | None
    metadata: Metadata
    no_batch: str = ""
    recipe: str = ""
    client_features: ClientSettings | None = None

    @property
    def features(self) -> AudioSettings | None:
        """How audio becomes the windows: by the graph's own feature part, or by the client."""
        return self.client_features if self.audio is None else self.audio.settings

    @property
    def lstm(self) -> Lstm:
        """The first of its LSTMs; a second one has the same sizes."""
        return self.lstms[0]

    @property
    def is_bidirectional(self) -> bool:
        """Whether a second LSTM reads the windows backwards, as in v0.1."""
        return len(self.lstms) > 1

    @property
    def flat(self) -> bool:
        """Whether the input is `[B, T, (2·context+1) · n_input]`."""
        return self.is_bidirectional

    def windows_shape(self, batch: int, steps: int) -> tuple[int, ...]:
        """The shape of `windows`; -1 for what is open."""
        window = (self.window_frames * self.n_input,) if self.flat else (self.window_frames, self.n_input)
        return (batch, steps, *window)

    @property
    def n_context(self) -> int:
        """Frames on each side of a window's middle."""
        return self.window_frames // 2

    @property
    def own_states(self) -> tuple[State, ...]:
        """The states of its LSTM; the two LSTMs of v0.1, over whole recordings, have none."""
        return () if self.is_bidirectional else (self.state_c, self.state_h)

    @property
    def states(self) -> dict[str, str]:
        """Input → output of the states that go from call to call."""
        return {} if self.state_c.kind == "constant" else dict(STATE_PAIRS)

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The inputs of the IR contract and the graph's tensors they are."""
        kept = zip(self.states, (self.state_c, self.state_h))
        return {WINDOWS: self.windows, **{name: state.source for name, state in kept}}

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs of the IR contract and the graph's tensors they are."""
        kept = zip(self.states.values(), (self.state_c, self.state_h))
        return {LOGITS: self.logits, **{name: state.new[0] for name, state in kept}}
