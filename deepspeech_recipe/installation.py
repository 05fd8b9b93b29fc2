"""What is installed beside this package: TensorFlow, of which package and whether it is whole, and what is optional.

Nothing is imported to find out: a folder `tensorflow` can be found where nothing in it works, and importing what works
takes seconds.
"""

import importlib.machinery
import importlib.metadata
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepspeech_recipe.errors import RecipeError, Refusal

# The packages that put their files into the one folder `tensorflow`.
_TENSORFLOW = (
    *("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos", "tensorflow-rocm", "tensorflow-cpu-aws"),
    *("intel-tensorflow", "tf-nightly", "tf-nightly-cpu"),
)
_INIT = "tensorflow/__init__.py"
# Lines of RECORD, `name,hash,size`, of files that differ from version to version and from package to package.
_TELLING = re.compile(
    rf"^({re.escape(_INIT)}|tensorflow/(?:lib|python/_pywrap_)tensorflow_[^,/]*),[^,]*,(\d*)\r?$", re.M
)
_ABSENT = "is not installed"


class NoTensorFlow(Refusal):
    """TensorFlow is needed, and is not installed or does not work."""


@dataclass(frozen=True)
class TensorFlow:
    """version: '' if nothing tells; packages: name → version of those that are installed, the one whose files lie
    there first; problem: why it cannot be used, as the words after "TensorFlow", or ''; for_mo: whether a remedy must
    suit Model Optimizer."""

    version: str
    packages: dict[str, str]
    problem: str = ""
    for_mo: bool = False

    @property
    def usable(self) -> bool:
        return not self.problem

    @property
    def absent(self) -> bool:
        return self.problem == _ABSENT

    @property
    def name(self) -> str:
        """The package to install: the one that is there, if it is one."""
        names = [*self.packages]
        return names[0] if len(names) == 1 and names[0].startswith("tensorflow") else "tensorflow-cpu"

    @property
    def clear(self) -> str:
        """What to type before another one can be installed, or ''."""
        if not self.packages or (self.usable and len(self.packages) == 1):
            return ""
        return f"pip uninstall -y {' '.join(sorted(self.packages))}"

    @property
    def remedy(self) -> str:
        """What to type to have one, and whole."""
        return then(self.clear, f"pip install '{self.name}<2.18'" if self.for_mo else f"pip install {self.name}")

    @property
    def again(self) -> str:
        """What to type if it is whole and cannot be loaded: what it depends on comes anew with it."""
        alone = self.usable and len(self.packages) == 1
        return f"pip install --force-reinstall {self.name}=={self.version}" if alone else self.remedy

    def __str__(self) -> str:
        """'2.17.1 (package tensorflow-cpu)'"""
        name = next(iter(self.packages), "")
        return (self.version or "of an unknown version") + (f" (package {name})" if name else "")


def listed(packages: dict[str, str]) -> list[str]:
    """'tensorflow-cpu 2.17.1', …"""
    return [f"{name} {version}" for name, version in packages.items()]


def then(*commands: str) -> str:
    """Commands to be typed one after the other; empty ones are left out."""
    return ", then ".join(filter(None, commands))


def tensorflow(path: Sequence[str] | None = None) -> TensorFlow:
    """path: directories to look into, by default those that Python imports from."""
    for_mo = version_of("openvino-dev", path) is not None
    found = [each for name in _TENSORFLOW for each in _distributions(name, path)[:1] if _brings_files(each)]
    whole = [each for each in found if _is_whole(each, sole=len(found) == 1)]
    found.sort(key=lambda each: each not in whole)
    packages = {each.name: each.version for each in found}
    if whole:
        return TensorFlow(whole[0].version, packages, "", for_mo)
    if len(found) > 1:
        names = " and ".join(sorted(listed(packages)))
        return TensorFlow("", packages, f"is a mixture of {names}, whose files lie in one folder", for_mo)
    if found:
        problem = (
            f"is incomplete: files of {listed(packages)[0]} are missing in {found[0].locate_file('tensorflow')}, as "
            "after the uninstallation of another TensorFlow package from that folder"
        )
        return TensorFlow("", packages, problem, for_mo)
    directories = [each for each in sys.path if each] if path is None else list(path)
    spec = importlib.machinery.PathFinder.find_spec("tensorflow", directories)
    if spec is not None and spec.origin is not None:
        return TensorFlow("", {}, "", for_mo)  # built from source, for one
    for left in (Path(folder, "tensorflow") for folder in directories):
        # Elsewhere a folder of that name is somebody's own.
        if left.parent.name in ("site-packages", "dist-packages") and left.is_dir():
            return TensorFlow("", {}, f"{_ABSENT}, and what uninstalled ones have left in {left} looks like it", for_mo)
    return TensorFlow("", {}, _ABSENT, for_mo)


