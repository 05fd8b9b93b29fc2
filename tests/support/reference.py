"""Runs frozen graphs in TensorFlow: the numbers everything else is compared with."""

import functools
import hashlib
import importlib
import os
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.processes.programs.plain_session import plain_session

CALLS = 10  # of `expected_calls`


@functools.lru_cache(maxsize=1)
def tensorflow():
    """The tensorflow module: quiet, on the CPU, one thread, plain float kernels."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    tf = importlib.import_module("tensorflow")
    tf.get_logger().setLevel("ERROR")
    return tf


@dataclass(frozen=True)
class Reference:
    """Per chunk: logits and raw_logits [K, T, B, classes], c and h (states after the chunk) [K, B, H].

    c or h is zero where the graph does not compute it."""

    logits: np.ndarray
    raw_logits: np.ndarray
    c: np.ndarray
    h: np.ndarray


def random_chunks(graph, count: int = 8, steps: int | None = None, seed: int = 1) -> np.ndarray:
    """Normal noise [count, B, T, 2 * n_context + 1, n_input] for a graph of `tests.graphs.deepspeech`."""
    o = graph.options
    steps = steps or (o.n_steps if o.n_steps > 0 else 13)
    shape = (count, o.batch or 3, steps, 2 * o.n_context + 1, o.n_input)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


_CACHE: dict[tuple, Reference] = {}


def run_chunks(graph, chunks: np.ndarray, lengths=None, initial=None) -> Reference:
    """Chained chunks through TensorFlow, from `initial` (c, h) or from zero state.

    `lengths` [K, B] defaults to T everywhere. A graph with state variables starts at its `initialize_state`
    and keeps its state itself; one without state starts every chunk anew.
    """
    key = (
        hashlib.sha256(graph.graph_def).digest(),
        hashlib.sha256(np.ascontiguousarray(chunks).tobytes()).digest(),
        chunks.shape,
        None if lengths is None else np.asarray(lengths).tobytes(),
        None if initial is None else tuple(np.asarray(part).tobytes() for part in initial),
    )
    if key not in _CACHE:
        _CACHE[key] = _run_chunks(graph, chunks, lengths, initial)
    return _CACHE[key]


def _run_chunks(graph, chunks, lengths, initial) -> Reference:
    names = graph.names
    batch, steps = chunks.shape[1:3]
    zero = np.zeros((batch, graph.options.n_hidden), np.float32)
    state = tuple(initial) if initial is not None else (zero, zero)
    fetches = [name for name in (names.logits, names.raw_logits, names.new_c, names.new_h) if name]
    rows = []
    with session(graph.graph_def) as run:
        if names.initialize:
            run(names.initialize)
            if initial is not None:
                raise ValueError("a graph with state variables starts at its own initial state")
        for index, chunk in enumerate(chunks):
            feed = {names.input: chunk}
            if names.lengths:
                feed[names.lengths] = np.full(batch, steps) if lengths is None else lengths[index]
            if not names.initialize:
                pairs = zip((names.state_c, names.state_h), state, strict=True)
                feed |= {name: value for name, value in pairs if name}
            found = dict(zip(fetches, run(fetches, feed), strict=True))
            if names.initialize:
                state = tuple(run(["previous_state_c:0", "previous_state_h:0"]))
            else:
                state = found.get(names.new_c, zero), found.get(names.new_h, zero)
            rows.append((found[names.logits], found[names.raw_logits], *state))
    return Reference(*(np.stack(column) for column in zip(*rows, strict=True)))


def run_graph(graph_def: bytes, feeds: dict, fetches: list, setup: str | None = None) -> list[np.ndarray]:
    """One run of any frozen graph; `setup` names a node to run before."""
    if not setup:
        return _run_of(graph_def)(fetches, feeds)
    with session(graph_def) as run:
        run(setup)
        return run(fetches, feeds)


@functools.lru_cache(maxsize=1)
def _run_of(graph_def: bytes):
    """The last graph's session stays: tests run a graph several times, and what is frozen remembers nothing."""
    return session(graph_def).__enter__()


class session:
    """`with session(graph_def) as run: run(fetches, feeds)` by tensor or node name."""

    def __init__(self, graph_def: bytes):
        tf1 = tensorflow().compat.v1
        graph = tf1.Graph()
        with graph.as_default():
            tf1.import_graph_def(tf1.GraphDef.FromString(graph_def), name="")
        self._session = plain_session(graph)

    def __enter__(self):
        return self._session.run

    def __exit__(self, *_):
        self._session.close()


def expected_calls(graph, main: str, pairs: dict, count: int = CALLS):
    """(main output, {input: new state}) of chained calls of a `ForeignGraph` in TensorFlow, from zero state.

    pairs: input or state variable → the output that is its new value."""
    found = []
    with session(graph.graph_def) as run:
        if graph.reset:
            run(graph.reset)
        fed = {f"{name}:0": np.zeros(graph.inputs[f"{name}:0"][1], np.float32) for name in pairs if not graph.reset}
        for seed in range(count):
            feeds = graph.feeds(seed) | fed
            if graph.reset:
                value = run(f"{main}:0", feeds)
                found.append((value, {name: run(f"{name}:0") for name in pairs}))
            else:
                value, *new = run([f"{main}:0", *(f"{output}:0" for output in pairs.values())], feeds)
                fed = dict(zip(fed, new, strict=True))
                found.append((value, dict(zip(pairs, new, strict=True))))
    return found
