"""What the passes in this directory share. Model Optimizer imports what lies in ops/, front/ and so on, but not this.

Importing it makes the package `deepspeech_recipe` importable, so each module imports it before that package.
"""

import importlib.util
import os
import sys
from pathlib import Path

from openvino.tools.mo.front.common.replacement import FrontReplacementPattern
from openvino.tools.mo.utils.error import Error

NAME = __name__.split(".")[0]  # MO names a plugin after the directory it was given
DIRECTORY = Path(__file__).resolve().parent


def asked_for(graph) -> bool:
    """The `graph_condition` of the passes that look at graphs as they are: whether this conversion named the plugin.

    MO keeps the classes that it ever imported for the life of the process, and runs them in later conversions too.
    """
    # MO looks into the current directory by itself. Any copy will do: of two with one name it imports the first only.
    directories = (*(graph.graph["cmd_params"].extensions or ()), os.getcwd())
    return any(Path(directory, "front", "tf", "recipe_recognition.py").is_file() for directory in directories)


def _find_library() -> None:
    """Imports `deepspeech_recipe` from beside the place where this directory really lies, else as installed.

    MO has put the parent of the path that it was given on `sys.path`: for a symlink that is not where the package is.
    """
    parent = str(DIRECTORY.parent)
    sys.path.insert(0, parent)
    try:
        found = importlib.util.find_spec("deepspeech_recipe")
        if found is None or found.origin is None:  # no origin: a directory that happens to have this name
            raise Error(
                f"The plugin in {DIRECTORY} needs the package deepspeech_recipe, which is neither in {parent} nor "
                "installed. Copy the directory deepspeech_recipe beside it, or install the package and give "
                '--extensions "$(deepspeech-recipe extensions)".'
            )
        importlib.import_module("deepspeech_recipe")
    finally:
        sys.path.remove(parent)


def _refuse_second_name() -> None:
    """MO allows no two passes of one name, and takes one plugin under two names for two plugins."""
    for other in FrontReplacementPattern.__subclasses__():
        name, _, rest = other.__module__.partition(".")
        if rest == "front.tf.recipe_recognition" and name != NAME:
            raise Error(
                f"The plugin is loaded as '{name}' in this process already, and Model Optimizer cannot load it as "
                f"'{NAME}' too. Give {sys.modules[f'{name}.library'].DIRECTORY} again, or start another process."
            )


_refuse_second_name()
_find_library()
