"""ci/mo-versions says what is wrong with a release: its report on one made-up result."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.ir.save import save_irs
from tests.support import compare, contract

pytestmark = pytest.mark.anywhere

CI = Path(__file__).parent.parent / "ci"
NAMES = "2022.3.2-py3.8", "2024.6.0-py3.12"


@pytest.fixture(scope="module")
def mo_versions():
    sys.path.insert(0, str(CI))
    try:
        yield importlib.import_module("mo_versions")
    finally:
        sys.path.remove(str(CI))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return compare.convert("openvino", contract.case("v0.9"), Options(), tmp_path_factory.mktemp("ir"))


@pytest.fixture
def work(tmp_path, model):
    """Two releases' results of one case with one call, which is right."""
    each = contract.case("v0.9")
    zeros = np.zeros(each.want["c"].shape[1:], np.float32)
    values = {"0|input_node": each.chunks[0], "want|0|logits": each.want["logits"][0]}
    np.savez(tmp_path / "plain.npz", **values, **{f"0|previous_state_{role}": zeros for role in "ch"})
    case = {"what": "plain", "calls": 1, "states": {}, "tolerance": 1e-5, "relative": False, "kind": "full"}
    (tmp_path / "cases.json").write_text(json.dumps({"plain": {**case, "refused": ""}}))
    for name in NAMES:
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        save_irs({"plain": model}, folder)
        np.savez(folder / "plain.npz", **{"0|logits": each.want["logits"][0]})
        _run(folder)
    return tmp_path


def _run(folder: Path, code: int = 0, printed: str = "[ deepspeech-recipe ] found") -> None:
    packages = {"openvino": "1", "tensorflow": "2", "numpy": "3"}
    run = {"python": "3.8.18", "packages": packages, "cases": {"plain": {"code": code, "printed": printed}}}
    (folder / "run.json").write_text(json.dumps(run))


def test_right_results_make_the_page(work, mo_versions, capsys):
    assert mo_versions.report(work, work / "page.md") == 0
    assert "| 2022.3.2 | 3.8.18 | 2 | 3 | 1 of 1 |" in (work / "page.md").read_text()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: np.savez(folder / "plain.npz", **{"0|logits": np.zeros((7, 3, 10))}), "its own OpenVINO"),
        (lambda folder: _run(folder, code=1, printed="[ ERROR ] no"), "plain: [ ERROR ] no"),
        (lambda folder: _run(folder, printed=""), "0 lines of the plugin"),
        (lambda folder: _rename(folder / "plain.xml"), "is not as in 2024.6.0-py3.12"),
    ],
)
def test_what_is_wrong_is_said_and_no_page_is_written(work, mo_versions, capsys, spoil, said):
    spoil(work / "results" / NAMES[0])
    assert mo_versions.report(work, work / "page.md") == 1
    printed = capsys.readouterr().out
    assert said in printed
    assert "0 of 1" in printed
    assert not (work / "page.md").exists()


def _rename(xml: Path) -> None:
    xml.write_text(xml.read_text().replace("new_state_c", "old_state_c"))
