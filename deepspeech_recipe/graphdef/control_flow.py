"""TensorFlow 1's branches and loops: where in them a node without inputs belongs."""

from __future__ import annotations

from collections.abc import Container, Mapping

from deepspeech_recipe.graphdef.node import node_of

# What places such a node in a branch or a loop: nothing else tells TensorFlow where it belongs.
_FLOW = frozenset({"Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch"})


class ControlFlow:
    """Finds the branch or loop that a node stands in. nodes: NodeDefs by name; fed: the names of those that are
    given."""

    def __init__(self, nodes: Mapping, fed: Container[str]):
        self._nodes, self._fed = nodes, fed

    def place(self, name: str) -> list[str]:
        """The control inputs that a node without other inputs keeps: those that lead from Switch, Enter or the like,
        by copies and NoOps alone."""
        node = self._nodes[name]
        if any(not each.startswith("^") for each in node.input):
            return []
        found, seen = [], set()
        stack = [each[1:] for each in reversed(node.input)]
        while stack:
            name = stack.pop()
            if name in seen or name not in self._nodes or name in self._fed:
                continue
            seen.add(name)
            if self._nodes[name].op == "NoOp":
                stack += [each[1:] for each in self._nodes[name].input if each.startswith("^")]
            elif self._is_flow(name):
                found.append(name)
        return found

    def _is_flow(self, name: str) -> bool:
        seen = set()
        while name in self._nodes and name not in seen and name not in self._fed:
            seen.add(name)
            node = self._nodes[name]
            if node.op in _FLOW:
                return True
            if node.op != "Identity" or not node.input:
                return False
            name = node_of(node.input[0])
        return False
