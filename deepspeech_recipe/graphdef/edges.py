"""Who reads what in a graph: its nodes, and the ways between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from deepspeech_recipe.graphdef.node import Node, Tensor


def _nowhere(node: Node) -> None:
    """No further than transparent ops lead."""


class Edges:
    """The nodes of a graph by name, and their consumers."""

    # Ops that pass their first input on unchanged; ReadVariableOp: the value of a variable.
    TRANSPARENT = frozenset(
        {"Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics", "ReadVariableOp"}
    )

    def __init__(self, nodes: Iterable):
        self.nodes: Mapping[str, Node] = {pb.name: Node(pb) for pb in nodes}
        self._ends: dict[Callable, dict[Tensor, Tensor]] = {}

    def of_op(self, *ops: str) -> list[Node]:
        """The nodes of these operations, in the graph's order."""
        return [node for node in self.nodes.values() if node.op in ops]

    @cached_property
    def _consumers(self) -> dict[Tensor, list[Node]]:
        consumers: dict[Tensor, list[Node]] = {}
        for node in self.nodes.values():
            for tensor in dict.fromkeys(node.inputs):
                consumers.setdefault(tensor, []).append(node)
        return consumers

    def consumers(self, tensor: Tensor) -> list[Node]:
        """The nodes that read the tensor, each once."""
        return self._consumers.get(tensor, [])

    def producer(self, tensor: Tensor) -> Node | None:
        """The node whose output the tensor is."""
        return self.nodes.get(tensor.node)

    def is_read(self, node: Node) -> bool:
        """Whether any node reads an output of this one."""
        return bool(self._consumers_by_node.get(node.name))

    def source(self, tensor: Tensor) -> Tensor:
        """Where the values come from: the tensor behind all transparent ops."""
        return self.follow(tensor, _nowhere)

    def follow(self, tensor: Tensor, step: Callable[[Node], Tensor | None]) -> Tensor:
        """The tensor behind all transparent ops and those that `step` leads through: of a node, the input behind it, or
        None.

        Ends are remembered for each `step`, so that many ways through one long chain take no longer than the chain.
        """
        ends = self._ends.setdefault(step, {})
        way: dict[Tensor, None] = {}
        while tensor not in ends and tensor not in way:
            way[tensor] = None
            node = self.producer(tensor)
            if node is None:
                break
            further = node.inputs[0] if node.op in self.TRANSPARENT else step(node)
            if further is None:
                break
            tensor = further
        end = ends.get(tensor, tensor)
        ends.update(dict.fromkeys(way, end))
        return end

    def source_node(self, tensor: Tensor) -> Node | None:
        """The node behind all transparent operations, whose output the values are."""
        return self.producer(self.source(tensor))

    def aliases(self, tensor: Tensor) -> list[Tensor]:
        """The tensor and all that transparent ops make of it, nearest first."""
        pending, found = [tensor], {tensor: None}
        for alias in pending:
            copies = (Tensor(node.name) for node in self.consumers(alias) if node.op in self.TRANSPARENT)
            new = [copy for copy in copies if copy not in found]
            found.update(dict.fromkeys(new))
            pending += new
        return pending

    def readers(self, tensor: Tensor) -> list[tuple[Node, Tensor]]:
        """The nodes that use the tensor's values, behind transparent ops too, each with what it reads."""
        return [
            (node, alias)
            for alias in self.aliases(tensor)
            for node in self.consumers(alias)
            if node.op not in self.TRANSPARENT
        ]

    def ancestors(self, *tensors: Tensor) -> Iterator[Node]:
        """The nodes the tensors are computed from, nearest first, each once."""
        names = list(dict.fromkeys(tensor.node for tensor in tensors))
        yield from self._walk(names, lambda node: (t.node for t in node.inputs))

    def descendants(self, tensor: Tensor) -> Iterator[Node]:
        """The nodes computed from the tensor, nearest first, each once."""
        start = [node.name for node in self.consumers(tensor)]
        yield from self._walk(start, lambda node: (n.name for n in self.following(node)))

    def following(self, node: Node) -> list[Node]:
        """The nodes that read any output of this one."""
        return self._consumers_by_node.get(node.name, [])

    @cached_property
    def _consumers_by_node(self) -> dict[str, list[Node]]:
        by_node: dict[str, list[Node]] = {}
        for tensor, nodes in self._consumers.items():
            by_node.setdefault(tensor.node, []).extend(nodes)
        return by_node

    def _walk(self, queue: list[str], following) -> Iterator[Node]:
        seen = set(queue)
        for name in queue:
            node = self.nodes.get(name)
            if node is None:
                continue
            yield node
            for follower in following(node):
                if follower not in seen:
                    seen.add(follower)
                    queue.append(follower)
