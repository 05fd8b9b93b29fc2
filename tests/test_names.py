"""What pages, docstrings and messages call by its name is there: packages, modules, functions, files."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "deepspeech_recipe"
PAGES = sorted(
    path
    for place in (".", "docs", "docs/benchmarks", "training", "deepspeech_recipe/data/model")
    for path in (ROOT / place).glob("*.md")
)
ROOMS = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} | {"self_test", "errors", "limits"}
# `ir.names.find` or `deepspeech_recipe.ir`; not the middle of a path or of another name
DOTTED = re.compile(
    r"(?<![\w./-])(?:deepspeech_recipe\.(?:\w+\.)*\w+|(?:" + "|".join(sorted(ROOMS)) + r")\.(?:\w+\.)*\w+)"
)
PROTOBUF = "deepspeech_recipe.tensorflow"  # the name of our messages' package, which is no module
SUFFIXES = (".md", ".txt", ".json", ".py", ".xml", ".bin", ".csv")


def is_there(name: str) -> bool:
    """Whether a package, module, or what a module defines or imports, has that name."""
    parts, place = name.removeprefix("deepspeech_recipe.").split("."), PACKAGE
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if parts and (place / f"{parts[0]}.py").is_file():
        place /= f"{parts.pop(0)}.py"
    if not parts:
        return True
    module = place if place.suffix else place / "__init__.py"
    return parts[0] in names_of(module)


def names_of(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Dict) and module.name == "__init__.py":  # of what is imported when it is asked for
            names |= {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return names


def wrong_names(text: str) -> list[str]:
    found = {name for name in DOTTED.findall(text) if not name.endswith(SUFFIXES) and name != PROTOBUF}
    return sorted(name for name in found if not is_there(name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_in_the_package_is_there(page):
    text = page.read_text(encoding="utf-8")
    assert wrong_names(text) == []
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == PACKAGE.name:
                missing = [alias.name for alias in node.names if not is_there(f"{node.module}.{alias.name}")]
                assert missing == [], node.module


def test_the_classes_and_functions_that_the_page_on_architecture_names_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z]\w+|\w+(?=\(\w*\)))", text))
    assert {"Recognizer", "Refusal", "recognise"} <= named
    defined = set().union(*(names_of(path) for path in PACKAGE.rglob("*.py")))
    assert sorted(named - defined - {"IR", "HELP"}) == []


def test_what_docstrings_and_messages_name_in_the_package_is_there():
    found = {}
    for folder in ("deepspeech_recipe", "mo_extensions", "benchmarks", "examples"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            wrong = sorted({name for text in texts if isinstance(text, str) for name in wrong_names(text)})
            if wrong:
                found[path.relative_to(ROOT).as_posix()] = wrong
    assert found == {}


@pytest.fixture(scope="module")
def paths() -> str:
    """Every file and directory of the repository, a line each."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of git")
    files = listed.stdout.splitlines()
    folders = {parent.as_posix() for file in files for parent in Path(file).parents}
    return "\n".join([*files, *sorted(folders)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_files_that_a_page_names_are_there(page, paths):
    """A path of the repository, or the end of one: `converters/mo_*`, `ov_api.py`."""
    tops = {path.name for folder in (ROOT, PACKAGE) for path in folder.iterdir() if path.is_dir()}
    missing = []
    for name in re.findall(r"`([\w./*-]+)`", page.read_text(encoding="utf-8")):
        if name.split("/")[0] not in tops and not name.endswith((".py", ".sh")):
            continue
        pattern = re.escape(name.rstrip("/")).replace(r"\*\*", ".*").replace(r"\*", "[^/\n]*")
        if not re.search(rf"(^|/){pattern}$", paths, re.MULTILINE) and not is_there(name):
            missing.append(name)
    assert missing == []


def test_a_name_that_is_not_there_is_found():
    assert wrong_names("see `ir.names.find`, `runtime.Recognizer` and deepspeech_recipe.convert") == []
    text = "see `ir.nowhere`, runtime.first_release.FirstRelease, deepspeech_recipe.recognise, `passes.gate`"
    assert wrong_names(text) == [
        *("deepspeech_recipe.recognise", "ir.nowhere", "passes.gate", "runtime.first_release.FirstRelease"),
    ]
