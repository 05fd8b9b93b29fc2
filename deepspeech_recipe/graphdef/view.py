"""A read-only view of a TensorFlow graph: what the recogniser asks of a graph, and nothing else.

It is built from NodeDefs, this project's or TensorFlow's own (Model Optimizer keeps them in `node.pb`):
both have the same fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from deepspeech_recipe.errors import NoMatch
from deepspeech_recipe.graphdef.tensor import MOST_AXES, is_number, shape_of, to_numpy

VARIABLE_OPS = ("VariableV2", "Variable", "VarHandleOp")
ASSIGN_OPS = ("Assign", "AssignVariableOp")
# They change a variable by something in place of assigning it a value.
UPDATE_OPS = (
    *("AssignAdd", "AssignSub", "ScatterUpdate", "ScatterNdUpdate", "ScatterAdd", "CountUpTo"),
    *("AssignAddVariableOp", "AssignSubVariableOp", "ResourceScatterUpdate", "ResourceScatterNdUpdate"),
)
_RESTORE_OPS = frozenset({"Restore", "RestoreV2", "RestoreSlice"})


class Tensor(NamedTuple):
    """Output `port` of the node `node`."""

    node: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.node}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Tensor:
        """'a' and 'a:0' are the first output of a."""
        node, colon, port = text.rpartition(":")
        # str.isdigit alone takes what int does not.
        is_port = colon and port.isascii() and port.isdigit() and len(port) < 10
        return cls(node, int(port)) if is_port else cls(text)


class Function(NamedTuple):
    """A function of a graph's library: names of its arguments, references of what it returns, its NodeDefs."""

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    nodes: tuple


def functions_of(library) -> dict[str, Function]:
    """The functions of a FunctionDefLibrary by name."""
    return {
        function.signature.name: Function(
            tuple(arg.name for arg in function.signature.input_arg),
            tuple(function.ret[arg.name] for arg in function.signature.output_arg),
            tuple(function.node_def),
        )
        for function in library.function
    }


class Node:
    """One node: `name`, `op`, `inputs` (tensors, control inputs left out), `control_inputs` (names)."""

    def __init__(self, pb):
        self._pb = pb
        self.name: str = pb.name
        self.op: str = pb.op
        self.inputs = tuple(Tensor.parse(i) for i in pb.input if not i.startswith("^"))
        self.control_inputs = tuple(i[1:] for i in pb.input if i.startswith("^"))

    def placed(self, name: str, inputs: Iterable[Tensor]) -> Node:
        """The node under another name and with other inputs. It shares the attributes: constants may be large."""
        copy = object.__new__(Node)
        copy._pb, copy.name, copy.op, copy.inputs, copy.control_inputs = self._pb, name, self.op, tuple(inputs), ()
        return copy

    def __repr__(self) -> str:
        return f"{self.op} '{self.name}'"

    @property
    def attributes(self) -> dict:
        """Every attribute of a plain kind, by name."""
        return {name: self.attribute(name) for name in self._pb.attr}

    def attribute(self, name: str, default=None):
        """The attribute as bytes, int, float, bool, DataType number, shape tuple, array or list; else default."""
        if name not in self._pb.attr:
            return default
        value = self._pb.attr[name]
        kind = value.WhichOneof("value")
        if kind == "shape":
            return shape_of(value.shape)
        if kind == "tensor":
            return to_numpy(value.tensor)
        if kind == "list":
            return [item for field in ("s", "i", "f", "b", "type") for item in getattr(value.list, field)]
        return default if kind is None else getattr(value, kind)

    def constant_shape(self) -> tuple[int, ...] | None:
        """Of a Const that holds numbers: their shape."""
        tensor = self._pb.attr["value"].tensor
        return shape_of(tensor.tensor_shape) if is_number(tensor.dtype) else None

    def function(self, name: str) -> str:
        """The name of the function that the attribute refers to; '' without one."""
        return self._pb.attr[name].func.name if name in self._pb.attr else ""


def _nowhere(node: Node) -> None:
    """No further than transparent ops lead."""


