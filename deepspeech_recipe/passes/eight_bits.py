"""Matrices as 8-bit integers: rounded row by row, or the integers that weights were before."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np

LARGEST = 127
# A grid of unsigned bytes has at most this many steps between its smallest and its largest value.
_MOST_STEPS = 255
# Rows looked at together, for what is in double precision to stay small.
_BLOCK = 512
# Weights of a row that must lie on a grid before the whole row is looked at.
_SAMPLE = 8
# What products and sums in FP32 may be off, in units of the largest value.
_ROUNDING = 2.0**-21


class EightBits(NamedTuple):
    """The matrix (values - zero_points) · scales.

    values: [outputs, inputs] i8, u8 if there are zero points. scales: [outputs, 1] f32. zero_points: [outputs, 1] u8,
    or f32 if the grid of a row does not hold zero; None if they are all zero.
    """

    values: np.ndarray
    scales: np.ndarray
    zero_points: Optional[np.ndarray] = None  # noqa: UP045 - evaluated, on Python 3.8 too

    def matrix(self) -> np.ndarray:
        """[outputs, inputs] f32, as OpenVINO computes it."""
        values = self.values.astype(np.float32)
        return (values if self.zero_points is None else values - self.zero_points) * self.scales


def quantize_rows(matrix: np.ndarray) -> EightBits:
    """[outputs, inputs] f32 as 8-bit integers with a scale for each row.

    A row that lies on a grid of at most 256 places, as weights do that were stored in 8 bits before (with a scale for
    a row or for the whole matrix, with a zero point or without), keeps its integers: the result equals it to the
    rounding of FP32. Any other row is rounded, symmetrically, to -127 … 127.
    """
    matrix = np.asarray(matrix, np.float32)
    # Of each row the smallest shift that makes its integers unsigned; none is above 255 afterwards.
    values, shifts = np.empty(matrix.shape, np.uint8), np.empty((len(matrix), 1), np.int16)
    scales, offsets = (np.empty((len(matrix), 1)) for _ in range(2))
    highest = 0
    for start in range(0, len(matrix), _BLOCK):
        rows = slice(start, start + _BLOCK)
        levels, scales[rows], offsets[rows] = _quantize(matrix[rows].astype(float))
        highest = max(highest, levels.max(initial=0))
        shifts[rows] = -levels.min(axis=1, keepdims=True, initial=0)
        values[rows] = levels + shifts[rows]
    scales = scales.astype(np.float32)
    if not offsets.any() and shifts.max(initial=0) <= LARGEST + 1 and highest <= LARGEST:
        values -= shifts.astype(np.uint8)  # modulo 256, as -1 is 255
        return EightBits(values.view(np.int8), scales)
    zero_points = (shifts - offsets).astype(np.float32) if offsets.any() else shifts.astype(np.uint8)
    return EightBits(values, scales, zero_points)


def _quantize(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows as (levels + offsets) · scales: i16, f64 and f64. An offset is 0 unless the grid of its row has no zero."""
    scales = np.abs(rows).max(axis=1, keepdims=True) / LARGEST
    scales[scales == 0] = 1
    offsets = np.zeros_like(scales)
    levels = np.rint(rows / scales)
    # With a zero in front: most grids hold it, and then need no offset.
    distances = _grid_distances(np.pad(rows, ((0, 0), (1, 0))))
    for row in np.flatnonzero(distances):
        levels[row] = np.rint(rows[row] / distances[row])
        # The mean over all weights: the scale itself, not what one rounded product tells of it.
        scales[row] = levels[row] @ rows[row] / (levels[row] @ levels[row])
    others = np.flatnonzero(distances == 0)
    distances[others] = _grid_distances(rows[others])
    for row in others[distances[others] > 0]:
        low, scales[row] = rows[row].min(), distances[row]
        levels[row], offsets[row] = np.rint((rows[row] - low) / scales[row]), low / scales[row]
    return levels.astype(np.int16), scales, offsets


def _grid_distances(rows: np.ndarray) -> np.ndarray:
    """The distance of the widest grid of at most 256 places that holds each row's values; 0 if there is none."""
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    span = high - low
    rounding = _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    distance = np.zeros(len(rows))
    varied = span > 0
    # [rows, steps]: how many places of a grid with that many steps a weight of 1 is wide.
    places = np.arange(1, _MOST_STEPS + 1) / np.where(varied, span, 1)
    begins = rows[:, None, :_SAMPLE] - low[:, None]
    # Rows of one value would lie on all of them.
    may_lie_on = varied & _lie_on_grid(begins, places[..., None], rounding[:, None])
    for step in np.flatnonzero(may_lie_on.any(axis=0)):
        near = np.flatnonzero(may_lie_on[:, step] & (distance == 0))
        near = near[_lie_on_grid(rows[near] - low[near], places[near, step, None], rounding[near])]
        distance[near] = span[near, 0] / (step + 1)
    return distance


def _lie_on_grid(values: np.ndarray, places: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """Whether all values along the last axis are whole numbers of places, but for what rounding does to them."""
    found = values * places
    return (np.abs(found - np.rint(found)) <= rounding * places).all(axis=-1)
