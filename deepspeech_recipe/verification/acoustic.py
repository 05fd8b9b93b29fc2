"""The original over whole sequences: any batch and any chunks, through a graph with a batch and a T of its own."""

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.verification.original import Original, probabilities


@dataclass(frozen=True, eq=False)
class Run:
    """probabilities `[N, B, classes]` of all windows; c, h: states `[chunks, B, H]` after each chunk, or None."""

    probabilities: np.ndarray
    c: np.ndarray | None
    h: np.ndarray | None


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
    found = np.concatenate([run.probabilities for run in runs], 1)
    return Run(found, _joined([run.c for run in runs]), _joined([run.h for run in runs]))


def _joined(states: list[np.ndarray | None]) -> np.ndarray | None:
    known = [each for each in states if each is not None]
    return np.concatenate(known, 1) if known else None


def _run_rows(original: Original, reference, windows, chunks, lengths, size: int) -> Run:
    """As many rows as the graph's batch, or fewer."""
    count = len(windows)
    windows = np.pad(windows, [(0, size - count), (0, 0), (0, 0), (0, 0)])
    lengths = np.pad(lengths, [(0, 0), (0, size - count)])
    reference.start()
    found, cells, hidden = [], [], []
    begin = 0
    for chunk, chunk_lengths in zip(chunks, lengths, strict=True):
        logits, c, h = _run_chunk(original, reference, windows[:, begin : begin + chunk], chunk_lengths)
        found.append(logits[:, :count])
        cells.append(c)
        hidden.append(h)
        begin += chunk
    states = (None if each[0] is None else np.stack(each)[:, :count] for each in (cells, hidden))
    return Run(probabilities(np.concatenate(found), original.head), *states)


def _run_chunk(original: Original, reference, windows: np.ndarray, lengths: np.ndarray):
    """One chunk, through as many calls as the graph's T needs."""
    count = windows.shape[1]
    steps = original.steps or count
    found = []
    for begin in range(0, count, steps):
        part = windows[:, begin : begin + steps]
        padded = np.pad(part, [(0, 0), (0, steps - part.shape[1]), (0, 0), (0, 0)])
        logits, c, h = reference.step(padded, np.clip(lengths - begin, 0, part.shape[1]))
        found.append(logits[: part.shape[1]])
    return np.concatenate(found), c, h
