"""The first screen of the README is true: what is printed, what was measured, what is supported."""

import json
import re
import statistics
from pathlib import Path

import pytest

from deepspeech_recipe import cli, convert
from deepspeech_recipe.graphdef.proto import GraphDef, SavedModel
from tests.support.pbmm_writer import write_pbmm

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SPEED = json.loads((ROOT / "docs/benchmarks/speed.json").read_text())
FIXTURES = ROOT / "tests" / "fixtures"


def read_graph(path: Path) -> GraphDef:
    return GraphDef.FromString(path.read_bytes())


def test_the_command_prints_what_the_readme_shows(capsys, tmp_path, monkeypatch):
    """Of the bundled model, whose sizes are others; without TensorFlow, as the README says."""
    shown = re.search(r"^```text\n(Converted with .*?)^```", README, re.MULTILINE | re.DOTALL)[1]
    write_pbmm(read_graph(ROOT / "deepspeech_recipe/data/model/output_graph.pb"), tmp_path / "model.pbmm")
    monkeypatch.chdir(tmp_path)
    assert "\ndeepspeech-recipe convert model.pbmm -o out\n" in README
    assert cli.main(["convert", "model.pbmm", "-o", "out", "--no-verify"]) == 0

    def without_numbers(text: str) -> list[str]:
        return [" ".join(re.sub(r"\d[\d.]*", "N", line).split()) for line in text.splitlines()]

    assert without_numbers(capsys.readouterr().out) == without_numbers(shown)


# Numbers


def seconds(contender: str) -> float:
    """The median of a minute of audio to text."""
    (rounds,) = (
        row["rounds"]
        for row in SPEED["measurements"]
        if (row["scenario"], row["contender"], row["point"]) == ("utterance", contender, 60)
    )
    return statistics.median(sample for samples in rounds for sample in samples) / 1000


def megabytes(contender: str) -> float:
    return next(row["disk_bytes"] for row in SPEED["contenders"] if row["name"] == contender) / 1e6


def reached(page: str, goal: str) -> float:
    document = json.loads((ROOT / "docs/benchmarks" / page).read_text())
    return float(next(row["reached"] for row in document["goals"] if row["what"] == goal).split()[0])


def test_the_numbers_are_those_that_were_measured():
    table = README[README.index("| | measured |") : README.index("![Seconds for a minute")]
    client = "… against deepspeech 0.9.3 on the same audio and weights"
    for text in (
        f"in {seconds('convert int8, steps open'):.3g} s with 8-bit weights",
        f"{seconds('deepspeech 0.9.3'):.3g} s by Mozilla's client",
        f"{reached('speed.json', client):.0f} times as fast; {reached('speed-avx2.json', client):.0f} times without",
        f"differ by {SPEED['differences']['convert fp32']:.0e} at most",
        f"{megabytes('convert int8'):.0f} MB with 8-bit weights",
        f"{megabytes('deepspeech 0.9.3'):.0f} MB, the `.pbmm`",
    ):
        assert text in table
    assert re.search(r"^\| all \| 1206 \|.*\| 0 \|$", (ROOT / "docs/accuracy.md").read_text(), re.MULTILINE)
    assert "1206 of 1206 recordings have the same text" in table
    wer = dict(re.findall(r"^\| (fp32|int8) \|.*\| ([\d.]+) % \|$", (ROOT / "docs/int8.md").read_text(), re.MULTILINE))
    assert f"from {wer['fp32']} to {wer['int8']} %" in table


# What is supported


OTHER = "other TensorFlow models with LSTMs"
# Row of the table → frozen graphs of it.
GRAPHS = {
    "DeepSpeech v0.1": ["old_tensorflow/v0.1.pb"],
    "DeepSpeech v0.2 to v0.5": [f"old_tensorflow/v0.{minor}.pb" for minor in (2, 3, 4, 5)],
    "DeepSpeech v0.6 to v0.9": [f"synthetic/v0.{minor}.pb" for minor in (6, 7, 8, 9)],
    "Coqui STT": ["synthetic/coqui.pb", "exporter/plain/output_graph.pb"],
    OTHER: ["rnn/layers.pb", "rnn/both.pb"],
}
# The exporter of DeepSpeech v0.9 and Coqui STT is the same program, and older checkpoints are tested with their reader.
EXPORTED = ("DeepSpeech v0.6 to v0.9", "Coqui STT")
FILES = {".tflite": "exporter/plain/float.tflite", "checkpoint": "exporter/plain/checkpoint"}


def supported() -> list[tuple[str, str, str]]:
    """(model, kind of file, converter) of each cell of the table."""
    rows = re.search(r"^\| what is supported .*?\n\n", README, re.MULTILINE | re.DOTALL)[0].splitlines()
    header, _, *rows = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows if row)
    kinds = [kind.strip("`") for kind in header[1:]]
    return [
        (row[0], kind, converter)
        for row in rows
        for kind, cell in zip(kinds, row[1:], strict=True)
        for converter in filter(None, cell.split(", "))
    ]


def files(model: str, kind: str, folder: Path) -> list[Path]:
    """Files of that kind, one for each release."""
    if (model, kind) == (OTHER, "SavedModel"):
        return sorted((FIXTURES / "keras").glob("*.zip"))
    if (model, kind) == (OTHER, ".tflite"):
        return sorted((FIXTURES / "tflite").glob("*.tflite"))
    if kind in FILES:
        return [FIXTURES / FILES[kind]] if model in EXPORTED else []
    found = []
    for number, path in enumerate(FIXTURES / name for name in GRAPHS[model]):
        if kind == ".pb":
            found.append(path)
        elif kind == ".pbmm":
            found.append(folder / f"{number}.pbmm")
            write_pbmm(read_graph(path), found[-1], smallest=64)
        else:
            saved = SavedModel(saved_model_schema_version=1)
            saved.meta_graphs.add(graph_def=read_graph(path)).meta_info_def.tags.append("serve")
            found.append(folder / f"saved{number}")
            found[-1].mkdir()
            (found[-1] / "saved_model.pb").write_bytes(saved.SerializeToString())
    return found


def test_the_table_has_every_model_and_kind():
    assert {model for model, _, _ in supported()} == set(GRAPHS)
    assert {kind for _, kind, _ in supported()} == {".pb", ".pbmm", "SavedModel", *FILES}
    assert {converter for _, _, converter in supported()} == {"convert", "mo"}


@pytest.mark.parametrize(
    ("model", "kind"), [cell[:2] for cell in supported() if cell[2] == "convert"], ids=lambda text: text
)
def test_convert_takes_what_the_table_says(tmp_path, model, kind):
    if kind == ".tflite":
        pytest.importorskip("tflite")
    for number, path in enumerate(files(model, kind, tmp_path)):
        result = convert(path, tmp_path / "out", name=f"m{number}", converter="openvino", verify=False)
        assert result.files[0].is_file()
        if model != OTHER:
            assert result.metadata["recipe"].startswith("deepspeech")


@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.parametrize(
    ("model", "kind"), [cell[:2] for cell in supported() if cell[2] == "mo"], ids=lambda text: text
)
def test_the_plugin_takes_what_the_table_says(tmp_path, model, kind):
    """The last release of each row; tests of the plugin have the others."""
    from tests.support.mo_run import mo

    path = files(model, kind, tmp_path)[-1]
    converted, _ = mo(path) if kind == ".pb" else mo(None, "--saved_model_dir", str(path))
    operations = {node.get_type_name() for node in converted.get_ops()}
    assert "LSTMSequence" in operations
    assert not operations & {"Loop", "TensorIterator"}
