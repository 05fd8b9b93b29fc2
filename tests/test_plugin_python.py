"""What Model Optimizer imports runs on Python 3.8: older releases of openvino-dev have no newer ones.

ruff checks the syntax and the annotations of these files (`per-file-target-version` in pyproject.toml); here is that it
knows which files those are, and what newer Pythons' functions they must not call. `ci/mo-versions` runs them.
"""

import ast
import fnmatch
import re
from pathlib import Path

import pytest

try:
    import tomllib
except ImportError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).parent.parent
# Methods, functions and keywords that Python 3.8 does not have.
NAMES = {
    "removeprefix", "removesuffix", "pairwise", "is_relative_to", "with_stem", "bit_count", "lcm", "batched", "cache",
    "randbytes", "strict", "kw_only", "slots", "cancel_futures", "ignore_cleanup_errors", "ExceptionGroup", "tomllib",
}  # fmt: skip
DICTS = (ast.Dict, ast.DictComp)


def imported_by_mo() -> dict[str, str]:
    """Path → text of the plugin and of all that it imports of the package, within functions too, but for types."""
    pending, found = [path.relative_to(ROOT) for path in (ROOT / "mo_extensions").rglob("*.py")], {}
    while pending:
        path = pending.pop()
        if str(path) in found:
            continue
        found[str(path)] = text = (ROOT / path).read_text(encoding="utf-8")
        tree = ast.parse(text)
        for_types = [
            each for each in ast.walk(tree) if isinstance(each, ast.If) and "TYPE_CHECKING" in ast.dump(each.test)
        ]
        left_out = {node for each in for_types for node in ast.walk(each)}
        for node in (node for node in ast.walk(tree) if node not in left_out):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            pending += [file for module in modules for file in _files(module)]
    return found


def _files(module: str) -> list[Path]:
    parts = module.split(".")
    if parts[0] != "deepspeech_recipe":
        return []
    packages = [Path(*parts[:count]) for count in range(1, len(parts) + 1)]
    files = [file for package in packages for file in (package.with_suffix(".py"), package / "__init__.py")]
    return [file for file in files if (ROOT / file).is_file()]


FILES = imported_by_mo()


def too_new(text: str) -> list[str]:
    """What of it Python 3.8 cannot do, with the lines."""
    found = []
    for node in ast.walk(ast.parse(text)):
        name = {ast.Attribute: "attr", ast.keyword: "arg", ast.alias: "name", ast.Name: "id"}.get(type(node))
        if name and getattr(node, name) in NAMES:
            found.append(f"line {getattr(node, 'lineno', '?')}: {getattr(node, name)}")
        sides = {ast.BinOp: ("left", "right"), ast.AugAssign: ("value",)}.get(type(node), ())
        if sides and isinstance(node.op, ast.BitOr) and any(isinstance(getattr(node, side), DICTS) for side in sides):
            found.append(f"line {node.lineno}: dict | dict")
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            kinds = node.args[1:]
            if any(isinstance(kind, ast.BinOp) and isinstance(kind.op, ast.BitOr) for kind in kinds):
                found.append(f"line {node.lineno}: {node.func.id} of one type | another")
    return found


def test_the_closure_is_found():
    assert {
        "mo_extensions/library.py",
        "deepspeech_recipe/__init__.py",
        "deepspeech_recipe/recipes/deepspeech.py",
        "deepspeech_recipe/converters/mo_plugin.py",
        "deepspeech_recipe/ir/metadata.py",
    } <= FILES.keys()


@pytest.mark.parametrize("path", sorted(FILES))
def test_nothing_newer_than_python_3_8(path):
    # The plugin's own modules load on Python 3.7, to say that it is too old.
    ast.parse(FILES[path], feature_version=(3, 7) if path.startswith("mo_extensions") else (3, 8))
    assert not too_new(FILES[path])


@pytest.mark.parametrize(
    "line",
    [
        "x.removeprefix('a')",
        "zip(a, b, strict=True)",
        "from functools import cache",
        "x | {1: 2}",
        "x |= {1: 2}",
        "isinstance(x, int | float)",
    ],
)
def test_what_is_too_new_is_found(line):
    assert len(too_new(line)) == 1


def test_ruff_checks_these_files_for_their_python():
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert "FA102" in ruff["lint"]["select"]
    for path in FILES:
        versions = [version for glob, version in ruff["per-file-target-version"].items() if _matches(path, glob)]
        assert versions == ["py37" if path.startswith("mo_extensions") else "py38"], path


def _matches(path: str, glob: str) -> bool:
    """fnmatch with {a,b}."""
    braces = re.search(r"\{([^}]*)\}", glob)
    if braces is None:
        return fnmatch.fnmatch(path, glob)
    return any(_matches(path, glob.replace(braces[0], choice, 1)) for choice in braces[1].split(","))
