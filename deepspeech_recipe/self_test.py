"""doctor: what is installed, what works, and what to do about the rest."""

import importlib.metadata
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from deepspeech_recipe import __version__
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.temporary import temporary_directory

_EXTRAS = {
    "openvino-dev": ("openvino-dev",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"),
    "soundfile": ("soundfile",),
    "matplotlib": ("matplotlib",),
    "tflite": ("tflite",),
}
_WHAT_FOR = {
    "openvino-dev": "Model Optimizer is in it, which the converter mo needs",
    "tensorflow": "mo and verify's first choice of a reference need it",
    "soundfile": "recordings other than 16-bit WAV files need it",
    "matplotlib": "verify --plot and benchmark -o need it",
    "tflite": ".tflite files need it",
}
# What Model Optimizer imports from a directory of extensions, and from the current directory.
_SCANNED = ("ops", "analysis", "load/tf", "front", "front/tf", "front/tf/extractors", "middle", "back")
_PLUGIN_LINE = "[ deepspeech-recipe ]"
# Devices that compute in half precision are right too.
_LARGEST_ERROR = 1e-2


@dataclass(frozen=True)
class Finding:
    """What one check of `doctor` found.

    status: 'ok', 'absent' (and not needed) or 'problem'. remedy: what to do about it, or empty.
    """

    name: str
    status: str
    text: str
    remedy: str = ""

    def line(self) -> str:
        mark = {"ok": "✓", "absent": "–", "problem": "✗"}[self.status]
        return f"{mark} {self.name}: {self.text}" + (f". {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Health:
    """All findings, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.status != "problem" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0, or 1 if something that should work does not."""
        return 0 if self.passed else 1

    def as_dict(self) -> dict:
        """For JSON."""
        return {"passed": self.passed, "findings": [asdict(finding) for finding in self.findings]}


def doctor(
    *, directory: str | os.PathLike | None = None, on_finding: Callable[[Finding], None] | None = None
) -> Health:
    """Looks at versions, converters, the plugin and devices; runs `mo` on a small graph if it is installed.

    directory: the one in which mo would be run, by default the current one. on_finding: gets every finding as it is
    made.
    """
    findings = []
    for finding in _examine(Path(directory or Path.cwd())):
        findings.append(finding)
        if on_finding:
            on_finding(finding)
    return Health(tuple(findings))


def _examine(directory: Path) -> Iterator[Finding]:
    yield from _versions()
    graph = _small_graph()
    yield _openvino_converter(graph)
    yield from _mo(graph, directory)
    yield from _devices(graph)


def _versions() -> Iterator[Finding]:
    yield Finding("deepspeech-recipe", "ok", __version__)
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", "ok", python)
    for package in ("openvino", "numpy", "protobuf"):
        version = _version(package)
        if version is None:
            yield Finding(package, "problem", "not installed", f"pip install {package}")
        else:
            yield Finding(package, "ok", version)
    for name, packages in _EXTRAS.items():
        version = next(filter(None, map(_version, packages)), None)
        if version is None:
            yield Finding(name, "absent", f"not installed; {_WHAT_FOR[name]}")
        else:
            yield Finding(name, "ok", version)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _small_graph():
    """A model as if read from a file: a DeepSpeech v0.9 graph of a few hundred weights."""
    import numpy as np

    from deepspeech_recipe.sources import LoadedModel
    from deepspeech_recipe.sources.canonical import Dense, Weights, canonical_graph

    rng = np.random.default_rng(4)

    def normal(*shape):
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    def dense(inputs, outputs):
        return Dense(normal(inputs, outputs), normal(outputs))

    weights = Weights(
        layer_1=dense(20, 9),
        layer_2=dense(9, 10),
        layer_3=dense(10, 11),
        lstm_kernel=normal(11 + 8, 4 * 8),
        lstm_bias=normal(4 * 8),
        layer_5=dense(8, 12),
        layer_6=dense(12, 6),
    )
    return LoadedModel(Path("a small graph"), "pb", canonical_graph(weights, n_context=2, n_steps=7))


def _openvino_converter(graph) -> Finding:
    name = "converter openvino"
    try:
        _convert(graph)
    except (RecipeError, ImportError, RuntimeError) as error:
        return Finding(name, "problem", f"does not work: {_one_line(error)}", "pip install --upgrade openvino")
    return Finding(name, "ok", "works")


def _convert(graph, **request):
    """The small graph as an ov.Model of the IR contract."""
    from deepspeech_recipe.converters import openvino
    from deepspeech_recipe.converters.request import Request
    from deepspeech_recipe.graphdef.view import GraphView
    from deepspeech_recipe.recipes.recognition import recognise

    view = GraphView(graph.graph.node)
    return openvino.prepare(graph.graph, view, recognise(view), Request(**request)).convert()


def _mo(graph, directory: Path) -> Iterator[Finding]:
    from deepspeech_recipe.converters import mo

    works, text = mo.usable()
    if not works:
        # Without openvino-dev nobody expects mo to work; with it, somebody does.
        status = "absent" if _version("openvino-dev") is None else "problem"
        yield Finding("converter mo", status, text, mo.remedy())
        return
    command = _mo_command()
    if command is None:
        yield Finding(
            "converter mo", "problem", f"{text}, but the command mo was not found",
            "Install openvino-dev again, or add the environment's bin directory to PATH",
        )  # fmt: skip
        return
    yield Finding("converter mo", "ok", f"{text}, {command}")
    yield _plugin(command, graph)
    yield _current_directory(directory)


def _mo_command() -> str | None:
    """The `mo` that a person would run: the one on PATH, else the one beside this Python."""
    return shutil.which("mo") or shutil.which("mo", path=str(Path(sys.executable).parent))


def _plugin(command: str, graph) -> Finding:
    """Runs mo, in an empty directory, with the plugin."""
    from deepspeech_recipe.converters.extensions import extensions

    name = "mo loads the plugin"
    with temporary_directory() as folder:
        graph.write_pb(Path(folder) / "graph.pb")
        empty = Path(folder) / "empty"
        empty.mkdir()
        arguments = ["--input_model", "../graph.pb", "--output_dir", "..", "--extensions", str(extensions())]
        try:
            done = subprocess.run(
                [command, *arguments], cwd=empty, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            )  # fmt: skip
        except OSError as error:
            return Finding(name, "problem", f"{command} cannot be run: {error}", "Install openvino-dev again")
        made = (Path(folder) / "graph.xml").exists()
    said = next((line for line in done.stdout.splitlines() if line.startswith(_PLUGIN_LINE)), None)
    if said and made and done.returncode == 0:
        return Finding(name, "ok", said.removeprefix(_PLUGIN_LINE).strip())
    if said is None:
        return Finding(
            name, "problem", f"it printed no line of the plugin's{_last_words(done)}",
            f"{command} may belong to another Python: install deepspeech-recipe there ({extensions()} was given)",
        )  # fmt: skip
    return Finding(name, "problem", f"the plugin was loaded, but no IR was made{_last_words(done)}")


def _last_words(done) -> str:
    errors = [line.replace("[ ERROR ]", "").strip() for line in done.stdout.splitlines() if "[ ERROR ]" in line]
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    words = next(filter(None, errors), lines[-1] if lines else "")
    return f"; it ended with exit code {done.returncode}: {words}" if done.returncode else ""


def _current_directory(directory: Path) -> Finding:
    """mo imports what lies in ops/, front/, … of the current directory, as if it were an extension."""
    from deepspeech_recipe.converters.extensions import extensions

    name = "current directory"
    found = [
        f"{part}/{module.name}"
        for part in _SCANNED
        for module in pkgutil.iter_modules([str(directory / part)])
    ]  # fmt: skip
    if not found or directory.resolve() == extensions():
        return Finding(name, "ok", f"mo finds nothing to import in {directory}")
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return Finding(
        name, "problem", f"mo takes {directory} for a directory of extensions and imports {shown}",
        "Run mo from another directory",
    )  # fmt: skip


_CAPABILITIES = {
    "LSTMSequence": ({}, "Use another device"),
    "internal state": ({"state": "internal"}, "Convert with --state external"),
    "dynamic shapes": ({"time_steps": "dynamic", "batch": "dynamic"}, "Convert with fixed --time-steps and --batch"),
}


def _devices(graph) -> Iterator[Finding]:
    """Each capability on each device, by what it computes. On devices other than the CPU one may be missing, but no
    number may be wrong."""
    from deepspeech_recipe.ir.ov_api import ov

    core = ov.Core()
    if "CPU" not in core.available_devices:
        yield Finding("device CPU", "problem", "OpenVINO finds no CPU device", "pip install --force-reinstall openvino")
    for device in core.available_devices:
        yield Finding(f"device {device}", "ok", _device_name(core, device))
        for what, (request, remedy) in _CAPABILITIES.items():
            yield _capability(graph, device, what, request, remedy)


def _device_name(core, device: str) -> str:
    try:
        return str(core.get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:
        return "no name"


def _capability(graph, device: str, what: str, request: dict, remedy: str) -> Finding:
    from deepspeech_recipe.verification import verify

    name = f"{device}, {what}"
    try:
        model = _convert(graph, **request)
    except (RecipeError, ImportError, RuntimeError) as error:
        return Finding(name, "absent", f"not tried, as there is no converter: {_one_line(error)}")
    try:
        report = verify(graph, model, device=device, reference="numpy")
    except (RecipeError, RuntimeError) as error:
        status = "problem" if device == "CPU" else "absent"
        return Finding(name, status, f"does not work: {_one_line(error)}", remedy)
    error = max(check.figure for check in report.checks if check.name.startswith(("probabilities", "cell", "hidden")))
    if error > _LARGEST_ERROR:
        return Finding(name, "problem", f"wrong numbers, off by {error:.2g}", remedy)
    return Finding(name, "ok", f"largest difference {error:.1g}")


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
