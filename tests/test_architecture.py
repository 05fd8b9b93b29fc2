"""The house: which package may import which, and how many modules lie loose beside them."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "deepspeech_recipe"
# Lowest first: a package imports from itself and from those before it, lazily and for types too.
LAYERS = (
    *("errors", "limits", "temporary", "files", "alphabet", "installation", "quiet", "processes"),
    *("graphdef", "ir", "audio", "sources", "patterns", "recipes", "rewrite", "passes", "converters", "runtime"),
    *("verification", "conversion", "corpus", "benchmarking", "demonstration", "self_test", "serve", "cli"),
)
# The package's own front, which names everything, and `python -m deepspeech_recipe`.
FRONT = ("__init__", "__main__")


def room(module: str) -> str:
    """'deepspeech_recipe.ir.names' → 'ir'"""
    return [*module.split("."), "__init__"][1]


def modules() -> list[Path]:
    """All but the programs that run by themselves, in other Pythons."""
    return sorted(path for path in PACKAGE.rglob("*.py") if not {"programs", "workers"} & {*path.parts})


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, room) of all that a module imports from the package, wherever in the module."""
    rooms = {each.stem for each in PACKAGE.glob("*.py")} | {each.parent.name for each in PACKAGE.glob("*/__init__.py")}
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        ours = [name for name in names if name.split(".")[0] == PACKAGE.name]
        found += [(node.lineno, room(name)) for name in ours if room(name) in rooms]
    return found


def imported(path: Path) -> set[str]:
    """The full names of all that a file imports, wherever in it, and of what the code in its strings does."""
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(r"(?:from|import) (tests\.test_\w+)", text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_package_imports_only_from_those_below_it(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own in FRONT:
        return
    below = LAYERS[: LAYERS.index(own) + 1]
    upwards = [f"line {line}: {other}" for line, other in imports(path) if other not in below]
    assert not upwards, f"{own} may import from {', '.join(below)} only"


def test_every_room_has_its_place_in_the_order():
    rooms = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in modules()}
    assert rooms == {*LAYERS, *FRONT}


def test_at_most_ten_modules_lie_loose():
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_no_test_file_imports_from_another():
    """What two of them need lies in tests/support, which imports from none of them."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        others = {name for name in imported(path) if re.match(r"tests\.(.*\.)?test_", name)}
        # A child process may import the file that starts it.
        others -= {name for name in others if f"{name}.".startswith(f"tests.{path.stem}.")}
        found[path.name] = others
    assert len(found) > 100
    assert {name: others for name, others in found.items() if others} == {}


# Who runs TensorFlow, or reads what Model Optimizer has loaded by it; `programs` and `workers` run by themselves.
WITH_TENSORFLOW = {"converters/mo_loading.py", "converters/mo_safety.py"}


def test_no_model_file_is_read_by_tensorflow():
    found = {path.relative_to(PACKAGE).as_posix(): imported(path) for path in modules()}
    found = {name for name, names in found.items() if any(each.split(".")[0] == "tensorflow" for each in names)}
    assert found == WITH_TENSORFLOW


def test_the_page_has_the_packages_in_that_order():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page[page.index("| package | what it is for |") :].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == LAYERS


def test_the_picture_has_the_packages_in_that_order(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    house = importlib.import_module("draw_house")
    assert tuple(name for packages in house.FLOORS.values() for name in packages) == LAYERS
    heights = [house.MIDDLE[floor] for floor in house.FLOORS]
    assert heights == sorted(heights, reverse=True), "what is lower in the order is drawn lower"
