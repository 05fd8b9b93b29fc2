"""ci/versions says what is wrong with an environment: its runner and its report on made-up cases."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.anywhere

CI = Path(__file__).parent.parent / "ci"


@pytest.fixture(scope="module")
def ci():
    """(versions, versions_run)"""
    sys.path.insert(0, str(CI))
    try:
        yield importlib.import_module("versions"), importlib.import_module("versions_run")
    finally:
        sys.path.remove(str(CI))


@pytest.fixture(scope="module")
def made(ci, tmp_path_factory) -> Path:
    """What `ci/versions.py cases` writes."""
    work = tmp_path_factory.mktemp("work")
    (work / "results").mkdir()
    ci[0].cases(work)
    return work


@pytest.fixture
def work(made, tmp_path) -> Path:
    """Two of the cases, and no results."""
    known = json.loads((made / "cases.json").read_text())
    (tmp_path / "cases.json").write_text(json.dumps({name: known[name] for name in ("v0.9", "keras")}))
    for name in ("v0.9", "keras"):
        (tmp_path / f"{name}.npz").write_bytes((made / f"{name}.npz").read_bytes())
    (tmp_path / "results").mkdir()
    return tmp_path


def everywhere(ci, monkeypatch, *names: str) -> None:
    """Of all environments there are only these."""
    known = ci[0].environments()
    monkeypatch.setattr(ci[0], "environments", lambda: [each for each in known if each[1] in names])


def test_right_numbers_make_the_page(ci, work, monkeypatch, capsys):
    everywhere(ci, monkeypatch, "numpy-2.5.5")
    assert ci[1].main(work, work / "results" / "numpy-2.5.5.json") == 0
    assert ci[0].report(work, work / "page.md") == 0
    page = (work / "page.md").read_text()
    assert f"| **{np.__version__}** |" in page
    assert "| 2 of 2 |" in page
    assert "- a stateful SavedModel of keras" in page


@pytest.mark.parametrize(
    ("case", "key", "value", "said"),
    [
        ("v0.9", "want|7|logits", lambda right: right + np.float32(2e-5), "off by 2e-05"),
        ("keras", "want|3|output_0", lambda right: right * np.nan, "off by nan"),
        ("keras", "want|3|output_0", lambda right: right[:1], "is not (1, 4)"),
    ],
)
def test_a_number_that_is_off_fails_and_no_page_is_written(ci, work, monkeypatch, capsys, case, key, value, said):
    everywhere(ci, monkeypatch, "numpy-2.5.5")
    with np.load(work / f"{case}.npz") as arrays:
        arrays = dict(arrays)
    np.savez(work / f"{case}.npz", **{**arrays, key: value(arrays[key])})
    assert ci[1].main(work, work / "results" / "numpy-2.5.5.json") == 1
    assert ci[0].report(work, work / "page.md") == 1
    printed = capsys.readouterr().out
    assert said in printed
    assert "1 of 2" in printed
    assert not (work / "page.md").exists()


def test_what_raises_is_wrong_and_the_rest_is_run(ci, work, monkeypatch):
    cases = json.loads((work / "cases.json").read_text())
    cases["v0.9"]["model"] = str(work / "none.pb")
    (work / "cases.json").write_text(json.dumps(cases))
    assert ci[1].main(work, work / "result.json") == 1
    found = json.loads((work / "result.json").read_text())["cases"]
    assert "RecipeError" in found["v0.9"]["wrong"]
    assert found["keras"]["wrong"] is None


def test_an_environment_that_could_not_be_made_is_wrong(ci, work, monkeypatch, capsys):
    everywhere(ci, monkeypatch, "numpy-2.5.5", "oldest")
    assert ci[1].main(work, work / "results" / "numpy-2.5.5.json") == 0
    assert ci[0].report(work, None) == 0  # only some were asked for
    assert ci[0].report(work, work / "page.md") == 1
    (work / "results" / "oldest.log").write_text("no matching distribution")
    assert ci[0].report(work, None) == 1
    assert "oldest: no result" in capsys.readouterr().out


def test_every_axis_holds_the_oldest_version_that_is_allowed(ci):
    """pyproject.toml's lower bounds are tried, each alone and all together."""
    project = (CI.parent / "pyproject.toml").read_text()
    for package, oldest in (("openvino", "2024.6.0"), ("numpy", "1.23"), ("protobuf", "4.25")):
        assert f'"{package}>={oldest}"' in project
        assert ci[0].AXES[package][0][0].startswith(oldest)
        assert any(pin.startswith(f"{package}=={oldest}") for pin in ci[0].OLDEST)
