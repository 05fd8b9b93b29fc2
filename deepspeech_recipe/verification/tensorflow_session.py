"""TensorFlow as the judge: the part of a graph that computes what is asked for, as it is written.

It runs in a process of its own: what a file asks for can take the memory of the machine, never end, or end the process
in native code. One process serves all graphs, as it takes seconds to load TensorFlow.
"""

import atexit
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context
from deepspeech_recipe.graphdef.pure import pure_graph
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.installation import NoTensorFlow, tensorflow
from deepspeech_recipe.processes.worker import RUN_GRAPH, Failed, Worker
from deepspeech_recipe.temporary import temporary_directory

# A call of the largest released model takes a fifth of a second.
_SECONDS = 120
# What the graphs may take besides TensorFlow itself: that many bytes, and that many times their size.
_MEMORY, _COPIES = 2 * 2**30, 10
_START_SECONDS = 300


class TensorFlowGraph:
    """Computes `fetches` from `feeds`. Nothing else of the graph is run, nor given to TensorFlow (`pure_graph`).

    version: TensorFlow's. path: the model to name in errors. Raises Refusal if a fetched tensor needs an operation
    that is not known to be pure, NoTensorFlow without TensorFlow, RecipeError if it cannot read the graph.
    """

    def __init__(self, graph, fetches: Iterable[Tensor], feeds: Iterable[Tensor], path):
        with error_context(path):
            pure = pure_graph(graph, fetches, feeds)
        self._path = path
        try:
            self._process = _Process.running()
        except NoTensorFlow as error:
            raise NoTensorFlow(f"{path}: its graph cannot be run: {error.reason}", remedy=error.remedy) from None
        with _telling(path):
            self._name = self._process.load(pure.SerializeToString())
        self.version = self._process.version
        weakref.finalize(self, self._process.gone.put, self._name)

    def run(self, fetches: Iterable[Tensor], feeds: Mapping[Tensor, np.ndarray]) -> list[np.ndarray]:
        """The tensors' values. Raises RecipeError if TensorFlow cannot compute them within its limits."""
        with _telling(self._path):
            return self._process.run(self._name, fetches, feeds)


def load_tensorflow() -> str:
    """The version of TensorFlow that a process has really loaded. Raises NoTensorFlow."""
    return _Process.running().version


class _Process:
    """The process, and the folder through which graphs and arrays go."""

    _one: "_Process | None" = None
    _lock = threading.RLock()

    @classmethod
    def running(cls) -> "_Process":
        """The one there is, or a new one in the place of one that ended. Raises NoTensorFlow."""
        with cls._lock:
            if cls._one is None or cls._one._worker.died:
                cls._one = cls._started()
            return cls._one

    @classmethod
    def _started(cls) -> "_Process":
        installed = tensorflow()
        if not installed.usable:
            raise NoTensorFlow(f"TensorFlow {installed.problem}", remedy=f"To install it: {installed.remedy}")
        try:
            return cls()
        except Failed as failure:
            raise NoTensorFlow(
                f"TensorFlow {installed} cannot be loaded ({failure})", remedy=f"What may help: {installed.again}"
            ) from None

    def __init__(self):
        self._ends = ExitStack()
        self._folder = self._ends.enter_context(temporary_directory())
        paths = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        self._worker = Worker(sys.executable, RUN_GRAPH, 0, environment=paths)
        self._numbers, self._sizes = itertools.count(), {}
        # Names of graphs that nobody holds any more. A destructor may run in the middle of a question to the worker.
        self.gone: SimpleQueue[str] = SimpleQueue()
        atexit.register(self._close)
        try:
            self.version = self._worker.ask("version", wait=_START_SECONDS)
        except Failed:
            self._close()
            raise

    def load(self, graph: bytes) -> str:
        """Its name from then on."""
        with self._lock:
            while not self.gone.empty():
                self._drop(self.gone.get())
            name = str(next(self._numbers))
            self._sizes[name] = len(graph)
            path = self._file(f"{name}.pb")
            path.write_bytes(graph)
            memory = limits.allowed(_MEMORY) + _COPIES * sum(self._sizes.values())
            self._worker.ask("load", wait=_START_SECONDS, name=name, path=str(path), memory=int(memory))
            path.unlink()
            return name

    def run(self, name: str, fetches: Iterable[Tensor], feeds: Mapping[Tensor, np.ndarray]) -> list[np.ndarray]:
        with self._lock:
            given, found = self._file("given.npz"), self._file("found.npz")
            keys = {tensor: str(place) for place, tensor in enumerate(feeds)}
            np.savez(given, **{key: feeds[tensor] for tensor, key in keys.items()})
            fetched = [str(tensor) for tensor in fetches]
            self._worker.ask(
                "run", wait=limits.allowed(_SECONDS), name=name, fetches=fetched, given=str(given), found=str(found),
                feeds={str(tensor): key for tensor, key in keys.items()},
            )  # fmt: skip
            with np.load(found) as arrays:
                return [arrays[str(place)] for place in range(len(fetched))]

    def _drop(self, name: str) -> None:
        del self._sizes[name]
        self._worker.ask("drop", name=name)

    def _file(self, name: str) -> Path:
        return self._folder / name

    def _close(self) -> None:
        self._worker.close()
        self._ends.close()


@contextmanager
def _telling(path) -> Iterator[None]:
    """Puts the model's name in front of what the process says."""
    try:
        yield
    except Failed as failure:
        raise RecipeError(f"{path}: TensorFlow cannot run it ({str(failure).rstrip('.')}).") from None
