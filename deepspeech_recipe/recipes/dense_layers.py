"""What DeepSpeech's recipes share: dense layers, and what follows the last of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.gates import ADDITIONS

# A recipe that returns a Model is asked before DeepSpeech's own.
OTHER_MODEL = "To convert it as another model, name its tensors in a recipe of your own (--recipe)"


def known(size: int) -> int | None:
    """A size of a placeholder; None if it is open."""
    return None if size < 0 else size


def matmuls(view: GraphView, nodes: Iterable[Node]) -> list[Node]:
    """Those of the nodes that multiply with weights."""
    return [node for node in nodes if node.op == "MatMul" and len(view.constant_shape(node.inputs[1]) or ()) == 2]


def width(view: GraphView, matmul: Node) -> int:
    """The number of outputs of a product with weights."""
    rows, columns = view.constant_shape(matmul.inputs[1]) or (0, 0)
    return rows if matmul.attribute("transpose_b", False) else columns


class Head(NamedTuple):
    """The end of an acoustic model. reshape: the Reshape to `[T, B, classes]`, whose output are the raw logits;
    squeeze: the Squeeze behind it that drops a batch of 1, '' without; logits: the last tensor; kind: 'probabilities'
    or 'raw', what it holds."""

    reshape: str
    squeeze: str
    logits: Tensor
    kind: str


def head_behind(view: GraphView, last: Node) -> Head:
    """What follows the last dense layer. Raises Refusal if its output is not reshaped to `[T, B, classes]`."""
    tensor = Tensor(last.name)
    reshape, squeeze, softmax = "", "", ""
    while True:
        step = next((n for n in view.consumers(tensor) if _continues_head(n, tensor, reshape, softmax)), None)
        if step is None:
            break
        tensor = Tensor(step.name)
        if step.op == "Reshape":
            reshape = step.name
        elif step.op == "Squeeze":
            squeeze = step.name
        elif step.op == "Softmax":
            softmax = step.name
    if not reshape:
        raise Refusal(
            "The last dense layer is not reshaped to [time, batch, classes]", node=tensor.node, remedy=OTHER_MODEL
        )
    return Head(reshape, squeeze, tensor, "probabilities" if softmax else "raw")


def _continues_head(node: Node, tensor: Tensor, reshape: str, softmax: str) -> bool:
    if node.op in ADDITIONS:
        return not reshape
    if node.inputs[0] != tensor:
        return False
    if node.op == "Reshape":
        return not reshape
    if node.op == "Squeeze":
        return bool(reshape) and not softmax and node.attribute("squeeze_dims") == [1]
    return node.op in GraphView.TRANSPARENT or (node.op == "Softmax" and bool(reshape) and not softmax)
