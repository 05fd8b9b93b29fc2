"""The first tensor in which an IR of another recipe than DeepSpeech's differs from its original.

Tensors of the IR that kept the name of one of the graph's are compared with it, in the order in which the IR computes
them, call after call.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.ir.runner import StatefulModel
from deepspeech_recipe.verification.activations import config_of, ways_of
from deepspeech_recipe.verification.stateful import CALLS, Judged, Pair

_SKIPPED = ("Constant", "Parameter", "Result", "ReadValue", "Assign")
# They compute nothing, and keep their name when OpenVINO puts what is in front of them into a reverse LSTM.
_MOVES = ("Transpose", "Reshape", "Squeeze", "Unsqueeze")


def compare_tensors(
    judged: Judged, ir: IR, device: str
) -> Iterator[tuple[int, dict[str, tuple[np.ndarray, np.ndarray]]]]:
    """Yields (call, tensor's name → (original, IR)) from the first call on, tensors in order, the new states last.

    Raises RecipeError if TensorFlow is not installed, or the IR was made of another graph.
    """
    model = ir.model.clone()
    places = _add_outputs(model, GraphView.of(judged.source.graph))
    if not places:
        raise RecipeError(
            f"{ir.name}: no tensor of it has a name of {judged.source.path}: it is not made of that model."
        )
    traced = IR(model, ir.name)
    way = ways_of(ir.model, judged.weights, device)[0]
    converted, pair = StatefulModel(traced, device=device, config=config_of(way, device)), Pair(judged.source, traced)
    known = {*ir.outputs, *pair.states}
    order = sorted(pair.outputs, key=lambda name: places.get(name.removesuffix(":0"), 0))
    call = pair.original()
    for number in range(CALLS):
        feeds = pair.random_feeds(number)
        expected = call(feeds)
        found = converted(feeds) | converted.states
        tensors = {}
        for name in (*order, *pair.states):
            ours = found[name] if name in known else _in_order(found[name], expected[name])
            if ours is not None:
                tensors[name] = expected[name], ours
        yield number + 1, tensors


def _in_order(found: np.ndarray, expected: np.ndarray) -> np.ndarray | None:
    """A tensor inside may have kept its name and have its axes in another order, which equal sizes do not show: in
    the one that is nearest. None if no order gives that shape."""
    orders = (found.transpose(axes) for axes in itertools.permutations(range(found.ndim)))
    return min(
        (ours for ours in orders if ours.shape == expected.shape),
        key=lambda ours: float(np.abs(ours - expected).max(initial=0)),
        default=None,
    )


def _add_outputs(model, view: GraphView) -> dict[str, int]:
    """Makes every tensor an output whose name the graph has; returns names → place in the order of computation."""
    results = {result.input_value(0) for result in model.get_results()}
    found: dict[str, int] = {}
    added = []
    for place, op in enumerate(model.get_ordered_ops()):
        for output in op.outputs() if op.get_type_name() not in _SKIPPED else ():
            known = [name for name in output.get_names() if _is_computed(view, name)]
            if not known or output.get_element_type() != ov.Type.f32:
                continue
            found |= dict.fromkeys((each.removesuffix(":0") for each in output.get_names()), place)
            if output not in results and op.get_type_name() not in _MOVES:
                added.append(output)
    model.add_outputs(added)
    return found


def _is_computed(view: GraphView, name: str) -> bool:
    node = view.nodes.get(Tensor.parse(name).node)
    return node is not None and bool(node.inputs)
