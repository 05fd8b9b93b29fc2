"""Values of a step that only the rows within their length get, as `static_rnn` writes them.

`_rnn_step` (tensorflow/python/ops/rnn.py) makes of where(time >= lengths, past, within)

    past                                      if time >= max(lengths)
    within                                    else if time < min(lengths)
    Select(time >= lengths, past, within)     else
"""

from __future__ import annotations

from dataclasses import dataclass

from deepspeech_recipe.graphdef.view import GraphView, Tensor, once
from deepspeech_recipe.patterns.conditions import CHOICE
from deepspeech_recipe.patterns.lengths import root

# Op → (the input that is the time, whether it holds once that is at least the other input).
_COMPARISONS = {"GreaterEqual": (0, True), "LessEqual": (1, True), "Less": (0, False), "Greater": (1, False)}


_DEEPEST = 4  # what is chosen from a choice: `_rnn_step` writes three in each other


@dataclass(frozen=True)
class Stopped:
    """where(time >= lengths, past, within), row by row; lengths `[B]`."""

    within: Tensor
    past: Tensor
    time: int
    lengths: Tensor


@once
def stopped_values(view: GraphView) -> dict[Tensor, Stopped]:
    """All such values of a graph, as `conditions.with_choices` shows it."""
    stopped = {}
    for node in view.of_op("Select", CHOICE):
        for port in range(1 if node.op == "Select" else len(node.inputs) // 2):
            reader = _Reader(view)
            tensor = Tensor(node.name, port)
            within, past = (reader.value(tensor, is_past) for is_past in (False, True))
            if within != past and reader.limits is not None:
                stopped[tensor] = Stopped(within, past, *reader.limits)
    return stopped


def value_within(view: GraphView, tensor: Tensor) -> Tensor:
    """What a row gets that is within its length."""
    return _Reader(view).value(tensor, is_past=False)


class _Reader:
    """limits: the time and the lengths that are compared; a value of another step is read no further."""

    def __init__(self, view: GraphView):
        self.view = view
        self.limits: tuple[int, Tensor] | None = None

    def value(self, tensor: Tensor, is_past: bool, depth: int = 0) -> Tensor:
        """What a row gets that is within its length, or past it; the tensor itself if that is not clear."""
        source = self.view.source(tensor)
        node = self.view.producer(source)
        if node is None or node.op not in ("Select", CHOICE) or depth > _DEEPEST:
            return source
        compared = self._compared(node.inputs[0])
        if compared is None or compared[0] != (self.limits or compared[0]):
            return source
        self.limits, holds, others = compared
        sides = [self.value(side, is_past, depth + 1) for side in node.inputs[1 + 2 * source.port :][:2]]
        if others == ("Max" if is_past else "Min"):  # other rows of the batch decide
            return sides[0] if sides[0] == sides[1] else source
        return sides[0 if holds == is_past else 1]

    def _compared(self, predicate: Tensor) -> tuple[tuple[int, Tensor], bool, str] | None:
        """((time, lengths), whether it holds from the lengths on or before, op that picks one of the lengths or '')."""
        node = self.view.source_node(predicate)
        if node is None or node.op not in _COMPARISONS:
            return None
        port, holds = _COMPARISONS[node.op]
        time, limit = self.view.integer(node.inputs[port]), root(self.view, node.inputs[1 - port])
        if time is None:
            return None
        bound = self.view.producer(limit)
        if bound is None or bound.op not in ("Max", "Min"):
            return (time, limit), holds, ""
        return (time, root(self.view, bound.inputs[0])), holds, bound.op
