"""The picture of a report: this project's contenders in one colour, the others grey, side by side what is compared."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from deepspeech_recipe.benchmarking.measurement import Measurement, Summary
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path
from deepspeech_recipe.installation import needed

OURS, OTHERS = "#1f6fb4", "#a3a3a3"
_BARS = (
    ("chunk", "ms per chunk", 1),
    ("utterance", "seconds per utterance", 1000),
    ("corpus", "seconds for the corpus", 1000),
)


def has_matplotlib() -> bool:
    """Whether pictures can be drawn."""
    try:
        _figure([1])
    except RecipeError:
        return False
    return True


class Panel(NamedTuple):
    """A part of a picture. height: in inches; draw: is given the axes."""

    height: float
    draw: Callable


def plot(report: Report, path: str | os.PathLike) -> None:
    """Writes a PNG with bars of chunks, utterances and the corpus. Raises RecipeError if matplotlib is missing."""
    draw(bars(report), path)


def bars(report: Report) -> list[Panel]:
    """Bars of what was measured of chunks, utterances and the corpus."""
    panels = []
    for scenario, label, scale in _BARS:
        if groups := _groups(report, measured(report, scenario)):
            height = 0.9 + 0.26 * sum(len(rows) + bool(group) for group, rows in groups)
            panels.append(Panel(height, partial(_draw_bars, report=report, groups=groups, label=label, scale=scale)))
    return panels


def draw(panels: Sequence[Panel], path: str | os.PathLike) -> None:
    """Writes a PNG of the panels, one below the other; nothing if there are none. Raises RecipeError if matplotlib is
    missing."""
    if not panels:
        return
    figure, axes = _figure([panel.height for panel in panels])
    for axis, panel in zip(axes, panels, strict=True):
        panel.draw(axis)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _figure(heights: list[float]):
    matplotlib = needed("Pictures need matplotlib: pip install matplotlib", "matplotlib.figure")
    figure = matplotlib.Figure(figsize=(8, sum(heights)), layout="constrained")
    return figure, figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]


def measured(report: Report, scenario: str) -> list[Measurement]:
    """The measurements of a scenario that have samples."""
    return [measurement for measurement in report.of(scenario) if measurement.rounds]


def _about(report: Report, name: str) -> dict:
    return next((contender for contender in report.contenders if contender["name"] == name), {})


def _groups(report: Report, entries: list[Measurement]) -> list[tuple[str, list[Measurement]]]:
    """What was measured under one condition stands together, the others first; the usual condition is the first."""
    groups: dict[str, list[Measurement]] = {"": []}
    for measurement in entries:
        groups.setdefault(_about(report, measurement.contender).get("group", ""), []).append(measurement)
    for rows in groups.values():
        rows.sort(key=lambda measurement: is_ours(report, measurement.contender))
    return [(group, rows) for group, rows in groups.items() if rows]


def is_ours(report: Report, name: str) -> bool:
    """Whether this project made what the contender runs."""
    return _about(report, name).get("ours", False)


def colour(report: Report, name: str) -> str:
    """The colour of a contender."""
    return OURS if is_ours(report, name) else OTHERS


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
            if (summary := measurement.summary) is not None:
                _draw_bar(axis, summary, row, colour(report, measurement.contender), scale)
                places.append(row)
                names.append(measurement.contender.removesuffix(f", {group}"))
                row += 1
    axis.set_yticks(places, names, fontsize=8)
    axis.set_ylim(row - 0.4, -0.6)
    axis.set_xlabel(f"{label} (median, quartiles): less is better", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_bar(axis, summary: Summary, row: int, colour: str, scale: float) -> None:
    middle, low, high = (value / scale for value in (summary.median, summary.low, summary.high))
    axis.barh(row, middle, 0.75, xerr=[[middle - low], [high - middle]], color=colour, ecolor="0.3", capsize=2)
    axis.annotate(f"{middle:.3g}", (high, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
