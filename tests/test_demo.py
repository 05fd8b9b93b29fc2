"""The demo as a user runs it: with the real `mo`, and without it."""

import re

import pytest

from deepspeech_recipe import cli, demonstration
from deepspeech_recipe.converters import mo
from deepspeech_recipe.ir.read import read_ir
from deepspeech_recipe.ir.save import save_irs
from tests.support.verify_models import permute_gates


def run(capsys, folder) -> tuple[int, str]:
    code = cli.main(["demo", "-o", str(folder)])
    captured = capsys.readouterr()
    return code, captured.out


def assert_all_passed(printed: str, folder) -> None:
    assert "✗" not in printed
    assert "   ✓ LSTMSequence: 1, loops: 0" in printed
    for what in ("probabilities after 8 chunks", "cell state after 8 chunks", "hidden state after 8 chunks", "text"):
        assert f"   ✓ {what}: " in printed
    assert printed.count("   expected    ") == 6
    assert f"IR: {folder / 'acoustic.xml'}\n" in printed
    checks = printed.count("✓")
    assert re.search(rf"\n{checks} of {checks} checks passed in \d+ s\n$", printed)


@pytest.mark.long
@pytest.mark.requires_mo
def test_the_demo_converts_by_mo_and_compares_with_tensorflow(capsys, tmp_path, real_mo):
    code, printed = run(capsys, tmp_path)
    assert code == 0, printed
    assert "$ mo --extensions " in printed
    assert printed.count("SUCCESS ] Generated IR") == 1
    assert "reference TensorFlow 2." in printed
    assert_all_passed(printed, tmp_path)
    assert (tmp_path / "acoustic.xml").is_file()


@pytest.fixture
def without_mo(monkeypatch):
    monkeypatch.setattr(demonstration.mo, "usable", lambda: (False, "it is hidden"))


def test_the_demo_without_mo_says_so_and_converts(capsys, tmp_path, without_mo):
    code, printed = run(capsys, tmp_path)
    assert code == 0, printed
    assert f"Without Model Optimizer: it is hidden. {mo.remedy()}" in printed
    assert "$ deepspeech-recipe convert " in printed
    assert "   ✓ features: " in printed
    assert_all_passed(printed, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.xml")) == ["acoustic.audio.xml", "acoustic.xml"]


def test_a_wrong_text_is_a_failed_check(capsys, tmp_path, without_mo, monkeypatch):
    manifest = tmp_path / "data" / "transcripts.csv"
    manifest.parent.mkdir()
    rows = (demonstration.MODEL / "transcripts.csv").read_text().splitlines()
    manifest.write_text("\n".join([rows[0], *(f"{demonstration.MODEL}/{row} no" for row in rows[1:3])]) + "\n")
    monkeypatch.setattr(demonstration, "MODEL", manifest.parent)
    code, printed = run(capsys, tmp_path)
    assert code == 1
    assert printed.count("   ✗ ") == 2


def test_a_wrong_network_is_a_failed_check(capsys, tmp_path, without_mo, monkeypatch):
    right = demonstration._by_openvino

    def wrong(directory, log):
        right(directory, log)
        models = {name: read_ir(directory / f"{name}.xml") for name in ("acoustic", "acoustic.audio")}
        permute_gates(models["acoustic"])
        save_irs(models, directory)

    monkeypatch.setattr(demonstration, "_by_openvino", wrong)
    code, printed = run(capsys, tmp_path)
    assert code == 1
    assert "   ✓ LSTMSequence: 1, loops: 0" in printed
    for what in ("probabilities after 1 chunk", "cell state after 1 chunk", "unseen"):
        assert f"   ✗ {what}" in printed
    passed, count = re.search(r"\n(\d+) of (\d+) checks passed in", printed).groups()
    assert (int(passed), int(count)) == (printed.count("✓"), printed.count("✓") + printed.count("✗"))
