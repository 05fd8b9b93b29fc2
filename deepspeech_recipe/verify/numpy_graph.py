"""A frozen graph run in numpy, node by node as it stands: nothing is recognised, cut or rewritten."""

from collections.abc import Iterable, Mapping

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.verify.numpy_ops import OPS

_VARIABLES = ("VariableV2", "Variable")


class NumpyGraph:
    """Evaluates tensors of a graph. Variables begin undefined; `run_node` runs Assigns, as a session would."""

    def __init__(self, view: GraphView):
        self._view = view
        self._constants: dict[str, np.ndarray] = {}
        self._variables: dict[str, np.ndarray] = {}

    def run(self, fetches: Iterable[Tensor], feeds: Mapping[Tensor, np.ndarray]) -> list[np.ndarray]:
        """The values of the tensors, floating point in float64. Assigns they depend on take effect afterwards.

        Raises RecipeError for an operation that is not known here.
        """
        fetches = list(fetches)
        known = {tensor: _wide(value) for tensor, value in feeds.items()}
        assigned: dict[str, np.ndarray] = {}
        for tensor in fetches:
            self._evaluate(tensor, known, assigned)
        self._variables |= assigned
        return [known[tensor] for tensor in fetches]

    def run_node(self, name: str) -> None:
        """Runs a node for its effects: the reset of state variables."""
        known, assigned = {}, {}
        self._evaluate(Tensor(name), known, assigned)
        self._variables |= assigned

    def variable(self, name: str) -> np.ndarray:
        """The value of a variable."""
        return self._variables[name]

    def _evaluate(self, wanted: Tensor, known: dict, assigned: dict) -> None:
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
            needed = [*node.inputs, *(Tensor(name) for name in node.control_inputs)]
            if node.op == "Assign":
                needed = [node.inputs[1]]
            missing = [each for each in needed if each not in known]
            if not missing:
                self._compute(node, known, assigned)
                if tensor not in known:
                    raise RecipeError(f"The numpy reference does not know output {tensor.port} of {node}.")
                stack.pop()
            elif tensor in waiting:
                raise RecipeError(f"The graph has a cycle through '{node.name}'.")
            else:
                waiting.add(tensor)
                stack += missing

    def _compute(self, node: Node, known: dict, assigned: dict) -> None:
        first = Tensor(node.name)
        if node.op == "NoOp":
            known[first] = None
        elif node.op == "Const":
            if node.name not in self._constants:
                self._constants[node.name] = _wide(node.attribute("value"))
            known[first] = self._constants[node.name]
        elif node.op in _VARIABLES:
            if node.name not in self._variables:
                raise RecipeError(f"The variable '{node.name}' has no value: the graph does not initialise it.")
            known[first] = self._variables[node.name]
        elif node.op == "Assign":
            assigned[node.inputs[0].node] = known[first] = known[node.inputs[1]]
        elif node.op in OPS:
            found = OPS[node.op](node, *(known[tensor] for tensor in node.inputs))
            found = found if isinstance(found, dict) else {0: found}
            known.update({Tensor(node.name, port): value for port, value in found.items()})
        else:
            raise RecipeError(
                f"The numpy reference does not know the operation {node.op} ('{node.name}'). Compare with TensorFlow."
            )


def _wide(value):
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype.kind == "f" else value
