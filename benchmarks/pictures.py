"""The pictures of docs/benchmarks/: the bars of `benchmark -o`, and below them lines of what grows."""

import itertools
import os
from functools import partial

from deepspeech_recipe.benchmarking.plot import OURS, Panel, bars, colour, draw, is_ours, measured
from deepspeech_recipe.benchmarking.report import Report

_GROWTH = (
    ("length", "seconds of audio", "ms per second of audio", lambda entry: entry.summary.median / entry.point),
    ("size", "hidden size", "ms per chunk", lambda entry: entry.summary.median),
    ("live", "live streams", "ms until a chunk's text, p95", lambda entry: entry.summary.p95),
    ("streams", "streams in one call", "chunks per second", lambda entry: 1000 * entry.point / entry.summary.median),
)
_STYLES = ("o-", "s--", "^:", "D-.")  # tell contenders of one colour apart
LABEL_GAP = 0.085  # of an axis' height, between two names at the ends of lines


def plot(report: Report, path: str | os.PathLike) -> None:
    """Writes a PNG. Raises RecipeError if matplotlib is missing."""
    grown = [growth for growth in _GROWTH if measured(report, growth[0])]
    draw([*bars(report), *(Panel(3.2, partial(_draw_lines, report=report, growth=each)) for each in grown)], path)


def _draw_lines(axis, report: Report, growth: tuple) -> None:
    scenario, across, up, value = growth
    entries = measured(report, scenario)
    names = sorted(dict.fromkeys(entry.contender for entry in entries), key=lambda name: is_ours(report, name))
    ours, others = itertools.cycle(_STYLES), itertools.cycle(_STYLES)
    ends = {}
    for name in names:
        points = sorted((entry.point, value(entry)) for entry in entries if entry.contender == name)
        style = next(ours if is_ours(report, name) else others)
        axis.plot(*zip(*points, strict=True), style, markersize=4, color=colour(report, name))
        ends[name] = points[-1]
    places = sorted({entry.point for entry in entries})
    axis.set_xscale("log", base=2 if scenario != "length" else 10)
    axis.set_xticks(places, [f"{point:g}" for point in places])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.set_xlabel(across, fontsize=8)
    axis.set_ylabel(up, fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    _name_lines(axis, report, ends)


def _name_lines(axis, report: Report, ends: dict[str, tuple[float, float]]) -> None:
    """Each line's name beside its end, moved up if it would lie on another's."""
    top, height = axis.get_ylim()[1], -1.0
    for name, end in sorted(ends.items(), key=lambda item: item[1][1]):
        height = max(end[1] / top, height + LABEL_GAP)
        axis.annotate(
            name, end, xytext=(1.02, height), textcoords="axes fraction", va="center", fontsize=8,
            color=OURS if is_ours(report, name) else "0.35",
            arrowprops={"arrowstyle": "-", "color": "0.8", "linewidth": 0.6, "shrinkB": 4}, annotation_clip=False,
        )  # fmt: skip
