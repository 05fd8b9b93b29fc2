"""Pictures of a report."""

import os

from deepspeech_recipe.benchmark.report import Report
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path

_GROWTH = (
    ("length", "seconds of audio", "ms per second of audio", lambda each: each.summary.median / each.point),
    ("size", "hidden size", "ms per chunk", lambda each: each.summary.median),
    ("live", "live streams", "ms until a chunk's text, p95", lambda each: each.summary.p95),
    ("streams", "streams in one call", "chunks per second", lambda each: 1000 * each.point / each.summary.median),
)
# Dark and light of ten colours: more contenders than that are nobody's to tell apart.
_PALETTE = [*(f"C{number}" for number in range(10)), "black", "gold", "navy", "lime", "salmon", "indigo", "tan", "teal"]


def has_matplotlib() -> bool:
    try:
        _figure(1)
    except RecipeError:
        return False
    return True


def plot(report: Report, path: str | os.PathLike) -> None:
    """A PNG: bars of what has no growth, lines of what has. Raises RecipeError where matplotlib is missing."""
    bars = [(scenario, label) for scenario, label in (("chunk", "ms per chunk"), ("utterance", "seconds per utterance"))
            if any(each.rounds for each in report.of(scenario))]  # fmt: skip
    lines = [panel for panel in _GROWTH if any(each.rounds for each in report.of(panel[0]))]
    if not bars and not lines:
        return
    figure, axes = _figure(len(bars) + len(lines))
    for axis, (scenario, label) in zip(axes, bars, strict=False):
        _bars(axis, report, scenario, label)
    for axis, panel in zip(axes[len(bars) :], lines, strict=True):
        _lines(axis, report, *panel)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _figure(panels: int):
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise RecipeError("Pictures need matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(8, 3.4 * panels), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(panels, 1, squeeze=False)[:, 0]


def _bars(axis, report: Report, scenario: str, label: str) -> None:
    scale = 1000 if scenario == "utterance" else 1
    shown = [each for each in report.of(scenario) if each.summary]
    names = [each.contender for each in shown]
    middle = [each.summary.median / scale for each in shown]
    errors = [
        [(each.summary.median - each.summary.low) / scale for each in shown],
        [(each.summary.high - each.summary.median) / scale for each in shown],
    ]
    axis.barh(names, middle, xerr=errors, color=_colours(report, names), ecolor="0.3", capsize=2)
    axis.invert_yaxis()
    axis.set_xlabel(f"{label} (median, quartiles)")
    for row, (value, above) in enumerate(zip(middle, errors[1], strict=True)):
        high = value + above
        axis.annotate(f"{value:.3g}", (high, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
    axis.margins(x=0.12)


def _lines(axis, report: Report, scenario: str, across: str, up: str, value) -> None:
    found = [each for each in report.of(scenario) if each.summary]
    for name in dict.fromkeys(each.contender for each in found):
        points = sorted((each.point, value(each)) for each in found if each.contender == name)
        axis.plot(*zip(*points, strict=True), "o-", label=name, color=_colours(report, [name])[0])
    axis.set_xscale("log", base=2 if scenario != "length" else 10)
    axis.set_xticks(
        sorted({each.point for each in found}), [f"{point:g}" for point in sorted({e.point for e in found})]
    )
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def _colours(report: Report, names: list[str]) -> list[str]:
    """The same contender has the same colour everywhere."""
    order = list(dict.fromkeys(each.contender for each in report.measurements))
    return [_PALETTE[order.index(name) % len(_PALETTE)] for name in names]
