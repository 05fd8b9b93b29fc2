"""The tables of a report."""

from collections.abc import Callable, Iterable

from deepspeech_recipe.benchmarking.measurement import Measurement, Ratio
from deepspeech_recipe.benchmarking.report import Report

_MEGABYTE = 10**6


def markdown(report: Report) -> str:
    """All tables that the report has numbers for, each with its title, and a line for each failure."""
    parts = [_conditions(report)]
    for title, table in (
        ("Goals", _goals),
        ("One chunk after the other", _chunk),
        ("A whole utterance", _utterance),
        ("Many streams in one call: chunks per second", _streams),
        ("Live streams: how late a chunk's text is, ms, p50 and p95", _live),
        ("Milliseconds per second of audio, as the utterance grows", _length),
        ("Milliseconds per chunk, as the network grows", _size),
        ("Start, memory, disk", _start),
        ("What did not run", _failures),
    ):
        lines = table(report)
        if lines:
            parts.append("\n".join([f"## {title}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Three digits, no exponent."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def times(ratio: Ratio | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f} × ({ratio.low:.2f}–{ratio.high:.2f})"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
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
            [(each["name"], each["made"], _versions(each["versions"])) for each in report.contenders],
        ),
    ]
    return "\n".join(lines)


def _versions(versions: dict) -> str:
    names = {"python": "Python", "openvino": "OpenVINO", "tensorflow": "TensorFlow"}
    return ", ".join(f"{names.get(name, name)} {version.split('-')[0]}" for name, version in versions.items())


def _goals(report: Report) -> list[str]:
    if not report.goals:
        return []
    return table(
        ("", "goal", "stretch", "reached", ""),
        [(each.what, each.goal, each.stretch, each.reached, each.verdict) for each in report.goals],
    )


def _chunk(report: Report) -> list[str]:
    rows = []
    for each in report.of("chunk"):
        if (summary := each.summary) is None:
            continue
        difference = report.differences.get(each.contender)
        rows.append(
            (
                each.contender,
                number(summary.median),
                f"{number(summary.low)}–{number(summary.high)}",
                number(summary.p95),
                number(1000 / summary.median),
                number(summary.median / 1000 / report.chunk_seconds),
                times(report.ratio(each)),
                "" if difference is None else f"{difference:.0e}" if difference else "0",
            )
        )
    header = (
        "contender",
        "ms, p50",
        "quartiles",
        "p95",
        "chunks/s",
        "real-time factor",
        _against(report),
        "difference",
    )
    return rows and table(header, rows)


def _utterance(report: Report) -> list[str]:
    rows = []
    for each in report.of("utterance"):
        if (summary := each.summary) is None:
            continue
        features = report.find("features", each.contender, each.point)
        share = ""
        if features is not None and features.summary is not None:
            share = f"{100 * features.summary.median / summary.median:.1f} %"
        rows.append(
            (
                each.contender,
                f"{each.point:g} s",
                f"{number(summary.median / 1000)} s",
                f"{number(summary.low / 1000)}–{number(summary.high / 1000)} s",
                number(summary.median / 1000 / each.point),
                times(report.ratio(each)),
                share,
            )
        )
    header = ("contender", "audio", "p50", "quartiles", "real-time factor", _against(report), "of it audio and MFCC")
    return rows and table(header, rows)


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
    return rows and table(("contender", *map(head, points)), rows)


def _start(report: Report) -> list[str]:
    def cell(scenario: str, name: str, scale: float) -> str:
        found = report.find(scenario, name)
        return "" if found is None or not found.summary else number(found.summary.median / scale)

    columns = {"compile": 1000, "compile, cached": 1000, "first utterance": 1000, "memory": _MEGABYTE}
    if not any(report.of(scenario) for scenario in columns):
        return []
    rows = []
    for each in report.contenders:
        cells = [cell(scenario, each["name"], scale) for scenario, scale in columns.items()]
        if any(cells):
            rows.append((each["name"], *cells, number(each["disk_bytes"] / _MEGABYTE)))
    times = ("file to compiled, s", "with a model cache, s", "file to the first second's text, s")
    header = ("contender", *times, "peak memory, MB", "on disk, MB")
    return rows and table(header, rows)


def _failures(report: Report) -> list[str]:
    lines = [f"- {each['name']}: {each['failure']}" for each in report.contenders if each["failure"]]
    started = {each["name"] for each in report.contenders if not each["failure"]}
    points: dict[tuple[str, str, str], list[str]] = {}
    for each in report.measurements:
        if each.failure and each.contender in started:
            key = (each.contender, each.scenario, each.failure)
            points.setdefault(key, []).append("" if each.point is None else f" {each.point:g}")
    for (name, scenario, failure), found in points.items():
        lines.append(f"- {name}, {scenario}{','.join(found)}: {failure}")
    return lines


def _against(report: Report) -> str:
    return f"as fast as {report.baseline}"
