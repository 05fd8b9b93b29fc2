"""The reference of the Python interface, made from its docstrings by pdoc: `PYTHONPATH=. python ci/reference.py [DIR]`.

Writes HTML pages to DIR, or only checks that they can be made. Fails on every warning of pdoc's, and on anything public
that has no docstring.
"""

import importlib
import inspect
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pdoc
import pdoc.doc

# What programs import: the functions and their results, what recipes are made of, and the runtime.
PUBLIC = (
    "deepspeech_recipe",
    "deepspeech_recipe.recipes",
    "deepspeech_recipe.runtime",
    "deepspeech_recipe.runtime.decoders.lm",
)


def load() -> None:
    """`__all__` decides what is public; the functions are imported when they are asked for, and pdoc does not ask."""
    for name in PUBLIC:
        module = importlib.import_module(name)
        for public in module.__all__:
            vars(module)[public] = getattr(module, public)


def undocumented(module: pdoc.doc.Module) -> Iterator[str]:
    """Public functions, classes, methods and properties without a docstring. Fields are explained by their class."""
    for member in module.members.values():
        if member.kind in ("class", "function") and not member.docstring:
            yield member.fullname
        if member.kind == "class":
            for inner in member.own_members:
                written = inspect.getattr_static(member.obj, inner.name, None)
                explains_itself = isinstance(written, (FunctionType, classmethod, staticmethod, property))
                if explains_itself and not inner.name.startswith("_") and not inner.docstring:
                    yield inner.fullname


def main(directory: Path) -> int:
    # Before anything is imported by pdoc: a name that does not resolve, a module that cannot be imported.
    warnings.filterwarnings("error", module=r"pdoc\b")
    load()
    missing = [name for module in PUBLIC for name in undocumented(pdoc.doc.Module(importlib.import_module(module)))]
    if missing:
        print("No docstring:", *missing, sep="\n  ", file=sys.stderr)
        return 1
    pdoc.render.configure(docformat="markdown", show_source=False, footer_text="DeepSpeech to OpenVINO")
    pages = [(name, f"!{name}.".replace(".", r"\.")) for name in PUBLIC]
    pdoc.pdoc(*(spec for page in pages for spec in page), output_directory=directory)
    written = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.html"))
    expected = sorted(["index.html", *(f"{name.replace('.', '/')}.html" for name in PUBLIC)])
    if written != expected:
        print(f"Pages: {written}, expected {expected}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(main(Path(folder)))
