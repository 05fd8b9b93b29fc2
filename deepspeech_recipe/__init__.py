"""Converts DeepSpeech and Coqui STT models to OpenVINO.

Every command of `deepspeech-recipe` is a function of the same name here. Importing the package loads neither
OpenVINO nor numpy; a function's module is loaded when the function is first asked for.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.version import __version__

# Each lies in the module of its own name.
_FUNCTIONS = (
    *("benchmark", "convert", "demo", "diagnose", "doctor", "evaluate", "extensions", "features", "inspect"),
    *("transcribe", "unpack", "verify"),
)
__all__ = ["RecipeError", "Refusal", "__version__", *_FUNCTIONS]


def __getattr__(name: str):
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{name}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS})


class _Package(ModuleType):
    """Importing `deepspeech_recipe.inspect` must not put that module in the place of the function."""

    def __setattr__(self, name, value):
        if name not in _FUNCTIONS or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
