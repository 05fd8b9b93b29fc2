"""The tables of docs/speed.md: those of `deepspeech-recipe benchmark`, the goals, many streams, and what grows."""

from collections.abc import Callable

from benchmarks.goals import PageReport
from deepspeech_recipe.benchmarking import markdown
from deepspeech_recipe.benchmarking.markdown import number, table
from deepspeech_recipe.benchmarking.measurement import Measurement
from deepspeech_recipe.benchmarking.report import Report


def tables(report: PageReport) -> str:
    """All tables that the report has numbers for."""
    return markdown.markdown(report, TABLES)


def _goals(report: PageReport) -> list[str]:
    rows = [(each.what, each.goal, each.stretch, each.reached, each.verdict) for each in report.goals]
    return table(("", "goal", "stretch", "reached", ""), rows)


def _streams(report: Report) -> list[str]:
    def cell(each: Measurement) -> str:
        return number(1000 * each.point / each.summary.median)

    return _grid(report.of("streams"), cell, lambda point: f"{point:g} at once")


def _live(report: Report) -> list[str]:
    def cell(each: Measurement) -> str:
        return f"{number(each.summary.median)}, {number(each.summary.p95)}"

    return _grid(report.of("live"), cell, lambda point: f"{point:g} at once")


def _length(report: Report) -> list[str]:
    return _grid(
        report.of("length"), lambda each: number(each.summary.median / each.point), lambda point: f"{point:g} s"
    )


def _size(report: Report) -> list[str]:
    return _grid(report.of("size"), lambda each: number(each.summary.median), lambda point: f"H = {point:g}")


def _grid(measurements: list[Measurement], cell: Callable, head: Callable) -> list[str]:
    """A row for each contender, a column for each point."""
    found = {(each.contender, each.point): cell(each) for each in measurements if each.rounds}
    names = list(dict.fromkeys(name for name, _ in found))
    points = sorted({point for _, point in found})
    rows = [(name, *(found.get((name, point), "") for point in points)) for name in names]
    return table(("contender", *map(head, points)), rows)


TABLES = {
    "Goals": _goals,
    "One chunk after the other": markdown.chunk_table,
    "A whole utterance": markdown.utterance_table,
    "Many streams in one call: chunks per second": _streams,
    "Live streams: how late a chunk's text is, ms, p50 and p95": _live,
    "Milliseconds per second of audio, as the utterance grows": _length,
    "Milliseconds per chunk, as the network grows": _size,
    "Start, memory, disk": markdown.start_table,
    "What did not run": markdown.failures,
}
