"""The original over whole sequences: any batch and any chunks, through a graph with a batch and a T of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deepspeech_recipe.verification.original import Original, probabilities


@dataclass(frozen=True, eq=False)
class Run:
    """What one of the two models returned for all windows of a recording.

    probabilities `[N, B, classes]`; c, h: states `[chunks, B, H]` after each chunk, or None.
    layers: layer → its values, of the original one array `[N, B, F]`, of an IR one for each call that gave rows, in
    any order of time and batch. calls: the numbers of rows of an IR's calls. first: the states c, h `[B, H]` before
    the first chunk, None if that is not known.
    """

    probabilities: np.ndarray
    c: np.ndarray | None
    h: np.ndarray | None
    layers: Mapping[str, list[np.ndarray]] = field(default_factory=dict)
    calls: tuple[int, ...] = ()
    first: tuple[np.ndarray | None, np.ndarray | None] = (None, None)


def run_original(original: Original, reference, windows: np.ndarray, chunks, lengths=None) -> Run:
    """Runs `windows` `[B, N, window, n_input]` from the beginning of an utterance, a chunk after the other.

    chunks: numbers of windows, N in all. lengths `[chunks, B]`: how many windows of a chunk count, all by default.
    Chunks longer than the graph's T take several calls; a shorter rest is padded and given its length, as
    DeepSpeech's client does.
    """
    size = original.batch or len(windows)
    if lengths is None:
        lengths = np.repeat(np.array(chunks)[:, None], len(windows), 1)
    runs = []
    for row in range(0, len(windows), size):
        rows = slice(row, row + size)
        runs.append(_run_rows(original, reference, windows[rows], chunks, lengths[:, rows], size))
    return side_by_side(runs)


def side_by_side(runs: list[Run]) -> Run:
    """The rows of several runs of the same chunks as one batch."""
    c, h = (None if getattr(runs[0], each) is None else _rows(runs, each) for each in "ch")
    layers = {name: [np.concatenate([run.layers[name][0] for run in runs], 1)] for name in runs[0].layers}
    parts = zip(*(run.first for run in runs), strict=True)
    first_c, first_h = (None if part[0] is None else np.concatenate(part) for part in parts)
    return Run(_rows(runs, "probabilities"), c, h, layers, first=(first_c, first_h))


def _rows(runs: list[Run], what: str) -> np.ndarray:
    return np.concatenate([getattr(run, what) for run in runs], 1)


def _run_rows(original: Original, reference, windows, chunks, lengths, size: int) -> Run:
    """As many rows as the graph's batch, or fewer."""
    count = len(windows)
    windows = np.pad(windows, [(0, size - count), (0, 0), (0, 0), (0, 0)])
    lengths = np.pad(lengths, [(0, 0), (0, size - count)])
    first_c, first_h = (None if part is None else part[:count] for part in reference.start())
    found, states = [], []
    begin = 0
    for chunk, chunk_lengths in zip(chunks, lengths, strict=True):
        values, state = _run_chunk(original, reference, windows[:, begin : begin + chunk], chunk_lengths)
        found.append([each[:, :count] for each in values])
        states.append(state)
        begin += chunk
    logits, *layers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    c, h = (None if parts[0] is None else np.stack(parts)[:, :count] for parts in zip(*states, strict=True))
    named = {name: [values] for name, values in zip(reference.layers, layers, strict=True)}
    return Run(probabilities(logits, original.head), c, h, named, first=(first_c, first_h))


def _run_chunk(original: Original, reference, windows: np.ndarray, lengths: np.ndarray):
    """One chunk, through as many calls as the graph's T needs: (logits and layers `[T, B, …]`, (c, h))."""
    count = windows.shape[1]
    steps = original.steps or count
    found = []
    state = (None, None)
    for begin in range(0, count, steps):
        part = windows[:, begin : begin + steps]
        padded = np.pad(part, [(0, 0), (0, steps - part.shape[1]), (0, 0), (0, 0)])
        values, state = reference.step(padded, np.clip(lengths - begin, 0, part.shape[1]))
        found.append([each.reshape(steps, len(windows), -1)[: part.shape[1]] for each in values])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)], state
