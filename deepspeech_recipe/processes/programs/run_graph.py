"""Computes tensors of graphs in TensorFlow, for comparisons: `run_graph.py THREADS`. Arrays go through files.

What a graph asks for may be more than the machine has: the process that asked sets a limit of memory, and of time.
"""

import os
import sys

from loop import serve, status

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
import tensorflow as tf
from plain_session import plain_session

tf1 = tf.compat.v1


class Worker:
    """The graphs are kept by name until they are dropped."""

    def __init__(self):
        self._sessions = {}
        self._start = status().get("VmData", 0)

    def version(self) -> str:
        """TensorFlow's."""
        return tf.__version__

    def load(self, name: str, path: str, memory: int) -> None:
        """The graph of the .pb file `path`; memory: bytes that all graphs together may take."""
        _limit(self._start + memory)
        with open(path, "rb") as file:
            definition = tf1.GraphDef.FromString(file.read())
        with tf.Graph().as_default() as graph:
            _one_line(lambda: tf1.import_graph_def(definition, name=""))
        self._sessions[name] = plain_session(graph)

    def run(self, name: str, fetches: list, feeds: dict, given: str, found: str) -> None:
        """Computes tensors. feeds: tensor → its key in the .npz file `given`; the fetches go to `found`, numbered."""
        with np.load(given) as arrays:
            values = {tensor: arrays[key] for tensor, key in feeds.items()}
        results = _one_line(lambda: self._sessions[name].run(fetches, values))
        np.savez(found, **{str(place): value for place, value in enumerate(results)})

    def drop(self, name: str) -> None:
        """Forgets a graph."""
        self._sessions.pop(name).close()


def _one_line(call):
    """TensorFlow says the reason first, and then where in the graph it was."""
    try:
        return call()
    except (tf.errors.OpError, ValueError, TypeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = [line for line in lines if not line.startswith(("Graph execution", "Detected at", "Node:", "Traceback"))]
        raise ValueError((told or lines or [type(error).__name__])[0].rstrip(".")) from None


def _limit(size: int) -> None:
    """Beyond it, TensorFlow is out of memory."""
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if hard < 0 else min(size, hard), hard))


if __name__ == "__main__":
    serve(Worker())
