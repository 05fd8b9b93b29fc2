"""Files of a report: each appears whole or not at all."""

import json
import os
from pathlib import Path

from deepspeech_recipe.benchmarking.markdown import markdown
from deepspeech_recipe.benchmarking.plot import has_matplotlib, plot
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path, check_writable

_NAMES = ("benchmark.json", "benchmark.md", "benchmark.png")


def check_output(directory: str | os.PathLike) -> None:
    """Makes the directory. Raises RecipeError, before anything is measured, if files cannot be written."""
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise RecipeError(f"{directory}: is a file; give a directory for the results.")
    directory.mkdir(parents=True, exist_ok=True)
    for name in _NAMES:
        check_writable(directory / name)


def write(report: Report, directory: str | os.PathLike) -> None:
    """Writes benchmark.json with all samples, benchmark.md, and benchmark.png if matplotlib is installed."""
    directory = Path(directory)
    title = "# Benchmark\n\n"
    for name, text in zip(_NAMES, (json_text(report), title + markdown(report)), strict=False):
        with atomic_path(directory / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if has_matplotlib():
        plot(report, directory / _NAMES[2])


def json_text(report: Report) -> str:
    """One measurement a line, so that the file can be read and compared."""
    document = report.as_dict()
    lines = [json.dumps(measurement, ensure_ascii=False) for measurement in document.pop("measurements")]
    rest = json.dumps(document, indent=1, ensure_ascii=False).removesuffix("\n}")
    return rest + ',\n "measurements": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
