"""The reference of the Python interface, made from its docstrings by pdoc: `PYTHONPATH=. python ci/reference.py [DIR]`.

Writes HTML pages to DIR, or only checks that they can be made. Fails on every warning of pdoc's. tests/test_public.py
tests that everything public has a docstring.
"""

import importlib
import sys
import tempfile
import warnings
from pathlib import Path

import pdoc

# What programs import: the functions and their results, what recipes are made of, and the runtime.
PUBLIC = ("deepspeech_recipe", "deepspeech_recipe.recipes", "deepspeech_recipe.runtime", "deepspeech_recipe.serve")


def load() -> None:
    """`__all__` decides what is public; the functions are imported when they are asked for, and pdoc does not ask."""
    for name in PUBLIC:
        module = importlib.import_module(name)
        for public in module.__all__:
            vars(module)[public] = getattr(module, public)


def main(directory: Path) -> int:
    # Before anything is imported by pdoc: a name that does not resolve, a module that cannot be imported.
    warnings.filterwarnings("error", module=r"pdoc\b")
    load()
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
