"""Loops of a TensorFlow graph in one form, whichever way they are written.

TensorFlow 1 writes a loop as a circle of nodes, for each loop variable

    Enter → Merge ⟵ NextIteration ⟵ body          Merge → Switch(LoopCond) → body, or → Exit

and reads what does not change through an Enter with is_constant. TensorFlow 2 writes one While (or StatelessWhile)
node whose inputs are the first values, whose outputs are the last ones, and whose body and condition are functions
of the graph's library; what does not change is handed on from step to step. Its `convert_variables_to_constants_v2`
makes a circle of that (core/common_runtime/lower_while_op.cc), in which this is so too.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from deepspeech_recipe import limits
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.functions import add_call
from deepspeech_recipe.graphdef.node import Function, Node, Tensor
from deepspeech_recipe.graphdef.view import GraphView, once

WHILE_OPS = ("While", "StatelessWhile")
_ARGUMENT = "LoopVariable"
_CONTEXT = "/while_context"  # what TensorFlow appends to a loop's name


@dataclass(frozen=True)
class Variable:
    """A loop variable: its first value (outside of the loop), its value within a step, as the body and as the
    condition read it, its value after the step, and its last value (outside; None if nobody reads it)."""

    initial: Tensor
    inside: Tensor
    tested: Tensor
    next: Tensor
    final: Tensor | None


@dataclass(frozen=True, eq=False)
class Loop:
    """node: a name for messages and new nodes. view: the graph with the inside of the loop written out; sources of
    what does not change lie outside of the loop. inner: whether it stands inside of another loop, or of a condition.
    passed_on: what does not change, behind the loop → in front of it."""

    node: str
    view: GraphView
    variables: tuple[Variable, ...]
    condition: Tensor
    inner: bool = False
    passed_on: Mapping[Tensor, Tensor] = field(default_factory=dict)

    def variable(self, tensor: Tensor) -> Variable | None:
        """The loop variable whose value within a step the tensor is."""
        return self._by_value.get(self.view.source(tensor))

    @cached_property
    def _by_value(self) -> dict[Tensor, Variable]:
        return {value: each for each in reversed(self.variables) for value in (each.inside, each.tested)}


class LoopView(GraphView):
    """A view in which what does not change is seen through to its source outside of the loop."""

    TRANSPARENT = GraphView.TRANSPARENT | {"Enter"}

    def __init__(self, nodes: Mapping[str, Node]):
        super().__init__(())
        self.nodes = nodes


def find_loops(view: GraphView) -> Iterator[Loop]:
    """Every loop of the graph that has the form its TensorFlow gives it. Loops inside functions are not looked for."""
    frames: dict[bytes, list[Node]] = {}
    for node in view.of_op("Enter"):
        frames.setdefault(node.attribute("frame_name"), []).append(node)
    inside = LoopView(view.nodes) if frames else view
    for name, enters in frames.items():
        if (loop := _circle(view, inside, name.decode("utf-8", "replace"), enters)) is not None:
            yield loop
    written = 0
    for node in view.of_op(*WHILE_OPS):
        body, condition = (view.functions.get(node.function(name)) for name in ("body", "cond"))
        if body is None or condition is None:
            continue
        written += len(body.nodes) + len(condition.nodes)
        if written > limits.allowed(limits.NODES):
            raise Refusal(
                f"The loops of the graph have more than {written} nodes with their bodies written out",
                node=node.name,
                remedy=limits.remedy(written, limits.NODES),
            )
        if (loop := _while(view, node, body, condition)) is not None:
            yield loop


@once
def inside_loops(view: GraphView) -> frozenset[str]:
    """The nodes that depend on what enters one of TensorFlow 1's loops and has not left it."""
    inside = {node.name for node in view.of_op("Enter")}
    pending = list(inside)
    for name in pending:
        following = {node.name for node in view.following(view.nodes[name]) if node.op != "Exit"} - inside
        inside |= following
        pending += following
    return frozenset(inside)


@once
def unread_in_loops(view: GraphView) -> frozenset[str]:
    """What nobody reads inside of TensorFlow 1's loops or behind them, though it is not an output of the graph: nodes
    for control inputs alone, and the last values of variables, if others of the same loop are read. (A graph that was
    cut to its outputs has no last values but those that are read, or are outputs.)"""
    switches = [node for node in view.of_op("Switch") if _is_loop_condition(view, node.inputs[1])]
    exits: dict[Tensor, list[list[Node]]] = {}
    for node in switches:
        behind_it = [reader for reader in view.consumers(Tensor(node.name)) if reader.op == "Exit"]
        exits.setdefault(view.source(node.inputs[1]), []).append(behind_it)
    whole = [[node for nodes in loop for node in nodes] for loop in exits.values() if all(loop)]
    behind = [node for loop in whole if any(map(view.is_read, loop)) for node in loop]
    names = (*inside_loops(view), *(node.name for node in behind))
    return frozenset(name for name in names if not view.is_read(view.nodes[name]))


