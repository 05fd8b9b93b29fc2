"""What the passes in this directory share. Model Optimizer imports what lies in ops/, front/ and so on, but not this.

Importing it makes the package `deepspeech_recipe` importable, so each module imports it before that package. It comes
first of all in the module that MO imports first, and runs on every Python and release, to say which of them will do.
"""

import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

try:
    from openvino.runtime import get_version
    from openvino.tools.mo.utils.error import Error
except ImportError:  # 2021.4 and older
    from mo.utils.error import Error

    get_version = None

OLDEST, LATEST, PYTHON = (2022, 3), (2024, 6), (3, 8)
NAME = __name__.split(".")[0]  # MO names a plugin after the directory it was given
DIRECTORY = Path(__file__).resolve().parent


def asked_for(graph) -> bool:
    """The `graph_condition` of the passes that look at graphs as they are: whether this conversion named the plugin.

    MO keeps the classes that it ever imported for the life of the process, and runs them in later conversions too.
    """
    # MO looks into the current directory by itself. Any copy will do: of two with one name it imports the first only.
    directories = (*(graph.graph["cmd_params"].extensions or ()), os.getcwd())
    return any(Path(directory, "front", "tf", "recipe_recognition.py").is_file() for directory in directories)


@contextmanager
def refusals_as_errors():
    """What the package refuses becomes MO's Error, which it prints as one line; anything else is a "bug report"."""
    from deepspeech_recipe.errors import RecipeError

    try:
        yield
    except RecipeError as refusal:
        raise Error(str(refusal)) from None


def check_release(options: dict) -> None:
    """Raises Error for options of the plugin that this release cannot meet."""
    if options.get("state") == "internal" and _release() in ((2023, 1), (2023, 2)):
        raise Error(
            "The transformations that Model Optimizer 2023.1 and 2023.2 end with fail on a model with internal state. "
            "Keep the state external, or convert with another release of openvino-dev, 2023.3 for one."
        )


def _release() -> tuple:
    return (2021, 4) if get_version is None else tuple(int(part) for part in get_version().split(".")[:2])


def _check_versions() -> None:
    version = "2021.4 or older" if get_version is None else get_version().split("-")[0]
    python = ".".join(map(str, sys.version_info[:2]))
    if not OLDEST <= _release() <= LATEST:
        raise Error(
            f"The plugin deepspeech_recipe works with openvino-dev 2022.3 to 2024.6, and this is {version}, on Python "
            f"{python}. Install one of these: pip install openvino-dev==2024.6.0 'tensorflow-cpu<2.18', on Python 3.9 "
            "to 3.12."
        )
    if sys.version_info[:2] < PYTHON:
        raise Error(
            f"The plugin deepspeech_recipe needs Python 3.8 or later, and this is Python {python}. openvino-dev "
            f"{version} runs on Python 3.8 too: install it there."
        )


def _mend_release() -> None:
    """Until 2023.1 MO asks for np.int to infer StridedSlices. It allows numpy 1.24, which does not have that."""
    from openvino.tools.mo.front.common.partial_infer import utils

    if _release() < (2023, 2) and not hasattr(np, "int"):
        utils.np = SimpleNamespace(**vars(np), int=int)


def _find_library() -> None:
    """Imports `deepspeech_recipe` from beside the place where this directory really lies, else as installed.

    MO has put the parent of the path that it was given on `sys.path`: for a symlink that is not where the package is.
    """
    parent = str(DIRECTORY.parent)
    sys.path.insert(0, parent)
    try:
        package = importlib.util.find_spec("deepspeech_recipe")
        if package is None or package.origin is None:  # no origin: a directory that happens to have this name
            raise Error(
                f"The plugin in {DIRECTORY} needs the package deepspeech_recipe, which is neither in {parent} nor "
                "installed. Copy the directory deepspeech_recipe beside it, or install the package and give "
                '--extensions "$(deepspeech-recipe extensions)".'
            )
        try:
            importlib.import_module("deepspeech_recipe.converters.mo_plugin")
        except ImportError as error:
            raise Error(
                f"The package in {os.path.dirname(package.origin)} is not the one that the plugin in {DIRECTORY} "
                f"needs, or lacks something: {error}. Take both from one release, with what they need: "
                "pip install numpy protobuf"
            ) from error
    finally:
        sys.path.remove(parent)


def _refuse_second_name() -> None:
    """MO allows no two passes of one name, and takes one plugin under two names for two plugins."""
    from openvino.tools.mo.front.common.replacement import FrontReplacementPattern

    for other in FrontReplacementPattern.__subclasses__():
        name, _, rest = other.__module__.partition(".")
        if rest == "front.tf.recipe_recognition" and name != NAME:
            raise Error(
                f"The plugin is loaded as '{name}' in this process already, and Model Optimizer cannot load it as "
                f"'{NAME}' too. Give {sys.modules[f'{name}.library'].DIRECTORY} again, or start another process."
            )


_check_versions()
_mend_release()
_refuse_second_name()
_find_library()
