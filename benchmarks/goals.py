"""The goals of docs/speed.md, and what a report says of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.contenders import (
    DEEPSPEECH,
    DOCUMENTED,
    FP32,
    HUGE_PAGES,
    INT8,
    INT8_OPEN,
    LOOP,
    PLUGIN,
    STT,
    TENSORFLOW,
)  # fmt: skip
from deepspeech_recipe.benchmarking.markdown import number
from deepspeech_recipe.benchmarking.report import Report

_SECONDS, _MOST_ROWS = 60, 8


@dataclass(frozen=True)
class Goal:
    """What was to be reached, as texts. verdict: yes, no, stretch, or not measured."""

    what: str
    goal: str
    stretch: str
    reached: str
    verdict: str


@dataclass
class PageReport(Report):
    """A report with goals, which the page shows first."""

    goals: list[Goal] = field(default_factory=list)

    def as_dict(self) -> dict:
        return {**super().as_dict(), "goals": [vars(each) for each in self.goals]}


def goals(report: Report) -> list[Goal]:
    """One row each; 'not measured' if a contender is missing."""
    return [*_chunks(report), _streams(report), *_utterances(report), *_start(report)]


def _chunks(report: Report) -> Iterator[Goal]:
    for what, ours, theirs, goal, stretch in (
        ("`mo --extensions` against the documented IR", PLUGIN, DOCUMENTED, 0.97, None),
        ("`convert --weights fp32`", FP32, DOCUMENTED, 1.1, 1.25),
        ("… with huge pages, against the documented IR without", FP32 + HUGE_PAGES, DOCUMENTED, 1.1, 1.25),
        ("`convert --weights int8`, one stream", INT8, DOCUMENTED, 2.4, 4),
        ("… against TensorFlow", INT8, TENSORFLOW, 5, 8),
        ("… against the default-frontend IR", INT8, LOOP, 4, 6),
    ):
        found = {ours: _ratio(report, "chunk", ours, theirs)}
        yield _best(what, found, goal, stretch, larger=True, unit=" ×")


def _streams(report: Report) -> Goal:
    one = report.find("streams", DOCUMENTED, 1)
    found = {}
    for each in report.of("streams"):
        if one is None or each.contender != INT8 or each.point > _MOST_ROWS:
            continue
        pairs = zip(one.rounds, each.rounds, strict=False)
        ratios = [each.point * np.median(theirs) / np.median(ours) for theirs, ours in pairs]
        found[f"{each.point:g} at once"] = float(np.median(ratios)) if ratios else None
    what = f"batched streams, up to {_MOST_ROWS}, int8, chunks per second against the documented IR"
    return _best(what, found, 4, 6, larger=True, unit=" ×")


def _utterances(report: Report) -> Iterator[Goal]:
    factors, shares = {}, {}
    for name in (INT8, INT8_OPEN):
        whole, features = (report.find(scenario, name, _SECONDS) for scenario in ("utterance", "features"))
        if whole is not None and whole.summary:
            factors[name] = whole.summary.median / 1000 / _SECONDS
            if features is not None and features.summary:
                shares[name] = 100 * features.summary.median / whole.summary.median
    what = f"{_SECONDS} s of audio to text, greedy, int8: real-time factor"
    yield _best(what, factors, 0.09, 0.05, larger=False, unit="")
    for name, goal, stretch in ((DEEPSPEECH, 4.5, 8), (STT, 2.5, 4.5)):
        found = {ours: _ratio(report, "utterance", ours, name, _SECONDS) for ours in (INT8, INT8_OPEN)}
        yield _best(f"… against {name} on the same audio and weights", found, goal, stretch, larger=True, unit=" ×")
    yield _best("audio and MFCC, share of the whole", shares, 1, None, larger=False, unit=" %")


def _start(report: Report) -> Iterator[Goal]:
    def median(scenario: str, name: str, scale: float):
        found = report.find(scenario, name)
        return {} if found is None or not found.summary else {name: found.summary.median / scale}

    yield _best("compile time, int8", median("compile", INT8, 1000), 3, 1, larger=False, unit=" s")
    yield _best("… with a model cache", median("compile, cached", INT8, 1000), 3, 1, larger=False, unit=" s")
    first = median("first utterance", INT8, 1000)
    yield _best("… and the first second of audio to text", first, 3, 1, larger=False, unit=" s")
    yield _best("peak memory of the runtime, int8", median("memory", INT8, 1e6), 150, 100, larger=False, unit=" MB")
    disk = {each["name"]: each["disk_bytes"] / 1e6 for each in report.contenders if each["name"] == INT8}
    yield _best("on disk, int8", disk, 50, None, larger=False, unit=" MB")


def _ratio(report: Report, scenario: str, ours: str, theirs: str, point=None) -> float | None:
    found = report.find(scenario, ours, point)
    ratio = None if found is None else report.ratio(found, theirs)
    return None if ratio is None else ratio.median


def _best(what: str, found: dict, goal: float, stretch: float | None, *, larger: bool, unit: str) -> Goal:
    """The best of several ways to the same end, named if there were several."""
    sign = "≥" if larger else "≤"
    texts = [f"{sign} {goal:g}{unit}", "" if stretch is None else f"{sign} {stretch:g}{unit}"]
    found = {name: value for name, value in found.items() if value is not None}
    if not found:
        return Goal(what, *texts, "", "not measured")
    name = (max if larger else min)(found, key=found.get)
    value = found[name]

    def met(limit: float | None) -> bool:
        return limit is not None and (value >= limit if larger else value <= limit)

    reached = f"{number(value)}{unit}" + (f" ({name})" if len(found) > 1 else "")
    return Goal(what, *texts, reached, "stretch" if met(stretch) else "yes" if met(goal) else "no")
