"""The tables of a report."""

from collections.abc import Callable, Iterator, Sequence

from deepspeech_recipe.benchmarking.measurement import Measurement, Ratio, Summary
from deepspeech_recipe.benchmarking.report import Report

_MEGABYTE = 10**6
Table = Callable[[Report], list[str]]


def markdown(report: Report, tables: dict[str, Table] | None = None) -> str:
    """What was measured with, and every table that the report has numbers for. tables: title → the lines of its table,
    none if there are no numbers; by default TABLES."""
    parts = [_conditions(report)]
    for title, make in (TABLES if tables is None else tables).items():
        if lines := make(report):
            parts.append("\n".join([f"## {title}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Three digits, no exponent."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def times(ratio: Ratio | None) -> str:
    """A ratio with its quartiles."""
    return "" if ratio is None else f"{ratio.median:.2f} × ({ratio.low:.2f}–{ratio.high:.2f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; none without rows."""
    lines = [header, ["---"] * len(header), *rows] if rows else []
    return ["".join(f"| {cell} " if cell else "| " for cell in line) + "|" for line in lines]


def _conditions(report: Report) -> str:
    machine = report.machine
    memory = machine["memory_bytes"]
    cpu = machine["processor"]
    if machine["family_model"]:
        cpu += f" (family/model {machine['family_model']}{', virtual' if machine['virtual'] else ''})"
    lines = [
        f"Measured on {report.date}, {report.threads} thread{'s' if report.threads > 1 else ''} for each contender.",
        "",
        *table(
            ("machine", ""),
            [
                ("processor", cpu),
                ("processors", str(machine["processors"])),
                ("instructions", " ".join(machine["instructions"])),
                ("third-level cache", machine["l3_cache"] or "unknown"),
                ("memory", "unknown" if memory is None else f"{memory / 1e9:.1f} GB"),
                ("system", machine["system"]),
                ("load before the start", "unknown" if report.load is None else f"{report.load:.2f}"),
            ],
        ),
        "",
        *table(
            ("contender", "made by", "runs on"),
            [
                (contender["name"], contender["made"], _versions(contender["versions"]))
                for contender in report.contenders
            ],
        ),
    ]
    return "\n".join(lines)


def _versions(versions: dict) -> str:
    names = {"python": "Python", "openvino": "OpenVINO", "tensorflow": "TensorFlow"}
    return ", ".join(f"{names.get(name, name)} {version.split('-')[0]}" for name, version in versions.items())


def _summaries(report: Report, scenario: str) -> Iterator[tuple[Measurement, Summary]]:
    for measurement in report.of(scenario):
        if (summary := measurement.summary) is not None:
            yield measurement, summary


def chunk_table(report: Report) -> list[str]:
    """Times of a chunk, beside the least that one costs here, and how far each contender is from the first."""
    rows, floors = [], bool(report.of("floor"))
    for measurement, summary in _summaries(report, "chunk"):
        floor = report.find("floor", measurement.contender)
        least = ("", "")
        if floor is not None and floor.summary is not None:
            least = number(floor.summary.median), times(floor.times_as_fast_as(measurement))
        difference = report.differences.get(measurement.contender)
        rows.append(
            (
                measurement.contender,
                number(summary.median),
                f"{number(summary.low)}–{number(summary.high)}",
                number(summary.p95),
                number(1000 / summary.median),
                number(summary.median / 1000 / report.chunk_seconds),
                *(least if floors else ()),
                times(report.ratio(measurement)),
                "" if difference is None else f"{difference:.0e}" if difference else "0",
            )
        )
    figures = ("ms, p50", "quartiles", "p95", "chunks/s", "real-time factor")
    columns = ("floor, ms", "of the floor") if floors else ()
    return table(("contender", *figures, *columns, _against(report), "difference"), rows)


def utterance_table(report: Report) -> list[str]:
    """Times of whole utterances."""
    rows = []
    for measurement, summary in _summaries(report, "utterance"):
        features = report.find("features", measurement.contender, measurement.point)
        share = ""
        if features is not None and features.summary is not None:
            share = f"{100 * features.summary.median / summary.median:.1f} %"
        rows.append(
            (
                *_seconds(measurement, summary),
                number(summary.median / 1000 / measurement.varied),
                times(report.ratio(measurement)),
                share,
            )
        )
    figures = ("audio", "p50", "quartiles", "real-time factor")
    return table(("contender", *figures, _against(report), "of it audio and MFCC"), rows)


def corpus_table(report: Report) -> list[str]:
    """Times of a corpus, and how much faster that was than its recordings one by one."""
    rows = []
    for measurement, summary in _summaries(report, "corpus"):
        one_by_one = report.find("one by one", measurement.contender, measurement.point)
        rows.append(
            (
                *_seconds(measurement, summary),
                f"{number(1000 * measurement.varied / summary.median)} ×",
                times(report.ratio(measurement)),
                "" if one_by_one is None else times(measurement.times_as_fast_as(one_by_one)),
            )
        )
    figures = ("audio", "p50", "quartiles", "real time")
    return table(("contender", *figures, _against(report), "against one by one"), rows)


def _seconds(measurement: Measurement, summary: Summary) -> tuple[str, ...]:
    """The contender, how much audio, and how long it took."""
    median, low, high = (number(value / 1000) for value in (summary.median, summary.low, summary.high))
    return measurement.contender, f"{measurement.point:g} s", f"{median} s", f"{low}–{high} s"


def start_table(report: Report) -> list[str]:
    """Times from the file to a first text, memory, and size on disk."""

    def cell(scenario: str, name: str, scale: float) -> str:
        found = report.find(scenario, name)
        return "" if found is None or not found.summary else number(found.summary.median / scale)

    columns = {"compile": 1000, "compile, cached": 1000, "first utterance": 1000, "memory": _MEGABYTE}
    if not any(report.of(scenario) for scenario in columns):
        return []
    rows = []
    for contender in report.contenders:
        cells = [cell(scenario, contender["name"], scale) for scenario, scale in columns.items()]
        if any(cells):
            rows.append((contender["name"], *cells, number(contender["disk_bytes"] / _MEGABYTE)))
    times = ("file to compiled, s", "with a model cache, s", "file to the first second's text, s")
    header = ("contender", *times, "peak memory, MB", "on disk, MB")
    return table(header, rows)


def serve_table(report: Report) -> list[str]:
    """How late the text of live streams is over a server's WebSockets, and what a stream costs; and of the same
    streams without a server."""
    rows = []
    for server in report.of("serve"):
        alone = report.find("live", server.contender, server.point)
        for measurement, by in ((server, "server"), (alone, "runtime alone")):
            if measurement is None or (summary := measurement.summary) is None:
                continue
            ratios, memory = "", measurement.facts.get("memory")
            if measurement is server and alone is not None and (least := alone.summary) is not None:
                ratios = f"{summary.median / least.median:.2f} ×, {summary.p95 / least.p95:.2f} ×"
            rows.append(
                (
                    measurement.contender,
                    f"{measurement.varied:g}",
                    by,
                    number(summary.median),
                    f"{number(summary.low)}–{number(summary.high)}",
                    number(summary.p95),
                    ratios,
                    number(measurement.facts["processor_ms_a_second"]),
                    "" if memory is None else number(memory / _MEGABYTE),
                )
            )
    figures = ("ms, p50", "quartiles", "p95", "of the runtime alone, p50 and p95")
    return table(("contender", "streams", "by", *figures, "processor, ms for a second of a stream", "memory, MB"), rows)


def failures(report: Report) -> list[str]:
    """A line for whatever did not run."""
    lines = [
        f"- {contender['name']}: {contender['failure']}" for contender in report.contenders if contender["failure"]
    ]
    started = {contender["name"] for contender in report.contenders if not contender["failure"]}
    points: dict[tuple[str, str, str], list[str]] = {}
    for measurement in report.measurements:
        if measurement.failure and measurement.contender in started:
            key = (measurement.contender, measurement.scenario, measurement.failure)
            points.setdefault(key, []).append("" if measurement.point is None else f" {measurement.point:g}")
    for (name, scenario, failure), found in points.items():
        lines.append(f"- {name}, {scenario}{','.join(found)}: {failure}")
    return lines


def _against(report: Report) -> str:
    return f"as fast as {report.baseline}"


TABLES: dict[str, Table] = {
    "One chunk after the other": chunk_table,
    "A whole utterance": utterance_table,
    "A corpus": corpus_table,
    "Start, memory, disk": start_table,
    "Live streams over WebSockets": serve_table,
    "What did not run": failures,
}
