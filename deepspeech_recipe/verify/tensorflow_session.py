"""TensorFlow as the judge: the part of a graph that computes what is asked for, as it is written."""

import os
from collections.abc import Iterable, Mapping

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import naming
from deepspeech_recipe.graphdef.pure import pure_graph
from deepspeech_recipe.graphdef.view import Tensor


class TensorFlowGraph:
    """Computes `fetches` from `feeds`. Nothing else of the graph is run, nor given to TensorFlow (`pure_graph`).

    path: the model to name in errors. Raises Refusal where a fetched tensor needs an operation that is not known to be
    pure, RecipeError without TensorFlow or where it cannot read the graph.
    """

    def __init__(self, graph, fetches: Iterable[Tensor], feeds: Iterable[Tensor], path):
        with naming(path):
            pure = pure_graph(graph, fetches, feeds)
        tf = import_tensorflow(path)
        self.version, self._path = tf.__version__, path
        self._errors = (tf.errors.OpError, ValueError, TypeError)
        tf1 = tf.compat.v1
        try:
            with tf.Graph().as_default() as loaded:
                tf1.import_graph_def(tf1.GraphDef.FromString(pure.SerializeToString()), name="")
        except self._errors as error:
            raise self._failed(error) from None
        self._session = plain_session(loaded)

    def run(self, fetches: Iterable[Tensor], feeds: Mapping[Tensor, np.ndarray]) -> list[np.ndarray]:
        """The tensors' values. Raises RecipeError where TensorFlow cannot compute them."""
        try:
            return self._session.run([str(each) for each in fetches], {str(each): feeds[each] for each in feeds})
        except self._errors as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> RecipeError:
        return RecipeError(f"{self._path}: TensorFlow cannot run it ({_first(error)}).")


def import_tensorflow(path):
    """TensorFlow, quietly. path: the model that needs it, for the error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow
    except ImportError as error:
        raise RecipeError(
            f"{path}: to run the original, TensorFlow is needed: pip install tensorflow-cpu ({error})."
        ) from None
    return tensorflow


def plain_session(graph):
    """A TensorFlow 1 session of a tf.Graph on the CPU, without fused kernels.

    A GPU's TF32 products would be off by 1e-3. On a processor with AVX-512, TensorFlow 2.17's remapper made of a layer
    norm one kernel that was 2e-2 off.
    """
    from tensorflow.compat.v1 import ConfigProto, Session

    config = ConfigProto(device_count={"GPU": 0})
    options = config.graph_options.rewrite_options
    options.remapping = options.OFF
    return Session(graph=graph, config=config)


def _first(error: Exception) -> str:
    """TensorFlow says the reason first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Graph execution", "Detected at", "Node:", "Traceback"))]
    return (told or lines or [type(error).__name__])[0].rstrip(".")
