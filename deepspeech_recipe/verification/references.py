"""Three ways to run the original graph, with one interface:

start() → (c, h): begins an utterance; the states are float arrays `[B, H]`, or None for a graph without state
step(windows `[B, T, window, n_input]`, lengths `[B]`) → (values, (c, h)): one call of the graph, whose state stays
    inside; values: logits `[T, B, classes]`, and the layers that were asked for, `[T, B, …]` or `[T·B, …]`
utterance(samples `[N]`) → MFCCs `[frames, n_input]`, of frames as DeepSpeech's client makes them, its flush included

B and T are the graph's own. Neither cuts nor rewrites the graph.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np

from deepspeech_recipe.audio.reference import utterance_mfccs
from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.installation import NoTensorFlow
from deepspeech_recipe.ir.audio_settings import ClientSettings
from deepspeech_recipe.ir.options import FULL_PRECISION, PRECISION
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.temporary import temporary_directory
from deepspeech_recipe.verification.numpy_graph import NumpyGraph
from deepspeech_recipe.verification.original import Original, producer
from deepspeech_recipe.verification.recordings import flushed
from deepspeech_recipe.verification.tensorflow_session import TensorFlowGraph

REFERENCES = ("auto", "tensorflow", "openvino", "numpy")


def make_reference(original: Original, which: str = "auto", *, lengths: bool = False):
    """The reference of a name. auto: TensorFlow if it works here; else OpenVINO's own TensorFlow frontend for
    graphs that it can read (v0.6 on, but for BlockLSTMV2); else numpy. lengths: whether unequal lengths will be
    asked for. Raises RecipeError for one that is not to be had."""
    if which not in REFERENCES:
        raise RecipeError(f"'{which}' is not a reference; there are {', '.join(REFERENCES)}.")
    if which == "auto":
        with suppress(NoTensorFlow):
            return TensorFlow(original)
        try:
            return make_reference(original, "openvino", lengths=lengths)
        except RecipeError:
            return Numpy(original)
    if which == "openvino" and lengths:
        raise RecipeError(
            "The loop that OpenVINO's own TensorFlow frontend makes of the LSTM fails for calls of length 0, "
            "so unequal lengths cannot be compared with it: use TensorFlow or numpy."
        )
    return {"tensorflow": TensorFlow, "openvino": OpenVINO, "numpy": Numpy}[which](original)


State = tuple["np.ndarray | None", "np.ndarray | None"]
Layers = Mapping[str, Tensor]


class Reference(ABC):
    """What the three have in common. The state is never the graph's own: it is fed, and its new value fetched.

    name: what computes, for the report. layers: name → further tensors that a step gives.
    """

    name = ""
    layers: Layers = MappingProxyType({})

    def __init__(self, original: Original):
        self._original = original
        self._state: State = (None, None)

    def start(self) -> State:
        self._state = self._first()
        return self._state

    def utterance(self, samples: np.ndarray) -> np.ndarray:
        framing = self._original.framing
        if isinstance(framing, ClientSettings):
            return utterance_mfccs(samples, framing)
        return self.features(flushed(samples, framing))

    @abstractmethod
    def features(self, samples: np.ndarray) -> np.ndarray:
        """By the graph's own feature part: samples `[N]` → MFCCs of whole windows."""

    def _first(self):
        original = self._original
        known = original.initial
        if not original.has_state or all(each is not None for each in known):
            return known
        if original.first_c is None or original.first_h is None:
            raise RecipeError("The graph does not say how its state variables begin (no initialize_state).")
        c, h = self._run([original.first_c, original.first_h], {})
        return c, h

    def step(self, windows, lengths) -> tuple[list[np.ndarray], State]:
        original = self._original
        states = [each for each in (original.new_c, original.new_h) if each is not None]
        fetches = [*states, original.logits, *self.layers.values()]
        found = self._run(fetches, self._feeds(windows, lengths))
        if states:
            self._state = found[0], found[1]
        return found[len(states) :], self._state

    def _feeds(self, windows, lengths) -> dict:
        original = self._original
        if len(producer(original.view, original.windows).attribute("shape")) == 3:
            windows = windows.reshape(*windows.shape[:2], -1)
        feeds = {original.windows: windows}
        if original.lengths is not None:
            feeds[original.lengths] = np.asarray(lengths, np.int32)
        if original.has_state:
            states = zip((original.state_c, original.state_h), self._state, strict=True)
            feeds |= {state: value for state, value in states if state is not None}
        return feeds

    @abstractmethod
    def _run(self, fetches: list[Tensor], feeds: dict) -> list[np.ndarray]:
        """The values of tensors."""


