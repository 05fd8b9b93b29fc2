"""Converts DeepSpeech and Coqui STT models to OpenVINO.

Every command of `deepspeech-recipe` is a function of the same name here, but for `serve`, a package: `serve.app` is for
any ASGI host, `serve.serve` the command. `convert_model` gives a model in memory.
Importing the package loads neither OpenVINO nor numpy; a function's module is loaded when the function is first asked
for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from deepspeech_recipe.errors import RecipeError, Refusal

if TYPE_CHECKING:
    from deepspeech_recipe.benchmarking.report import Report as BenchmarkReport
    from deepspeech_recipe.benchmarking.run import benchmark
    from deepspeech_recipe.conversion.convert import convert, convert_model
    from deepspeech_recipe.conversion.inspect import Inspection, inspect
    from deepspeech_recipe.conversion.result import ConvertResult, TensorInfo
    from deepspeech_recipe.converters.extensions import extensions
    from deepspeech_recipe.corpus.evaluate import Evaluation, Score, evaluate
    from deepspeech_recipe.corpus.features import features
    from deepspeech_recipe.corpus.outcome import Outcome
    from deepspeech_recipe.corpus.transcribe import transcribe, transcribe_files
    from deepspeech_recipe.demonstration import demo
    from deepspeech_recipe.runtime.result import Letter, Result, Word
    from deepspeech_recipe.self_test.finding import Finding, Health
    from deepspeech_recipe.self_test.run import doctor
    from deepspeech_recipe.sources.unpack import unpack
    from deepspeech_recipe.verification.diagnose import Diagnosis, diagnose
    from deepspeech_recipe.verification.report import Check, RecordingResult, Report
    from deepspeech_recipe.verification.run import verify
    from deepspeech_recipe.verification.stages import Stage

__version__ = "0.1.0"
__all__ = [
    "BenchmarkReport",
    "Check",
    "ConvertResult",
    "Diagnosis",
    "Evaluation",
    "Finding",
    "Health",
    "Inspection",
    "Letter",
    "Outcome",
    "RecipeError",
    "RecordingResult",
    "Refusal",
    "Report",
    "Result",
    "Score",
    "Stage",
    "TensorInfo",
    "Word",
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
    "transcribe_files",
    "unpack",
    "verify",
]

# Where each of them is, as the imports above say it to type checkers.
_HOMES = {
    "BenchmarkReport": "benchmarking.report.Report",
    "Check": "verification.report.Check",
    "ConvertResult": "conversion.result.ConvertResult",
    "Diagnosis": "verification.diagnose.Diagnosis",
    "Evaluation": "corpus.evaluate.Evaluation",
    "Finding": "self_test.finding.Finding",
    "Health": "self_test.finding.Health",
    "Inspection": "conversion.inspect.Inspection",
    "Letter": "runtime.result.Letter",
    "Outcome": "corpus.outcome.Outcome",
    "RecordingResult": "verification.report.RecordingResult",
    "Report": "verification.report.Report",
    "Result": "runtime.result.Result",
    "Score": "corpus.evaluate.Score",
    "Stage": "verification.stages.Stage",
    "TensorInfo": "conversion.result.TensorInfo",
    "Word": "runtime.result.Word",
    "benchmark": "benchmarking.run.benchmark",
    "convert": "conversion.convert.convert",
    "convert_model": "conversion.convert.convert_model",
    "demo": "demonstration.demo",
    "diagnose": "verification.diagnose.diagnose",
    "doctor": "self_test.run.doctor",
    "evaluate": "corpus.evaluate.evaluate",
    "extensions": "converters.extensions.extensions",
    "features": "corpus.features.features",
    "inspect": "conversion.inspect.inspect",
    "transcribe": "corpus.transcribe.transcribe",
    "transcribe_files": "corpus.transcribe.transcribe_files",
    "unpack": "sources.unpack.unpack",
    "verify": "verification.run.verify",
}

if not TYPE_CHECKING:  # it would make every name that is not there an Any

    def __getattr__(name: str):
        if name == "serve":
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, own = _HOMES[name].rpartition(".")
        value = getattr(importlib.import_module(f"{__name__}.{module}"), own)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
