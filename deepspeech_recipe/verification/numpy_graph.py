"""A frozen graph run in numpy, node by node as it stands: nothing is recognised, cut or rewritten.

A loop of TensorFlow 1 is a circle of nodes: Enter → Merge → Switch → body → NextIteration → Merge, and from the Switch
to Exit once the condition (LoopCond) is false.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.verification.numpy_ops import OPS

_MOST_STEPS = 100_000


class NumpyGraph:
    """Evaluates tensors of a graph. Control edges play no part: nothing here has an effect."""

    def __init__(self, view: GraphView):
        self._view = view
        self._constants: dict[str, np.ndarray] = {}

    def run(self, fetches: Iterable[Tensor], feeds: Mapping[Tensor, np.ndarray]) -> list[np.ndarray]:
        """The values of the tensors, floating point in float64.

        Raises RecipeError for an operation that is not known here.
        """
        fetches = list(fetches)
        known = {tensor: _wide(value) for tensor, value in feeds.items()}
        for tensor in fetches:
            self._evaluate(tensor, known)
        return [known[tensor] for tensor in fetches]

    def _evaluate(self, wanted: Tensor, known: dict) -> None:
        stack = [wanted]
        waiting: set[Tensor] = set()
        while stack:
            tensor = stack[-1]
            if tensor in known:
                stack.pop()
                continue
            node = self._node(tensor)
            if node.op == "Exit":
                self._run_loop(node, known)
                continue
            missing = [each for each in node.inputs if each not in known]
            if not missing:
                self._compute(node, known)
                if tensor not in known:
                    raise RecipeError(f"The numpy reference does not know output {tensor.port} of {node}.")
                stack.pop()
            elif tensor in waiting:
                raise RecipeError(f"The graph has a cycle through '{node.name}'.")
            else:
                waiting.add(tensor)
                stack += missing

    def _run_loop(self, left: Node, known: dict) -> None:
        """Runs the loop that an Exit leaves, to the values of all of its Exits."""
        switch = self._node(left.inputs[0])
        condition = self._node(switch.inputs[1])
        switches = [node for node in self._view.consumers(Tensor(condition.name)) if node.op == "Switch"]
        merges = [self._node(each.inputs[0]) for each in switches]
        frame = self._node(merges[0].inputs[0]).attribute("frame_name")
        enters = [node for node in self._view.of_op("Enter") if node.attribute("frame_name") == frame]
        for node in enters:
            self._evaluate(node.inputs[0], known)
        outside = {Tensor(node.name): known[node.inputs[0]] for node in enters}
        values = [outside[node.inputs[0]] for node in merges]
        for _ in range(_MOST_STEPS):
            inside = {**outside, **{Tensor(node.name): value for node, value in zip(merges, values, strict=True)}}
            inside |= {Tensor(node.name, 1): value for node, value in zip(switches, values, strict=True)}
            self._evaluate(condition.inputs[0], inside)
            if not inside[condition.inputs[0]]:
                break
            following = [self._node(node.inputs[1]).inputs[0] for node in merges]
            for tensor in following:
                self._evaluate(tensor, inside)
            values = [inside[tensor] for tensor in following]
        else:
            raise RecipeError(f"The loop of '{left.name}' does not end within {_MOST_STEPS} steps.")
        for node, value in zip(switches, values, strict=True):
            known |= {Tensor(each.name): value for each in self._view.consumers(Tensor(node.name)) if each.op == "Exit"}

    def _node(self, tensor: Tensor) -> Node:
        node = self._view.producer(tensor)
        if node is None:
            raise RecipeError(f"The graph has no node '{tensor.node}'.")
        return node

    def _compute(self, node: Node, known: dict) -> None:
        if node.op == "Const":
            if node.name not in self._constants:
                self._constants[node.name] = _wide(node.attribute("value"))
            known[Tensor(node.name)] = self._constants[node.name]
        elif node.op in OPS:
            found = OPS[node.op](node, *(known[tensor] for tensor in node.inputs))
            found = found if isinstance(found, dict) else {0: found}
            known.update({Tensor(node.name, port): value for port, value in found.items()})
        else:
            raise RecipeError(
                f"The numpy reference does not know the operation {node.op} ('{node.name}'). Compare with TensorFlow."
            )


def unknown_operations(view: GraphView, fetches: Iterable[Tensor], feeds: Iterable[Tensor]) -> list[str]:
    """The operations that stand in the way of computing tensors from others."""
    fed, pending = set(feeds), list(fetches)
    seen = set(pending)
    unknown: dict[str, None] = {}
    for tensor in pending:
        node = None if tensor in fed else view.producer(tensor)
        if node is not None:
            if node.op != "Const" and node.op not in OPS:
                unknown[node.op] = None
            new = [each for each in node.inputs if each not in seen]
            seen.update(new)
            pending += new
    return list(unknown)


def _wide(value):
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype.kind == "f" else value
