"""A frozen graph run in numpy, node by node as it stands: nothing is recognised, cut or rewritten."""

from collections.abc import Iterable, Mapping

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.verification.numpy_ops import OPS


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
            node = self._view.producer(tensor)
            if node is None:
                raise RecipeError(f"The graph has no node '{tensor.node}'.")
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
