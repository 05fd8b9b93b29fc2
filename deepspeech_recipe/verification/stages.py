"""From what both models computed for a recording to stages: what differs, how much, and where."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from deepspeech_recipe.ir.layers import FEATURES
from deepspeech_recipe.ir.names import DENSE_BEFORE, DENSE_BEHIND, LSTM
from deepspeech_recipe.verification.activations import AS_IT_IS, ROUNDED
from deepspeech_recipe.verification.compare import Comparison
from deepspeech_recipe.verification.report import tick
from deepspeech_recipe.verification.weights import EXPLAINED, FEATURE_LIMIT

INITIAL, CELL, HIDDEN, HEAD = "initial states", "cell state", "hidden state", "head"
# In the order of computation.
ORDER = (FEATURES, *DENSE_BEFORE, INITIAL, LSTM, CELL, HIDDEN, *DENSE_BEHIND, HEAD)


@dataclass(frozen=True)
class Stage:
    """One stage of the network in one chunk, as `diagnose` compares it.

    error: the largest difference, in units of `scale`. original, ir: the two values there. at: its place (window in
    the utterance, row of the batch, index).
    """

    name: str
    passed: bool
    error: float
    limit: float
    scale: float
    at: dict[str, int]
    original: float
    ir: float

    def line(self) -> str:
        """The stage as a line for a person."""
        where = ", ".join(f"{name} {place}" for name, place in self.at.items())
        return (
            f"{tick(self.passed)} {self.name}: {self.error:.2g} (limit {self.limit:.2g}, in units of {self.scale:.3g})"
            f"{' at ' if where else ''}{where}: original {self.original:.6g}, IR {self.ir:.6g}"
        )


def stages_of(comparison: Comparison, limit: float) -> Iterator[tuple[int, int, list[Stage]]]:
    """Yields (chunk, its first window, its stages in order) from the first chunk on."""
    layers = layers_of(comparison)
    begin = 0
    for number, count in enumerate(comparison.chunks):
        part = slice(begin, begin + count)
        found = {
            name: compared(name, ours, theirs, limit, comparison.valid, part) for name, (theirs, ours) in layers.items()
        }
        expected, run = comparison.expected, comparison.found
        pairs = [(CELL, expected.c, run.c), (HIDDEN, expected.h, run.h)]
        found |= {name: _state(name, theirs[number], ours[number], limit) for name, theirs, ours in _known(pairs)}
        if begin == 0:
            pairs = [(INITIAL, *each) for each in zip(expected.first, run.first, strict=True)]
            first = [_state(name, theirs, ours, limit) for name, theirs, ours in _known(pairs)]
            found |= {INITIAL: max(first, key=lambda each: each.error)} if first else {}
        yield number + 1, begin, [found[name] for name in ORDER if name in found]
        begin += count


def _known(pairs: list) -> list:
    return [each for each in pairs if each[1] is not None and each[2] is not None]


def layers_of(comparison: Comparison) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Layer → its values `[N, B, F]` of the original, and of the IR, of other shapes if it has other sizes."""
    expected, found = comparison.expected, comparison.found
    layers = {
        name: (values, _arranged(values, found.layers[name]))
        for name, (values,) in expected.layers.items()
        if name in found.layers
    }
    return layers | {HEAD: (expected.probabilities, found.probabilities)}


def _arranged(expected: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """An IR's layer as `[N, B, F]`: its memory may have time or batch first, whichever is like the original."""
    rows, width = expected.shape[1:]
    if any(part.size % (rows * width) for part in parts):
        return np.concatenate([part.reshape(-1) for part in parts])
    readings = [
        np.concatenate([part.reshape(-1, rows, width) for part in parts]),
        np.concatenate([part.reshape(rows, -1, width).swapaxes(0, 1) for part in parts]),
    ]
    if readings[0].shape != expected.shape:
        return readings[0]
    return min(readings, key=lambda reading: float(np.minimum(difference(reading, expected), 1).mean()))


def compared(name: str, found: np.ndarray, expected: np.ndarray, limit: float, valid=True, part=slice(None)) -> Stage:
    """A stage of some windows of `[N, B, F]`. valid `[N, B]`: those that count."""
    limit = FEATURE_LIMIT if name == FEATURES else limit
    scale = max(1.0, float(np.abs(expected[part]).max(initial=0)))
    if found.shape != expected.shape:
        return Stage(name, False, np.inf, limit, scale, {"values": found.size}, np.nan, np.nan)
    errors = difference(found[part], expected[part])
    if not errors.size:
        return Stage(name, True, 0.0, limit, scale, {}, np.nan, np.nan)
    errors = np.where(np.broadcast_to(valid, expected.shape[:2])[part][:, :, None], errors, 0)
    place = np.unravel_index(errors.argmax(), errors.shape)
    error = float(errors[place]) / scale
    at = {"window": (part.start or 0) + int(place[0]), "row": int(place[1]), "index": int(place[2])}
    return Stage(name, error <= limit, error, limit, scale, at, float(expected[part][place]), float(found[part][place]))


def difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Absolute, and infinite if either is not a number."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.abs(found - expected), nan=np.inf, posinf=np.inf)


def _state(name: str, expected: np.ndarray, found: np.ndarray, limit: float) -> Stage:
    stage = compared(name, found[None], np.broadcast_to(expected, found.shape)[None], limit)
    return replace(stage, at={key: place for key, place in stage.at.items() if key != "window"})


def rounding_stages(comparison: Comparison, limit: float) -> list[Stage]:
    """How far rounded activations move the layers of an IR of 8 bits, beside what rounding them explains."""
    if AS_IT_IS not in comparison.runs or ROUNDED not in comparison.runs:
        return []
    runs = (comparison.found, comparison.runs[AS_IT_IS], comparison.runs[ROUNDED])
    layers = [{**run.layers, HEAD: [run.probabilities]} for run in runs]
    stages = []
    for name in (name for name in ORDER if name in layers[0]):
        exact, found, rounded = (np.concatenate([part.reshape(-1) for part in each[name]]) for each in layers)
        scale = max(1.0, float(np.abs(exact).max(initial=0)))
        errors = difference(found, exact)
        place = int(errors.argmax())
        most = EXPLAINED * float(difference(rounded, exact).max()) / scale + limit
        error, values = float(errors[place]) / scale, (float(exact[place]), float(found[place]))
        stages.append(Stage(f"{name}, {ROUNDED}", error <= most, error, most, scale, {"index": place}, *values))
    return stages


def late_by(comparison: Comparison, limit: float) -> int:
    """By how many windows the probabilities come late (early if negative): if so, most that differ are a
    neighbour's. 0 if that is not it."""
    expected, found, valid = comparison.expected.probabilities, comparison.found.probabilities, comparison.valid
    wrong = (difference(found, expected).max(-1) > limit) & valid
    for shift in (1, -1, 2, -2):
        moved = np.roll(expected, shift, axis=0)
        explained = (difference(found, moved).max(-1) <= limit) & wrong
        if explained.sum() > 0.5 * wrong.sum():
            return shift
    return 0


def lost_between_calls(comparison: Comparison, limit: float) -> bool:
    """Whether the LSTM agrees from the state that begins an utterance, and no longer where a later call begins."""
    expected, found = layers_of(comparison)[LSTM]
    if found.shape != expected.shape:
        return False
    errors = np.where(comparison.valid, difference(found, expected).max(-1), 0).max(1)
    first = int((errors > limit).argmax())
    # Two steps from the first state have shown that the weights are right, the recurrent ones included.
    return first > 1 and first in np.cumsum(comparison.found.calls) and errors[first] > 4 * errors[:first].max()
