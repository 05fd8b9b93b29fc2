"""Dropout that is still in a graph: its mask, and the probability that decides it.

TensorFlow's `nn.dropout` (python/ops/nn_ops.py), which is drawn from u in [0, 1):

    x / keep_prob · Floor(keep_prob + u)             until 1.12
    x · 1 / (1 - rate) · Cast(u >= rate)             from 1.13 on
"""

from __future__ import annotations

from typing import NamedTuple

from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor

_RANDOM = "RandomUniform"


class Mask(NamedTuple):
    """node: the Floor or Cast whose output is 1 for what is kept. probability: what decides it; everything is kept if
    that is `all_kept`."""

    node: Node
    probability: Tensor
    all_kept: float


def dropout_masks(view: GraphView) -> list[Mask]:
    """All masks of a graph."""
    masks = []
    for floor in view.of_op("Floor"):
        total = view.source_node(floor.inputs[0])
        if total is not None and total.op in ("Add", "AddV2"):
            for probability, noise in (total.inputs, total.inputs[::-1]):
                if _is_noise(view, noise) and not _is_noise(view, probability):
                    masks.append(Mask(floor, probability, 1.0))
    for cast in view.of_op("Cast"):
        compared = view.source_node(cast.inputs[0])
        if compared is not None and compared.op == "GreaterEqual" and _is_noise(view, compared.inputs[0]):
            masks.append(Mask(cast, compared.inputs[1], 0.0))
    return masks


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
