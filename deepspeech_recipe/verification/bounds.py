"""What bounds the activations of the dense layers: a trained model hardly reaches its bounds, so no number tells."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.layers import FEATURES, layer_ends
from deepspeech_recipe.ir.names import LSTM
from deepspeech_recipe.verification.original import Original
from deepspeech_recipe.verification.report import Check
from deepspeech_recipe.verification.stored import floats_of
from deepspeech_recipe.verification.trace import layer_tensors

_LIMIT = 5e-4  # relative: what half precision makes of a number


def check_bounds(original: Original, model) -> Check | None:
    """Whether the dense layers of an ov.Model are bounded as those of the original; None if the layers of one of them
    cannot be told apart, or nothing bounds any."""
    try:
        tensors, ends = layer_tensors(original), layer_ends(model)
    except RecipeError:
        return None
    expected = _least(tensors, lambda tensor: _of_graph(original.view, tensor))
    found = _least(ends, _of_ir)
    layers = [name for name in expected if name in found and np.isfinite([expected[name], found[name]]).any()]
    if not layers:
        return None
    errors = {name: _difference(found[name], expected[name]) for name in layers}
    worst = max(layers, key=lambda name: errors[name])
    detail = f"{worst}: {_shown(found[worst])} in the IR, {_shown(expected[worst])} in the original"
    return Check("bounds", errors[worst] <= _LIMIT, errors[worst], _LIMIT, detail)


def _least(ends: Mapping, bounds: Callable) -> dict[str, float]:
    """Dense layer → the least of the numbers that bound its activations, or infinity."""
    return {name: min(bounds(end), default=np.inf) for name, end in ends.items() if name not in (FEATURES, LSTM)}


def _difference(found: float, expected: float) -> float:
    """Relative."""
    if found == expected:
        return 0.0
    return abs(found - expected) / max(abs(found), abs(expected)) if np.isfinite(found - expected) else np.inf


def _shown(bound: float) -> str:
    return f"{bound:.6g}" if np.isfinite(bound) else "none"


def _of_graph(view: GraphView, end: Tensor) -> Iterator[float]:
    """The bounds behind the product by weights that leads there."""
    seen, pending = set(), [end]
    for tensor in pending:
        node = view.source_node(tensor)
        if node is None or node.name in seen or node.op == "MatMul":
            continue
        seen.add(node.name)
        if node.op == "Relu6":
            yield 6.0
        if node.op in ("Minimum", "ClipByValue"):  # the last of (values, low, high); either of (values, bound)
            yield from _numbers(map(view.value, node.inputs[2:] or node.inputs))
        pending += node.inputs


def _of_ir(end) -> Iterator[float]:
    """The same of an ov.Output."""
    seen, pending = set(), [end]
    for value in pending:
        node = value.get_node()
        kind = node.get_type_name()
        if node.get_friendly_name() in seen or kind == "MatMul":
            continue
        seen.add(node.get_friendly_name())
        if kind == "Clamp":
            yield float(node.get_attributes()["max"])
        if kind == "Minimum":
            yield from _numbers(floats_of(each.get_node()) for each in node.input_values())
        pending += node.input_values()


def _numbers(constants: Iterable[np.ndarray | None]) -> Iterator[float]:
    return (float(values.min()) for values in constants if values is not None and values.dtype.kind == "f")