def _is_loop_condition(view: GraphView, tensor: Tensor) -> bool:
    node = view.source_node(tensor)
    return node is not None and node.op == "LoopCond"


def _circle(view: GraphView, inside: GraphView, frame: str, enters: list[Node]) -> Loop | None:
    variables, conditions = [], set()
    unchanged: dict[str, Node] = {}
    passed_on: dict[Tensor, Tensor] = {}
    for enter in enters:
        for merge in (node for node in view.consumers(Tensor(enter.name)) if node.op == "Merge"):
            back = [view.producer(tensor) for tensor in merge.inputs if tensor.node != enter.name]
            switch = next((n for n in view.consumers(Tensor(merge.name)) if n.op == "Switch"), None)
            if len(back) != 1 or back[0] is None or back[0].op != "NextIteration":
                return None
            if switch is None:  # only the condition reads it
                variables.append(
                    Variable(enter.inputs[0], Tensor(merge.name), Tensor(merge.name), back[0].inputs[0], None)
                )
                continue
            conditions.add(switch.inputs[1])
            exits = [node for node in view.consumers(Tensor(switch.name)) if node.op == "Exit"]
            if view.source(back[0].inputs[0]) == Tensor(switch.name, 1):
                names = (merge.name, switch.name)
                unchanged.update((name, Node.new(name, "Enter", enter.inputs)) for name in names)
                passed_on.update((Tensor(node.name), enter.inputs[0]) for node in exits)
                continue
            final = Tensor(exits[0].name) if exits else None
            variables.append(
                Variable(
                    enter.inputs[0], Tensor(switch.name, 1), Tensor(merge.name), view.source(back[0].inputs[0]), final
                )
            )
    if len(conditions) != 1:
        return None
    condition = view.producer(conditions.pop())
    if condition is None or condition.op != "LoopCond":
        return None
    name = frame[: -len(_CONTEXT)] if frame.endswith(_CONTEXT) else frame
    if unchanged:
        inside = LoopView(ChainMap(unchanged, cast("MutableMapping[str, Node]", view.nodes)))
    return Loop(name, inside, tuple(variables), condition.inputs[0], _is_inner(view, enters), passed_on)


def _is_inner(view: GraphView, enters: list[Node]) -> bool:
    """Whether what enters comes out of another loop's or a condition's inside, without having left it."""
    pending = [enter.inputs[0].node for enter in enters]
    seen = set(pending)
    for name in pending:
        node = view.nodes.get(name)
        if node is None or node.op == "Exit":
            continue
        if node.op in ("Enter", "Switch"):
            return True
        sources = [view.producer(tensor) for tensor in node.inputs]
        if node.op == "Merge":
            if any(source is not None and source.op == "NextIteration" for source in sources):
                return True
            continue  # a condition ends here
        for tensor in node.inputs:
            if tensor.node not in seen:
                seen.add(tensor.node)
                pending.append(tensor.node)
    return False


def _while(view: GraphView, node: Node, body: Function, condition: Function) -> Loop | None:
    if not len(body.arguments) == len(body.results) == len(condition.arguments) == len(node.inputs):
        return None
    by_name = {pb.name: pb for pb in body.nodes}
    # What enters a step: what does not change from outside, the variables as they are within it.
    entering = list(node.inputs)
    own: dict[str, Node] = {}
    for number, argument in enumerate(body.arguments):
        if not _passed_on(body, by_name, number):
            entering[number] = Tensor(f"{node.name}:body/{argument}")
            own[entering[number].node] = Node.new(entering[number].node, _ARGUMENT)
    nodes = ChainMap(own, cast("MutableMapping[str, Node]", view.nodes))  # which is not written to
    _, results = add_call(nodes, body, f"{node.name}:body/", map(str, entering))
    _, conditions = add_call(nodes, condition, f"{node.name}:cond/", map(str, entering))
    inside = LoopView(nodes)
    variables, passed_on = [], {}
    for number, initial in enumerate(node.inputs):
        last = Tensor(node.name, number)
        if entering[number] == initial:
            passed_on[last] = initial
        else:
            final = last if view.consumers(last) else None
            variables.append(
                Variable(initial, entering[number], entering[number], inside.source(results[number]), final)
            )
    if len(conditions) != 1:
        return None
    return Loop(node.name, inside, tuple(variables), conditions[0], passed_on=passed_on)


def _passed_on(body: Function, by_name: dict, number: int) -> bool:
    """Whether the body, of these nodes, returns the argument as it got it."""
    reference = body.results[number]
    while reference != body.arguments[number]:
        node = by_name.get(reference.partition(":")[0])
        if node is None or node.op != "Identity":
            return False
        reference = node.input[0]
    return True
