"""Converts DeepSpeech and Coqui STT models to OpenVINO.

Every command of `deepspeech-recipe` is a function of the same name here. Importing the package loads neither
OpenVINO nor numpy; a function's module is loaded when the function is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from deepspeech_recipe.errors import RecipeError, Refusal

if TYPE_CHECKING:
    from deepspeech_recipe.benchmarking.run import benchmark
    from deepspeech_recipe.conversion.convert import convert, convert_model
    from deepspeech_recipe.conversion.inspect import inspect
    from deepspeech_recipe.converters.extensions import extensions
    from deepspeech_recipe.demonstration.demo import demo
    from deepspeech_recipe.runtime.evaluate import evaluate
    from deepspeech_recipe.runtime.features import features
    from deepspeech_recipe.runtime.transcribe import transcribe
    from deepspeech_recipe.self_test.run import doctor
    from deepspeech_recipe.sources.unpack import unpack
    from deepspeech_recipe.verification.diagnose import diagnose
    from deepspeech_recipe.verification.run import verify

__version__ = "0.1.0"
__all__ = [
    "RecipeError",
    "Refusal",
    "benchmark",
    "convert",
    "convert_model",
    "demo",
    "diagnose",
    "doctor",
    "evaluate",
    "extensions",
    "features",
    "inspect",
    "transcribe",
    "unpack",
    "verify",
]

_MODULES = {
    "benchmark": "benchmarking.run",
    "convert": "conversion.convert",
    "convert_model": "conversion.convert",
    "demo": "demonstration.demo",
    "diagnose": "verification.diagnose",
    "doctor": "self_test.run",
    "evaluate": "runtime.evaluate",
    "extensions": "converters.extensions",
    "features": "runtime.features",
    "inspect": "conversion.inspect",
    "transcribe": "runtime.transcribe",
    "unpack": "sources.unpack",
    "verify": "verification.run",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