class GraphView:
    """The nodes of a graph by name, their consumers, their constant values, and which of them are variables.

    functions: those of the graph's library by name; they are no part of the graph itself.
    values: what is known of variables from elsewhere, a checkpoint for one, by name.
    """

    # Ops that pass their first input on unchanged; ReadVariableOp: the value of a variable.
    TRANSPARENT = frozenset(
        {"Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics", "ReadVariableOp"}
    )

    def __init__(
        self,
        nodes: Iterable,
        functions: Mapping[str, Function] | None = None,
        values: Mapping[str, np.ndarray] | None = None,
    ):
        self.nodes: Mapping[str, Node] = {pb.name: Node(pb) for pb in nodes}
        self.functions = functions or {}
        self._values = values or {}
        self._ends: dict[Callable, dict[Tensor, Tensor]] = {}

    @classmethod
    def of(cls, graph) -> GraphView:
        """The view of a GraphDef and its library."""
        return cls(graph.node, functions_of(graph.library))

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

    def described(self, tensor: Tensor) -> str:
        """What the tensor comes from, for messages: 'a MatMul', or 'nothing' if the graph does not have it."""
        node = self.source_node(tensor)
        return "nothing" if node is None else f"a {node.op}"

    def match(self, tensor: Tensor, *ops: str, what: str = "") -> Node:
        """The node behind the tensor, if it is one of these operations.

        what: what is looked for, in the words of a message. Raises NoMatch with it if the node is another one.
        """
        node = self.source_node(tensor)
        if node is None or node.op not in ops:
            wanted = what or f"a {' or '.join(ops)}"
            raise NoMatch(f"{wanted} was looked for, {self.described(tensor)} was found", node=self.source(tensor).node)
        return node

    def value(self, tensor: Tensor) -> np.ndarray | None:
        """The numbers of the constant behind the tensor, or None where it is none, or text."""
        node = self.source_node(tensor)
        return None if node is None or self.constant_shape(tensor) is None else self.initial_value(node)

    def constant(self, tensor: Tensor) -> np.ndarray:
        """The numbers of the constant behind the tensor. Raises NoMatch if it is not a constant."""
        value = self.value(tensor)
        if value is None:
            raise NoMatch(f"a constant was looked for, {self.described(tensor)} was found", node=tensor.node)
        return value

    def constant_shape(self, tensor: Tensor) -> tuple[int, ...] | None:
        """The shape of what `value` gives, without a copy of it."""
        node = self.source_node(tensor)
        if node is None or self.is_variable(node):
            return None
        if node.op == "Const":
            return node.constant_shape()
        return self._values[node.name].shape if node.name in self._values else None

    def is_variable(self, node: Node) -> bool:
        """Whether the node's value may be another one in the next call.

        Freezing a graph without `variable_names_blacklist`, as Model Optimizer does with metagraphs, checkpoints and
        SavedModels, makes a constant of a state variable too. It is one all the same if the graph still assigns it
        what a call computes. A variable whose value is known and that no call changes is a constant.
        """
        return node.name in self._assigned or (node.op in VARIABLE_OPS and node.name not in self._values)

    def initial_value(self, node: Node) -> np.ndarray | None:
        """What a constant holds, or a variable before the first call; None if that is not known."""
        return node.attribute("value") if node.op == "Const" else self._values.get(node.name)

    def shape(self, node: Node) -> tuple[int, ...] | None:
        """The sizes of a placeholder, variable or constant, -1 if open."""
        return node.constant_shape() if node.op == "Const" else node.attribute("shape")

    def variables(self) -> list[Node]:
        """The nodes that are variables, in the graph's order."""
        return [node for node in self.nodes.values() if self.is_variable(node)]

    def writers(self, variable: Node) -> list[Node]:
        """The nodes that write to the variable, directly or through copies of its reference."""
        return [
            node
            for alias in self.aliases(Tensor(variable.name))
            for node in self.consumers(alias)
            if node.inputs[0] == alias and node.op in (*ASSIGN_OPS, *UPDATE_OPS)
        ]

    def updates(self, variable: Node) -> list[Node]:
        """The assignments of a new value: one that comes from an input or from the variable itself. What initialises a
        variable, begins it anew, restores it from a checkpoint, or sets it to what an input for nothing else is fed
        (as Keras does in TensorFlow 1) is another kind of writer."""
        return [node for node in self.writers(variable) if node.op in ASSIGN_OPS and self._carries_over(node)]

    def _carries_over(self, writer: Node) -> bool:
        value = self.source(writer.inputs[-1])
        producer = self.producer(value)
        only_set = all(reader.op in ASSIGN_OPS for reader, _ in self.readers(value))
        if producer is None or (only_set and not producer.inputs):
            return False
        behind = list(self.ancestors(value))
        variable = self.source(writer.inputs[0]).node
        fed = any(node.name == variable or node.op.startswith("Placeholder") for node in behind)
        return fed and not any(node.op in _RESTORE_OPS for node in behind)

    @cached_property
    def _assigned(self) -> frozenset[str]:
        """The variables and constants that the graph assigns what a call computes."""
        return frozenset(
            node.name
            for writer in self.of_op(*ASSIGN_OPS, *UPDATE_OPS)
            if len(writer.inputs) > 1
            and (node := self.source_node(writer.inputs[0])) is not None
            and node.op in ("Const", *VARIABLE_OPS)
            and self._carries_over(writer)
        )

    def scalar(self, tensor: Tensor):
        """The single number of the constant behind the tensor, or None."""
        shape = self.constant_shape(tensor)
        return self.constant(tensor).item() if shape is not None and math.prod(shape) == 1 else None

    def integer(self, tensor: Tensor) -> int | None:
        """The same, where it is a whole number by its type."""
        number = self.scalar(tensor)
        return number if isinstance(number, int) else None

    def integers(self, tensor: Tensor) -> list[int] | None:
        """The whole numbers of a scalar, or of a list no longer than there can be axes; else None."""
        shape = self.constant_shape(tensor)
        value = self.value(tensor) if shape is not None and len(shape) < 2 and math.prod(shape) <= MOST_AXES else None
        return value.reshape(-1).tolist() if value is not None and value.dtype.kind in "iu" else None

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

    def ancestors(self, tensor: Tensor) -> Iterator[Node]:
        """The nodes the tensor is computed from, nearest first, each once."""
        yield from self._walk([tensor.node], lambda node: (t.node for t in node.inputs))

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
