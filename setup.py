"""Lets `python setup.py …` work, and says what setuptools lacks. What is built stands in pyproject.toml."""

import re
import sys
from pathlib import Path

NEEDED = 77  # the first whole release that reads `license` as an expression
HELP = 'python -m pip install --upgrade setuptools, or let pip bring its own by "python -m pip install ."'

if sys.version_info < (3, 10):
    sys.exit(f"deepspeech-recipe needs Python 3.10 or later, and this is {'.'.join(map(str, sys.version_info[:3]))}.")
try:
    import setuptools
except ImportError:
    sys.exit(f"Building deepspeech-recipe needs setuptools, which is not installed: {HELP}.")
if int(setuptools.__version__.split(".")[0]) < NEEDED:
    sys.exit(
        f"Building deepspeech-recipe needs setuptools {NEEDED} or later, and this is {setuptools.__version__}: {HELP}."
    )


def description():
    """The README as package indexes show it, where a path of the repository leads nowhere: links and pictures lead to
    the address of the repository, `Repository` in [project.urls]; without one, links are their text."""
    root = Path(__file__).resolve().parent
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    address = re.search(r'^Repository = "(.+?)/?"$', project, re.MULTILINE)

    def absolute(link):
        picture, text, path = link.groups()
        if address is None:
            return "" if picture else text
        return f"{picture}[{text}]({address[1]}/{'raw' if picture else 'blob'}/main/{path})"

    readme = (root / "README.md").read_text(encoding="utf-8")
    return re.sub(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)\s]+)\)", absolute, readme)


setuptools.setup(long_description=description(), long_description_content_type="text/markdown")