def _distributions(name: str, path: Sequence[str] | None) -> list[importlib.metadata.Distribution]:
    where: dict[str, Any] = {} if path is None else {"path": list(path)}
    return list(importlib.metadata.distributions(name=name, **where))


def _brings_files(distribution: importlib.metadata.Distribution) -> bool:
    """Some only require another package that does."""
    record = distribution.read_text("RECORD")
    return record is None or any(name == _INIT for name, _ in _TELLING.findall(record))


def _is_whole(distribution: importlib.metadata.Distribution, sole: bool) -> bool:
    """sole: no other package has files of the same names; else these must have the sizes of this one's."""
    files = _TELLING.findall(distribution.read_text("RECORD") or f"{_INIT},,")
    for name, size in files:
        try:
            found = os.stat(str(distribution.locate_file(name))).st_size
        except OSError:
            return False
        if not sole and size and found != int(size):
            return False
    return True


def version_of(package: str, path: Sequence[str] | None = None) -> str | None:
    """Of an installed package, else None."""
    return next((each.version for each in _distributions(package, path)), None)


@dataclass(frozen=True)
class OptionalPackage:
    """A package that an extra installs. newest: the last Python that it can be installed on, if there is one. same: a
    package with the same modules."""

    package: str
    extra: str
    what_for: str
    newest: tuple[int, int] | None = None
    same: str = ""

    @property
    def unavailable(self) -> str:
        """Why it cannot be installed here, or ''. pip does not say so: it leaves such a package out of an extra."""
        if self.newest is None or sys.version_info[:2] <= self.newest:
            return ""
        newest = ".".join(map(str, self.newest))
        return f"this is Python {python()}, and {self.package} can be had for Python 3.10 to {newest} only"


OPTIONAL = (
    OptionalPackage("openvino-dev", "mo", "Model Optimizer is in it, which the converter mo needs", (3, 12)),
    OptionalPackage("tensorflow-cpu", "mo", "mo needs it, and it is verify's first choice of a reference"),
    OptionalPackage("fastjsonschema", "mo", "mo checks --transformations_config with it"),
    OptionalPackage("tflite", "tflite", ".tflite files need it"),
    OptionalPackage("soundfile", "audio", "recordings other than 16-bit WAV files need it"),
    OptionalPackage("soxr", "audio", "recordings of another sample rate than the model's need it"),
    OptionalPackage("ufal-flashlight-text", "lm", "language models need it", same="flashlight-text"),
    OptionalPackage("jiwer", "eval", "evaluate needs it"),
    OptionalPackage("sounddevice", "mic", "transcribe --mic needs it"),
    OptionalPackage("matplotlib", "plot", "verify --plot and benchmark -o need it"),
    OptionalPackage("fsspec", "urls", "recordings at addresses (https://, s3://) need it"),
    OptionalPackage("ray", "ray", "--cluster needs it"),
    *(
        OptionalPackage(name, "serve", "serve needs it")
        for name in ("starlette", "uvicorn", "websockets", "python-multipart", "prometheus-client", "wyoming")
    ),
    OptionalPackage("shtab", "completion", "--print-completion needs it"),
    OptionalPackage("tqdm", "progress", "the bar of long work on a terminal needs it"),
)
# Of the extra `dev`, besides some of those.
DEVELOPMENT = ("hypothesis", "mypy", "pdoc", "pytest", "pytest-xdist", "ruff", "selenium", "setuptools")


def needed(reason: str, module: str) -> Any:
    """An optional module. Raises RecipeError, with the reason, if it is not installed."""
    try:
        __import__(module)
    except ImportError:
        raise RecipeError(reason) from None
    return sys.modules[module]


def unavailable(package: str) -> str:
    """Why an optional package cannot be installed on this Python, or ''."""
    return next(each.unavailable for each in OPTIONAL if each.package == package)


def python() -> str:
    """The version of this process's: '3.12'"""
    return ".".join(map(str, sys.version_info[:2]))
