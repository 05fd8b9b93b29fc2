"""Pictures of a report: this project's contenders in one colour, the others grey, side by side what is compared."""

import itertools
import os

from deepspeech_recipe.benchmarking.measurement import Measurement
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path

OURS, OTHERS = "#1f6fb4", "#a3a3a3"
_BARS = (("chunk", "ms per chunk", 1), ("utterance", "seconds per utterance", 1000))
_GROWTH = (
    ("length", "seconds of audio", "ms per second of audio", lambda entry: entry.summary.median / entry.point),
    ("size", "hidden size", "ms per chunk", lambda entry: entry.summary.median),
    ("live", "live streams", "ms until a chunk's text, p95", lambda entry: entry.summary.p95),
    ("streams", "streams in one call", "chunks per second", lambda entry: 1000 * entry.point / entry.summary.median),
)
_STYLES = ("o-", "s--", "^:", "D-.")  # tell contenders of one colour apart
_LABEL_GAP = 0.085  # of an axis' height, between two names at the ends of lines


def has_matplotlib() -> bool:
    try:
        _figure([1])
    except RecipeError:
        return False
    return True


def plot(report: Report, path: str | os.PathLike) -> None:
    """Writes a PNG with bars of chunks and utterances and lines of what grows. Raises RecipeError if matplotlib is
    missing."""
    bars = [(_groups(report, _measured(report, scenario)), label, scale) for scenario, label, scale in _BARS]
    bars = [panel for panel in bars if panel[0]]
    lines = [panel for panel in _GROWTH if _measured(report, panel[0])]
    if not bars and not lines:
        return
    heights = [0.9 + 0.26 * sum(len(rows) + bool(group) for group, rows in groups) for groups, _, _ in bars]
    figure, axes = _figure([*heights, *(3.2 for _ in lines)])
    for axis, panel in zip(axes, bars, strict=False):
        _draw_bars(axis, report, *panel)
    for axis, panel in zip(axes[len(bars) :], lines, strict=True):
        _draw_lines(axis, report, *panel)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _figure(heights: list[float]):
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise RecipeError("Pictures need matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]


def _measured(report: Report, scenario: str) -> list[Measurement]:
    return [measurement for measurement in report.of(scenario) if measurement.rounds]


def _about(report: Report, name: str) -> dict:
    return next((contender for contender in report.contenders if contender["name"] == name), {})


def _groups(report: Report, measured: list[Measurement]) -> list[tuple[str, list[Measurement]]]:
    """What was measured under one condition stands together, the others first; the usual condition is the first."""
    groups: dict[str, list[Measurement]] = {"": []}
    for measurement in measured:
        groups.setdefault(_about(report, measurement.contender).get("group", ""), []).append(measurement)
    for rows in groups.values():
        rows.sort(key=lambda measurement: _is_ours(report, measurement.contender))
    return [(group, rows) for group, rows in groups.items() if rows]


def _is_ours(report: Report, name: str) -> bool:
    return _about(report, name).get("ours", False)


def _colour(report: Report, name: str) -> str:
    return OURS if _is_ours(report, name) else OTHERS


def _draw_bars(axis, report: Report, groups: list[tuple[str, list[Measurement]]], label: str, scale: float) -> None:
    places, names, row = [], [], 0
    for group, measurements in groups:
        if group:
            axis.annotate(
                f"{group}:", (0, row), xycoords=("axes fraction", "data"), xytext=(-6, 0), textcoords="offset points",
                ha="right", va="center", fontsize=8, fontweight="bold", annotation_clip=False,
            )  # fmt: skip
            row += 1
        for measurement in measurements:
            _draw_bar(axis, measurement, row, _colour(report, measurement.contender), scale)
            places.append(row)
            names.append(measurement.contender.removesuffix(f", {group}"))
            row += 1
    axis.set_yticks(places, names, fontsize=8)
    axis.set_ylim(row - 0.4, -0.6)
    axis.set_xlabel(f"{label} (median, quartiles): less is better", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_bar(axis, measurement: Measurement, row: int, colour: str, scale: float) -> None:
    summary = measurement.summary
    middle, low, high = (value / scale for value in (summary.median, summary.low, summary.high))
    axis.barh(row, middle, 0.75, xerr=[[middle - low], [high - middle]], color=colour, ecolor="0.3", capsize=2)
    axis.annotate(f"{middle:.3g}", (high, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)


def _draw_lines(axis, report: Report, scenario: str, across: str, up: str, value) -> None:
    measured = _measured(report, scenario)
    names = sorted(dict.fromkeys(entry.contender for entry in measured), key=lambda name: _is_ours(report, name))
    ours, others = itertools.cycle(_STYLES), itertools.cycle(_STYLES)
    ends = {}
    for name in names:
        points = sorted((entry.point, value(entry)) for entry in measured if entry.contender == name)
        style = next(ours if _is_ours(report, name) else others)
        axis.plot(*zip(*points, strict=True), style, markersize=4, color=_colour(report, name))
        ends[name] = points[-1]
    places = sorted({entry.point for entry in measured})
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
    """Each line's name beside its end, moved up where it would lie on another's."""
    top, height = axis.get_ylim()[1], -1.0
    for name, end in sorted(ends.items(), key=lambda item: item[1][1]):
        height = max(end[1] / top, height + _LABEL_GAP)
        axis.annotate(
            name, end, xytext=(1.02, height), textcoords="axes fraction", va="center", fontsize=8,
            color=OURS if _is_ours(report, name) else "0.35",
            arrowprops={"arrowstyle": "-", "color": "0.8", "linewidth": 0.6, "shrinkB": 4}, annotation_clip=False,
        )  # fmt: skip
