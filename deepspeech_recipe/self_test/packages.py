"""Which packages are installed, the optional ones of every extra too."""

import shlex
import sys
from collections.abc import Iterator

from deepspeech_recipe import __version__
from deepspeech_recipe.conversion.model_cache import models_directory
from deepspeech_recipe.installation import (
    DEVELOPMENT,
    OPTIONAL,
    NoTensorFlow,
    OptionalPackage,
    TensorFlow,
    listed,
    tensorflow,
    version_of,
)
from deepspeech_recipe.recipes.registry import installed
from deepspeech_recipe.self_test.finding import Finding
from deepspeech_recipe.verification.tensorflow_session import load_tensorflow

_NEEDED = ("openvino", "numpy", "protobuf")


def findings() -> Iterator[Finding]:
    yield Finding("deepspeech-recipe", "ok", __version__)
    yield Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))
    for package in _NEEDED:
        version = version_of(package)
        if version is None:
            yield Finding(package, "problem", "not installed", f"pip install {package}")
        else:
            yield Finding(package, "ok", version)
    for each in OPTIONAL:
        if each.package == "tensorflow-cpu":
            yield _tensorflow(tensorflow(), each)
        else:
            yield _optional(each)
    yield _development()


def kept_models() -> Finding:
    """The cache of IRs that were made of model files (`conversion.model_cache`)."""
    name, directory = "models kept", models_directory()
    files = [path for path in directory.rglob("*") if path.is_file()]
    if not files:
        return Finding(name, "ok", f"none in {directory}; `--model` with a model file keeps its IR there")
    size = sum(path.stat().st_size for path in files)
    count = sum(path.suffix == ".xml" for path in files)
    text = f"{count} in {directory}, {size / 1e6:.0f} MB"
    return Finding(name, "ok", text, f"To empty it: rm -r {shlex.quote(str(directory))}")


def recipes() -> Iterator[Finding]:
    """The recipes of installed packages."""
    for each in installed():
        yield Finding(f"recipe '{each.name}'", "problem" if each.broken else "ok", each.broken or each.where)


def _optional(each: OptionalPackage) -> Finding:
    for package in filter(None, (each.package, each.same)):
        if (version := version_of(package)) is not None:
            return Finding(package, "ok", version)
    reason = f" ({each.unavailable})" if each.unavailable else ""
    return Finding(each.package, "absent", f"not installed; {each.what_for}{reason}")


def _development() -> Finding:
    versions = {package: version_of(package) for package in DEVELOPMENT}
    there = listed({package: version for package, version in versions.items() if version is not None})
    missing = [package for package, version in versions.items() if version is None]
    absent = f"not installed: {', '.join(missing)}; ci/test needs them" if missing else ""
    return Finding("development", "absent" if missing else "ok", "; ".join(filter(None, [", ".join(there), absent])))


def _tensorflow(found: TensorFlow, each: OptionalPackage) -> Finding:
    if found.absent:
        return Finding("tensorflow", "absent", f"not installed; {each.what_for}")
    if not found.usable:
        return Finding("tensorflow", "problem", found.problem.removeprefix("is "), found.remedy)
    try:
        load_tensorflow()
    except NoTensorFlow as error:
        return Finding("tensorflow", "problem", error.reason.removeprefix("TensorFlow "), error.remedy)
    if len(found.packages) > 1:
        _, *others = listed(found.packages)
        shared = f"{' and '.join(others)} would lie in the same folder, and uninstalling either breaks the other"
        return Finding("tensorflow", "ok", f"{found}; {shared}", found.remedy)
    return Finding("tensorflow", "ok", str(found))
