"""What happens in a step of a loop: which variable counts the steps, and which values stop at lengths."""

from __future__ import annotations

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.gates import ADDITIONS
from deepspeech_recipe.patterns.lengths import root
from deepspeech_recipe.patterns.lstm_cell import NOT_LSTM
from deepspeech_recipe.patterns.state import is_zero
from deepspeech_recipe.patterns.while_loop import Loop, Variable


class LoopBody:
    """outside: the graph around the loop, whose tensors have readers; view: all of it, the loop written out.
    lengths: those that values were seen to stop at; stops: the new values that only rows within their length get."""

    def __init__(self, outside: GraphView, loop: Loop):
        self.outside, self.loop, self.view = outside, loop, loop.view
        self.lengths: set[Tensor] = set()
        self.stops: set[Tensor] = set()

    def refuse(self, reason: str, node: str = "") -> Refusal:
        """The refusal of this loop."""
        return Refusal(f"The loop '{self.loop.node}' is not a known LSTM: {reason}", node=node, remedy=NOT_LSTM)

    def counts(self, variable: Variable) -> bool:
        """Whether the variable is 0, 1, 2, …"""
        node = self.view.source_node(variable.next)
        if self.view.scalar(variable.initial) != 0 or node is None or node.op not in ADDITIONS:
            return False
        return any(
            self.loop.variable(old) is variable and self.view.scalar(one) == 1
            for old, one in (node.inputs, node.inputs[::-1])
        )

    def is_time(self, tensor: Tensor) -> bool:
        """Whether the tensor is the number of the step."""
        variable = self.loop.variable(tensor)
        return variable is not None and self.counts(variable)

    def kept(self, tensor: Tensor, old: Variable | None) -> Tensor:
        """The new value of where(time >= lengths, old, new), or the tensor itself. old None: zeros."""
        source = self.view.source(tensor)
        node = self.view.producer(source)
        if node is None or node.op != "Select":  # SelectV2 would take a vector for columns
            return source
        lengths = self._past(node)
        if lengths is None:
            return source
        before = self.view.source(node.inputs[1])
        if not (is_zero(self.view, before) if old is None else self.loop.variable(before) is old):
            return source
        self.lengths.add(lengths)
        self.stops.add(source)
        return self.view.source(node.inputs[2])

    def _past(self, select: Node) -> Tensor | None:
        """L of time >= L"""
        condition = self.view.source_node(select.inputs[0])
        if condition is None or condition.op not in ("GreaterEqual", "LessEqual"):
            return None
        time, lengths = condition.inputs[:: 1 if condition.op == "GreaterEqual" else -1]
        if not self.is_time(time) or self.loop.variable(lengths) is not None:
            return None
        return root(self.view, lengths)