class Numpy(Reference):
    """Every release's graph in plain numpy and float64."""

    def __init__(self, original: Original, layers: Layers | None = None):
        super().__init__(original)
        self.layers = layers or {}
        self.name = "numpy, float64"
        self._graph = NumpyGraph(original.view)

    def _run(self, fetches, feeds):
        return self._graph.run(fetches, feeds)

    def features(self, samples):
        original = self._original
        (mfccs,) = self._run([original.mfccs], {original.samples: samples})
        return mfccs.reshape(-1, original.n_input)


class TensorFlow(Reference):
    """The graph in TensorFlow's own session, on the CPU."""

    def __init__(self, original: Original):
        super().__init__(original)
        self._graph = TensorFlowGraph(original.source.graph, original.fetched, original.fed, original.source.path)
        self.name = f"TensorFlow {self._graph.version}"

    def _run(self, fetches, feeds):
        return self._graph.run(fetches, feeds)

    def features(self, samples):
        """Window by window, as the graph's input wants it."""
        original = self._original
        window = original.framing.window_size
        starts = range(0, len(samples) - window + 1, original.framing.stride)
        mfccs = [self._run([original.mfccs], {original.samples: samples[at : at + window]})[0] for at in starts]
        return np.concatenate([each.reshape(1, original.n_input) for each in mfccs])


class OpenVINO(Reference):
    """The graph as OpenVINO's own TensorFlow frontend reads it, on the CPU in float32; the features in numpy,
    as the frontend does not know their operations."""

    def __init__(self, original: Original):
        if original.keeps_state:
            raise RecipeError(
                "OpenVINO's own TensorFlow frontend cannot read graphs that keep their state in variables "
                "(v0.2 to v0.5): compare with TensorFlow or numpy."
            )
        super().__init__(original)
        self.name = f"OpenVINO's own TensorFlow frontend, {ov.__version__.split('-')[0]}"
        self._call: Callable = ov.Core().compile_model(_frontend(original), "CPU", {PRECISION: FULL_PRECISION})

    def _run(self, fetches, feeds):
        found = self._call({str(tensor): value for tensor, value in feeds.items()})
        return [found[str(tensor)].copy() for tensor in fetches]

    def features(self, samples):
        return Numpy(self._original).features(samples)


def _frontend(original: Original):
    from openvino.frontend import FrontEndManager

    from deepspeech_recipe.converters.openvino_trial import is_at_risk, try_conversion

    inputs, outputs = original.inputs, original.outputs
    for node in original.source.graph.node:
        if node.op == "Const":
            # Scalars may have no shape, which the frontend takes for an unknown one.
            node.attr["value"].tensor.tensor_shape.SetInParent()
    with temporary_directory() as directory:
        path = Path(directory) / "model.pb"
        original.source.write_pb(path)
        if is_at_risk(original.source.graph):
            try_conversion(path, ())
        try:
            frontend = FrontEndManager().load_by_framework("tf")
            loaded = frontend.load(str(path))
            places = [[loaded.get_place_by_tensor_name(str(tensor)) for tensor in group] for group in (inputs, outputs)]
            loaded.extract_subgraph(*places)
            model = frontend.convert(loaded)
        except Exception as error:
            ops = sorted({node.op for node in original.view.nodes.values() if node.op in str(error)})
            known = some_of(ops, none=type(error).__name__)
            raise RecipeError(
                f"OpenVINO's own TensorFlow frontend cannot read the graph ({known}). Compare with TensorFlow or numpy"
            ) from None
        ov.Core().compile_model(model, "CPU")  # the weights are read from the file until here
    return model
