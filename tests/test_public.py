"""What programs import is there, and explained: the modules whose reference ci/reference.py makes."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

REFERENCE = Path(__file__).parent.parent / "ci" / "reference.py"
# Read, not imported: the generator is not everywhere.
PUBLIC = next(
    ast.literal_eval(node.value)
    for node in ast.parse(REFERENCE.read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and node.targets[0].id == "PUBLIC"
)


def public(module: ModuleType) -> Iterator[tuple[str, object]]:
    """(name, what it is): all in `__all__`, and the methods and properties of its classes. Fields are explained by
    their class."""
    for name in module.__all__:
        value = getattr(module, name)
        yield name, value
        for member, written in vars(value).items() if inspect.isclass(value) else ():
            explains_itself = isinstance(written, (FunctionType, classmethod, staticmethod, property))
            if explains_itself and not member.startswith("_"):
                yield f"{name}.{member}", written


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_has_a_docstring_that_begins_with_a_sentence(name):
    found = dict(public(importlib.import_module(name)))
    found = {
        name: value for name, value in found.items() if callable(value) or isinstance(value, (property, classmethod))
    }
    assert found
    first = {name: (inspect.getdoc(value) or "").split("\n\n")[0] for name, value in found.items()}
    assert [name for name, line in first.items() if len(line.split()) < 2] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_all_names_of_a_public_module_are_in_order(name):
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__)
