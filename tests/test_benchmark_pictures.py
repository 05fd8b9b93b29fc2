"""Pictures of measurements: one colour is this project's, the others are grey, and what is compared stands together."""

import dataclasses
import itertools
from pathlib import Path

import pytest

from benchmarks.goals import PageReport
from benchmarks.pictures import LABEL_GAP, plot
from benchmarks.redraw import RESULTS, read
from benchmarks.tables import tables

matplotlib = pytest.importorskip("matplotlib")

from deepspeech_recipe.benchmarking import plot as drawing  # noqa: E402

pytestmark = pytest.mark.anywhere

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def report() -> PageReport:
    return read(RESULTS / "speed.json")


@pytest.fixture
def figure(report, tmp_path, monkeypatch):
    """What `plot` draws of the committed measurements."""
    drawn = []
    make = drawing._figure

    def keep(heights):
        drawn.append(make(heights))
        return drawn[-1]

    monkeypatch.setattr(drawing, "_figure", keep)
    plot(report, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    return drawn[0][0]


def colour(of) -> str:
    return matplotlib.colors.to_hex(of)


def test_the_page_shows_the_measurements_that_are_committed(report):
    assert tables(report) in (DOCS / "speed.md").read_text()


def test_bars_are_grouped_by_condition_with_the_others_first(report):
    groups = drawing._groups(report, report.of("chunk"))
    assert {group: [row.contender.removesuffix(f", {group}") for row in rows] for group, rows in groups} == {
        "": [
            *("TensorFlow", "documented IR", "default-frontend IR", "mo --extensions", "convert fp32", "convert int8"),
            *("convert int8, activations fp32", "convert int8, steps open"),
        ],
        "huge pages": ["documented IR", "convert fp32", "convert int8"],
        "newest OpenVINO": ["documented IR", "convert fp32", "convert int8"],
    }


def test_what_this_project_made_has_one_colour_and_all_else_is_grey(figure):
    chunks = figure.axes[0]
    names = [label.get_text() for label in chunks.get_yticklabels()]
    colours = [colour(bar.get_facecolor()) for bar in chunks.patches]
    assert len(names) == len(colours) == 14
    for name, of_bar in zip(names, colours, strict=True):
        assert of_bar == (drawing.OURS if name.startswith(("convert", "mo --extensions")) else drawing.OTHERS), name
    lines = [line for axis in figure.axes[2:] for line in axis.lines]
    assert {colour(line.get_color()) for line in lines} == {drawing.OURS, drawing.OTHERS}


def test_lines_of_one_colour_differ_in_style_and_have_their_name_beside_them(figure):
    streams = figure.axes[-1]
    assert sorted(text.get_text() for text in streams.texts) == [
        *("convert fp32", "convert int8", "convert int8, activations fp32", "convert int8, newest OpenVINO"),
        "documented IR",
    ]
    ours = [line for line in streams.lines if colour(line.get_color()) == drawing.OURS]
    assert len({(line.get_linestyle(), line.get_marker()) for line in ours}) == len(ours) == 4
    places = sorted(text.xyann[1] for text in streams.texts)
    assert min(b - a for a, b in itertools.pairwise(places)) >= LABEL_GAP * 0.999


@pytest.mark.long
def test_a_contender_of_an_older_document_is_grey_and_in_the_usual_group(report, tmp_path):
    bare = [{key: row[key] for key in ("name", "made", "worker")} for row in report.contenders]
    report = dataclasses.replace(report, contenders=bare)
    assert [group for group, _ in drawing._groups(report, report.of("chunk"))] == [""]
    plot(report, tmp_path / "speed.png")
