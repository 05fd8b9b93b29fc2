"""Dropout that is still in a graph: its mask, and the probability that decides it.

TensorFlow's `nn.dropout` (python/ops/nn_ops.py), u being drawn from [0, 1), also inside of a loop:

    x / keep_prob · Floor(keep_prob + u)                   until 1.12
    x · 1 / (1 - rate) · Cast(u >= rate)                   from 1.13 on
    SelectV2(u >= rate, x / (1 - rate), 0)                 from 2.12 on

Keras multiplies what goes into its recurrent cells with ones in the place of a mask if the model is for inference.
"""

from __future__ import annotations

from typing import NamedTuple

from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Node, Tensor, once
from deepspeech_recipe.patterns.conditions import enclosing
from deepspeech_recipe.patterns.while_loop import LoopView

_RANDOM = "RandomUniform"
_SELECTS = ("Select", "SelectV2")
_DEEPEST = 8  # what a probability is made of


def unmasked(view: GraphView, tensor: Tensor) -> Tensor:
    """The source of a tensor, behind products with as many ones."""
    source = view.source(tensor)
    for _ in range(_DEEPEST):
        node = view.producer(source)
        if node is None or node.op != "Mul":
            break
        data = [one for one, other in (node.inputs, node.inputs[::-1]) if _is_ones(view, other)]
        if not data:
            break
        source = view.source(data[0])
    return source


def _is_ones(view: GraphView, tensor: Tensor) -> bool:
    node = view.source_node(tensor)
    if node is not None and node.op in ("Fill", "OnesLike"):
        return node.op == "OnesLike" or view.scalar(node.inputs[1]) == 1
    return view.scalar(tensor) == 1


class _Inside(LoopView):
    """A view in which what enters a loop or a condition is seen through to its source."""

    TRANSPARENT = LoopView.TRANSPARENT | {"Switch"}


class Mask(NamedTuple):
    """node: the Floor or Cast whose output is 1 for what is kept, or the GreaterEqual that holds for it. probability:
    what decides it; everything is kept if that is `all_kept`. products: the nodes that apply it → the tensor that they
    give if everything is kept."""

    node: Node
    probability: Tensor
    all_kept: float
    products: dict[str, Tensor]


@once
def dropout_masks(view: GraphView) -> tuple[Mask, ...]:
    """All masks of a graph."""
    inside = _Inside(view.nodes)
    masks = []
    for floor in inside.of_op("Floor"):
        total = inside.source_node(floor.inputs[0])
        if total is not None and total.op in ("Add", "AddV2"):
            for probability, noise in (total.inputs, total.inputs[::-1]):
                if _is_noise(inside, noise) and not _is_noise(inside, probability):
                    masks.append(Mask(floor, probability, 1.0, _products(inside, floor)))
    for compared in inside.of_op("GreaterEqual"):
        if _is_noise(inside, compared.inputs[0]):
            readers = [reader for reader, _ in inside.readers(Tensor(compared.name))]
            nodes = [each for each in readers if each.op == "Cast"]
            nodes += [compared] if any(each.op in _SELECTS for each in readers) else []
            masks += [Mask(node, compared.inputs[1], 0.0, _products(inside, node)) for node in nodes]
    return tuple(masks)


def probability_of(view: GraphView, mask: Mask) -> float | None:
    """The probability, if it is known."""
    return _Inside(view.nodes).scalar(mask.probability)


def _products(inside: GraphView, mask: Node) -> dict[str, Tensor]:
    products: dict[str, Tensor] = {}
    for reader, read in inside.readers(Tensor(mask.name)):
        if reader.op == "Mul":
            data = reader.inputs[1 if reader.inputs[0] == read else 0]
        elif reader.op in _SELECTS and reader.inputs[0] == read:
            data = reader.inputs[1]
        else:
            continue
        products[reader.name] = _unscaled(inside, data)
    return products


def _unscaled(inside: GraphView, data: Tensor) -> Tensor:
    """What is multiplied with, or divided by, a scale that is known to be 1; else the tensor itself."""
    node = inside.source_node(data)
    if node is not None and node.op in ("Mul", "RealDiv"):
        if inside.scalar(node.inputs[1]) == 1:
            return node.inputs[0]
        if node.op == "Mul" and inside.scalar(node.inputs[0]) == 1:
            return node.inputs[1]
    return data


def _is_noise(view: GraphView, tensor: Tensor) -> bool:
    """Whether it is u, which TensorFlow writes as u · (1 - 0) + 0."""
    pending, seen = [tensor], set()
    while pending:
        node = view.source_node(pending.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op == _RANDOM:
            return True
        if node.op in ("Add", "AddV2", "Mul"):
            pending += node.inputs
    return False


def dropout_lines(view: GraphView) -> list[str]:
    """What a person can do about dropout that an input of the graph decides on, a line for each such input."""
    inside, lines = _Inside(view.nodes), {}
    for mask in dropout_masks(view):
        tensor, kept = mask.probability, mask.all_kept
        for _ in range(_DEEPEST):
            node = inside.source_node(tensor)
            if node is None or node.op != "Sub" or (whole := inside.scalar(node.inputs[0])) is None:
                break
            tensor, kept = node.inputs[1], whole - kept
        if node is not None and node.op in PLACEHOLDER_OPS:
            lines[node.name] = _line(node.name, kept)
        condition = enclosing(view, Tensor(mask.node.name))
        decides = None if condition is None else view.source_node(condition[0])
        if condition is not None and decides is not None and decides.op in PLACEHOLDER_OPS:
            lines[decides.name] = _line(decides.name, not condition[1])
    return list(lines.values())


def _line(name: str, kept: float) -> str:
    return f"dropout is in the graph; to leave it out: --freeze {name}={kept:g}"
