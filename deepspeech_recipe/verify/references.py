"""Three ways to run the original graph, with one interface:

start() → (c, h): begins an utterance; the states are float arrays `[B, H]`, or None for a graph without state
step(windows `[B, T, window, n_input]`, lengths `[B]`) → (logits `[T, B, classes]`, c, h): one call of the graph;
    the state stays inside
features(samples `[N]`) → MFCCs `[frames, n_input]`

B and T are the graph's own. Neither cuts nor rewrites the graph.
"""

import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.ov_api import ov
from deepspeech_recipe.verify.numpy_graph import NumpyGraph
from deepspeech_recipe.verify.original import Original
from deepspeech_recipe.verify.tensorflow_session import plain_session

REFERENCES = ("auto", "tensorflow", "openvino", "numpy")


def make_reference(original: Original, which: str = "auto", *, lengths: bool = False):
    """The reference of a name. auto: TensorFlow if it is installed; else OpenVINO's own TensorFlow frontend for
    graphs that it can read (v0.6 on, but for BlockLSTMV2); else numpy. lengths: whether unequal lengths will be
    asked for. Raises RecipeError for one that is not to be had."""
    if which not in REFERENCES:
        raise RecipeError(f"'{which}' is no reference; there are {', '.join(REFERENCES)}.")
    if which == "auto":
        if importlib.util.find_spec("tensorflow"):
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


def _zeros(original: Original):
    if not original.has_state:
        return None, None
    return tuple(np.zeros((original.state_rows, original.hidden_size), np.float32) for _ in "ch")


def _feeds(original: Original, windows, lengths, state) -> dict:
    if len(original.view.producer(original.windows).attribute("shape")) == 3:
        windows = windows.reshape(*windows.shape[:2], -1)
    feeds = {original.windows: windows}
    if original.lengths is not None:
        feeds[original.lengths] = np.asarray(lengths, np.int32)
    if original.has_state and not original.keeps_state:
        feeds |= dict(zip((original.state_c, original.state_h), state, strict=True))
    return feeds


def _reset(original: Original) -> str:
    """The node that begins the state variables."""
    if original.reset is None:
        raise RecipeError("The graph does not say how its state variables begin (no initialize_state).")
    return original.reset


class Numpy:
    """Every release's graph in plain numpy and float64."""

    def __init__(self, original: Original):
        self.name = "numpy, float64"
        self._original, self._graph = original, NumpyGraph(original.view)
        self._state = None, None

    def start(self):
        original = self._original
        if original.keeps_state:
            self._graph.run_node(_reset(original))
            self._state = tuple(self._graph.variable(state.node) for state in (original.state_c, original.state_h))
        else:
            self._state = _zeros(original)
        return self._state

    def step(self, windows, lengths, fetches: list[Tensor] | None = None):
        """fetches: further tensors, whose values follow as a list."""
        original = self._original
        states = [original.new_c, original.new_h] if original.has_state else []
        wanted = [original.logits, *states, *(fetches or [])]
        logits, *rest = self._graph.run(wanted, _feeds(original, windows, lengths, self._state))
        if original.has_state:
            self._state, rest = tuple(rest[:2]), rest[2:]
        return (logits, *self._state, rest) if fetches is not None else (logits, *self._state)

    def features(self, samples):
        original = self._original
        (mfccs,) = self._graph.run([original.mfccs], {original.samples: samples})
        return mfccs.reshape(-1, original.n_input)


class TensorFlow:
    """The graph in TensorFlow's own session, on the CPU."""

    def __init__(self, original: Original):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            import tensorflow as tf
        except ImportError as error:
            raise RecipeError(f"The reference 'tensorflow' is not to be had: {error}.") from None
        tf1 = tf.compat.v1
        self.name = f"TensorFlow {tf.__version__}"
        self._original = original
        with tf.Graph().as_default() as graph:
            tf1.import_graph_def(tf1.GraphDef.FromString(original.source.graph.SerializeToString()), name="")
        self._session = plain_session(graph)
        self._state = None, None

    def start(self):
        original = self._original
        if original.keeps_state:
            self._session.run(_reset(original))
            self._state = self._variables()
        else:
            self._state = _zeros(original)
        return self._state

    def step(self, windows, lengths):
        original = self._original
        feeds = {str(tensor): value for tensor, value in _feeds(original, windows, lengths, self._state).items()}
        if original.keeps_state:
            logits = self._session.run(str(original.logits), feeds)
            self._state = self._variables()
        elif original.has_state:
            wanted = (original.logits, original.new_c, original.new_h)
            logits, *self._state = self._session.run([str(tensor) for tensor in wanted], feeds)
        else:
            logits = self._session.run(str(original.logits), feeds)
        return logits, *self._state

    def features(self, samples):
        """Window by window, as the graph's input wants it."""
        original = self._original
        _, window, stride = original.audio
        mfccs = [
            self._session.run(str(original.mfccs), {str(original.samples): samples[start : start + window]})
            for start in range(0, len(samples) - window + 1, stride)
        ]
        return np.concatenate([each.reshape(1, original.n_input) for each in mfccs])

    def _variables(self):
        return tuple(self._session.run([str(self._original.state_c), str(self._original.state_h)]))


class OpenVINO:
    """The graph as OpenVINO's own TensorFlow frontend reads it, on the CPU in float32; the features in numpy,
    as the frontend does not know their operations."""

    def __init__(self, original: Original):
        if original.keeps_state:
            raise RecipeError(
                "OpenVINO's own TensorFlow frontend cannot read graphs that keep their state in variables "
                "(v0.2 to v0.5): compare with TensorFlow or numpy."
            )
        self.name = f"OpenVINO's own TensorFlow frontend, {ov.__version__.split('-')[0]}"
        self._original = original
        model = _frontend(original)
        self._call: Callable = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._state = None, None

    def start(self):
        self._state = _zeros(self._original)
        return self._state

    def step(self, windows, lengths):
        original = self._original
        feeds = _feeds(original, windows, lengths, self._state)
        found = self._call({str(tensor): value for tensor, value in feeds.items()})
        if original.has_state:
            self._state = tuple(found[str(tensor)].copy() for tensor in (original.new_c, original.new_h))
        return found[str(original.logits)].copy(), *self._state

    def features(self, samples):
        return Numpy(self._original).features(samples)


def _frontend(original: Original):
    from openvino.frontend import FrontEndManager

    states = [original.state_c, original.state_h] if original.has_state else []
    inputs = [original.windows, *([original.lengths] if original.lengths is not None else []), *states]
    outputs = [original.logits, *([original.new_c, original.new_h] if original.has_state else [])]
    for node in original.source.graph.node:
        if node.op == "Const":
            # Scalars may have no shape, which the frontend takes for an unknown one.
            node.attr["value"].tensor.tensor_shape.SetInParent()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.pb"
        original.source.write_pb(path)
        try:
            frontend = FrontEndManager().load_by_framework("tf")
            loaded = frontend.load(str(path))
            places = [[loaded.get_place_by_tensor_name(str(tensor)) for tensor in group] for group in (inputs, outputs)]
            loaded.extract_subgraph(*places)
            model = frontend.convert(loaded)
        except Exception as error:
            ops = sorted({node.op for node in original.view.nodes.values() if node.op in str(error)})
            raise RecipeError(
                f"OpenVINO's own TensorFlow frontend cannot read the graph ({', '.join(ops) or type(error).__name__}). "
                "Compare with TensorFlow or numpy"
            ) from None
        ov.Core().compile_model(model, "CPU")  # the weights are read from the file until here
    return model
