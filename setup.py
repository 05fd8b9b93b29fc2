"""Lets `python setup.py …` work, and says what setuptools lacks. What is built stands in pyproject.toml."""

import sys

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
setuptools.setup()
