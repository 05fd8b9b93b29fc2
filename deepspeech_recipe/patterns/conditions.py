"""Conditions of a TensorFlow graph in one form, whichever way they are written.

TensorFlow 1 writes cond(p, a, b) as Switch(value, p) in front of the branches and Merge(a, b) behind them. TensorFlow 2
writes one If (or StatelessIf) whose branches are functions of the graph's library. Here both become

    Choice(p, a₀, b₀, a₁, b₁, …)    output k is aₖ where p holds, else bₖ
"""

from __future__ import annotations

from deepspeech_recipe import limits
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.functions import add_call
from deepspeech_recipe.graphdef.node import Node, Tensor
from deepspeech_recipe.graphdef.view import GraphView, once

CHOICE = "Choice"
IF_OPS = ("If", "StatelessIf")
_DEEPEST = 100  # conditions within each other


class _ChoiceView(GraphView):
    """A view in which what a branch reads from outside is seen through to its source."""

    TRANSPARENT = GraphView.TRANSPARENT | {"Switch"}

    def __init__(self, nodes: dict[str, Node]):
        super().__init__(())
        self.nodes = nodes


@once
def with_choices(view: GraphView) -> GraphView:
    """The graph with the branches of all its conditions written out, and a Choice under the name of each Merge or If;
    the graph itself if it has none."""
    conditions, merges = view.of_op(*IF_OPS), view.of_op("Merge")
    if not conditions and not merges:
        return view
    nodes = dict(view.nodes)
    for node in conditions:
        then, otherwise = (view.functions.get(node.function(name)) for name in ("then_branch", "else_branch"))
        if then is None or otherwise is None:
            continue
        if len(nodes) > limits.allowed(limits.NODES):
            raise Refusal(
                f"The conditions of the graph have more than {len(nodes)} nodes with their branches written out",
                node=node.name,
                remedy=limits.remedy(len(nodes), limits.NODES),
            )
        results = []
        for name, branch in (("then", then), ("else", otherwise)):
            added, values = add_call(nodes, branch, f"{node.name}:{name}/", map(str, node.inputs[1:]))
            conditions += [inner for inner in added if inner.op in IF_OPS]
            results.append(values)
        pairs = zip(*results)
        nodes[node.name] = Node.new(node.name, CHOICE, (node.inputs[0], *(value for pair in pairs for value in pair)))
    for merge in merges:
        sides: dict[bool, tuple[Tensor, Tensor]] = {}
        for value in merge.inputs:
            condition = enclosing(view, value)
            if condition is not None:
                sides[condition[1]] = condition[0], value
        if len(sides) == 2 and sides[True][0] == sides[False][0]:
            nodes[merge.name] = Node.new(merge.name, CHOICE, (sides[True][0], sides[True][1], sides[False][1]))
    return _ChoiceView(nodes)


def enclosing(view: GraphView, tensor: Tensor) -> tuple[Tensor, bool] | None:
    """(the predicate, which value of it the tensor is for) of the innermost of TensorFlow 1's conditions that the
    tensor stands in, or a loop's; None outside of all."""
    pending = [(tensor, 0)]
    seen = set(pending)
    for tensor, depth in pending:
        node = view.producer(tensor)
        if node is None or node.op == "Exit" or depth > _DEEPEST:
            continue
        inputs = node.inputs
        if node.op == "Switch":
            if depth == 0:
                return view.source(node.inputs[1]), tensor.port == 1
            inputs, depth = inputs[:1], depth - 1
        elif node.op == "Merge":
            depth += 1
        for each in inputs:
            if (each, depth) not in seen:
                seen.add((each, depth))
                pending.append((each, depth))
    return None
