"""Whether a small graph is converted, and computed rightly by each of OpenVINO's devices."""

from collections.abc import Iterator
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import last_line
from deepspeech_recipe.ir.options import FULL_PRECISION, PRECISION
from deepspeech_recipe.self_test.finding import Finding

# Devices that compute in half precision are right too.
_LARGEST_ERROR = 1e-2
_CAPABILITIES = {
    "LSTMSequence": ({}, "Use another device"),
    "internal state": ({"state": "internal"}, "Convert with --state external"),
    "dynamic shapes": ({"time_steps": "dynamic", "batch": "dynamic"}, "Convert with fixed --time-steps and --batch"),
}


def small_graph():
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


def converter(graph) -> Finding:
    name = "converter openvino"
    try:
        _convert(graph)
    except (RecipeError, ImportError, RuntimeError) as error:
        return Finding(name, "problem", f"does not work: {last_line(error)}", "pip install --upgrade openvino")
    return Finding(name, "ok", "works")


def _convert(graph, **request):
    """The small graph as an ov.Model of the IR contract."""
    from deepspeech_recipe.converters import openvino
    from deepspeech_recipe.graphdef.view import GraphView
    from deepspeech_recipe.ir.options import Options
    from deepspeech_recipe.recipes.recognition import recognise

    view = GraphView(graph.graph.node)
    return openvino.prepare(graph.graph, view, recognise(view), Options(**request)).convert()


def findings(graph) -> Iterator[Finding]:
    """Each capability on each device, by what it computes. On devices other than the CPU one may be missing, but no
    number may be wrong."""
    from deepspeech_recipe.ir.ov_api import ov
    from deepspeech_recipe.ir.runner import device_name

    core = ov.Core()
    if "CPU" not in core.available_devices:
        yield Finding("device CPU", "problem", "OpenVINO finds no CPU device", "pip install --force-reinstall openvino")
    for device in core.available_devices:
        yield Finding(f"device {device}", "ok", device_name(device) + _precision(device))
        for what, (request, remedy) in _CAPABILITIES.items():
            yield _capability(graph, device, what, request, remedy)


def _precision(device: str) -> str:
    """In which it computes, if it tells, and what that asks of other programs than this project's."""
    from deepspeech_recipe.ir.runner import default_precision

    try:
        found = default_precision(device)
    except RecipeError:
        return ""
    if found == FULL_PRECISION:
        return f"; computes in {found}"
    return f"; computes in {found} by default: other programs should compile with {PRECISION}={FULL_PRECISION}"


def _capability(graph, device: str, what: str, request: dict, remedy: str) -> Finding:
    from deepspeech_recipe.verification import verify

    name = f"{device}, {what}"
    try:
        model = _convert(graph, **request)
    except (RecipeError, ImportError, RuntimeError) as error:
        return Finding(name, "absent", f"not tried, as there is no converter: {last_line(error)}")
    try:
        report = verify(graph, model, device=device, reference="numpy")
    except (RecipeError, RuntimeError) as error:
        status = "problem" if device == "CPU" else "absent"
        return Finding(name, status, f"does not work: {last_line(error)}", remedy)
    worst = max(check.figure for check in report.checks if check.name.startswith(("probabilities", "cell", "hidden")))
    if worst > _LARGEST_ERROR:
        return Finding(name, "problem", f"wrong numbers, off by {worst:.2g}", remedy)
    return Finding(name, "ok", f"largest difference {worst:.1g}")
