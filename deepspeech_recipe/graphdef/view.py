"""A read-only view of a TensorFlow graph: who reads what, what is constant, what is state.

Patterns and recipes ask nothing else of a graph.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import NoMatch
from deepspeech_recipe.graphdef.constant_ops import CONSTANT_OPS, computed
from deepspeech_recipe.graphdef.edges import Edges
from deepspeech_recipe.graphdef.node import Function, Node, Tensor, functions_of
from deepspeech_recipe.graphdef.plain import plain_nodes
from deepspeech_recipe.graphdef.tensor import MOST_AXES

__all__ = [
    "ASSIGN_OPS",
    "PLACEHOLDER_OPS",
    "UPDATE_OPS",
    "VARIABLE_OPS",
    "Function",
    "GraphView",
    "Node",
    "Tensor",
    "functions_of",
    "once",
]

PLACEHOLDER_OPS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
VARIABLE_OPS = ("VariableV2", "Variable", "VarHandleOp")
ASSIGN_OPS = ("Assign", "AssignVariableOp")
# They change a variable by something in place of assigning it a value.
UPDATE_OPS = (
    *("AssignAdd", "AssignSub", "ScatterUpdate", "ScatterNdUpdate", "ScatterAdd", "CountUpTo"),
    *("AssignAddVariableOp", "AssignSubVariableOp", "ResourceScatterUpdate", "ResourceScatterNdUpdate"),
)
_RESTORE_OPS = frozenset({"Restore", "RestoreV2", "RestoreSlice"})
_Description = TypeVar("_Description")
_WIDER = 16  # weights of 8 bits become floats in a few steps


def once(describe: Callable[[GraphView], _Description]) -> Callable[[GraphView], _Description]:
    """Decorates what describes a GraphView: the graph is walked once, whoever asks, and the answer is kept with it."""

    @functools.wraps(describe)
    def of(view: GraphView) -> _Description:
        if describe not in view.descriptions:
            view.descriptions[describe] = describe(view)
        return view.descriptions[describe]

    return of


class GraphView(Edges):
    """The nodes of a graph by name, their consumers, their constant values, and which of them are variables.

    functions: those of the graph's library by name; they are not part of the graph itself.
    values: what is known of variables from elsewhere, a checkpoint for one, by name.
    """

    def __init__(
        self,
        nodes: Iterable,
        functions: Mapping[str, Function] | None = None,
        values: Mapping[str, np.ndarray] | None = None,
    ):
        super().__init__(nodes)
        self.functions = functions or {}
        self.descriptions: dict[Callable, Any] = {}  # what `once` keeps
        self._values = values or {}
        self._computed: dict[Tensor, np.ndarray | None] = {}
        self._computed_from: set[Tensor] = set()
        self._excess = 0  # bytes of what is computed beyond a multiple of what it is computed from

    @classmethod
    def of(cls, graph) -> GraphView:
        """The view of a GraphDef, its nodes in their plain form, and its library."""
        return cls(plain_nodes(graph.node), functions_of(graph.library))

    def described(self, tensor: Tensor) -> str:
        """What the tensor comes from, for messages: 'a MatMul', or 'nothing' if the graph does not have it."""
        node = self.source_node(tensor)
        return "nothing" if node is None else f"a {node.op}"

    def match(self, tensor: Tensor, *ops: str, what: str = "") -> Node:
        """The node behind the tensor, if it is one of these operations.

        what: what is looked for, in the words of a message. Raises NoMatch with it if the node is another one; its
        `wanted` are the operations, its `found` the one that is there, or None.
        """
        node = self.source_node(tensor)
        if node is None or node.op not in ops:
            wanted = what or f"a {' or '.join(ops)}"
            raise NoMatch(
                f"{wanted} was looked for, {self.described(tensor)} was found",
                node=self.source(tensor).node,
                wanted=ops,
                found=None if node is None else node.op,
            )
        return node

    def value(self, tensor: Tensor) -> np.ndarray | None:
        """The numbers of a constant, stored or computed from constants alone; None if it is not one, or text."""
        source = self.source(tensor)
        if self._stored_shape(source) is None:
            return self._folded(source)
        return self.initial_value(self.nodes[source.node])

    def constant(self, tensor: Tensor) -> np.ndarray:
        """The numbers of the constant behind the tensor. Raises NoMatch if it is not a constant."""
        value = self.value(tensor)
        if value is None:
            raise NoMatch(f"a constant was looked for, {self.described(tensor)} was found", node=tensor.node)
        return value

    def constant_part(self, tensor: Tensor, index) -> np.ndarray:
        """`constant(tensor)[index]`, without the rest of it where that can be."""
        node = self.source_node(tensor)
        if node is not None and node.op == "Const" and self._stored_shape(self.source(tensor)) is not None:
            return node.constant_part(index)
        return self.constant(tensor)[index]

    def constant_shape(self, tensor: Tensor) -> tuple[int, ...] | None:
        """The shape of what `value` gives, without a copy of it."""
        source = self.source(tensor)
        if (shape := self._stored_shape(source)) is not None:
            return shape
        value = self._folded(source)
        return None if value is None else value.shape

    def _stored_shape(self, source: Tensor) -> tuple[int, ...] | None:
        """The shape of a constant that the graph holds as such, or that is known from elsewhere."""
        node = self.producer(source)
        if node is None or self.is_variable(node):
            return None
        if node.op == "Const":
            return node.constant_shape()
        return self._values[node.name].shape if node.name in self._values else None

    def _folded(self, source: Tensor) -> np.ndarray | None:
        """What a tensor is if it is computed from constants alone (`graphdef.constant_ops`); else None."""
        known, pending = self._computed, {source: None}  # a dict: those that wait for the last one, in order
        while pending:
            wanted = next(reversed(pending))
            node = self.producer(wanted)
            if wanted not in known and node is not None and node.op in CONSTANT_OPS:
                inputs = [self.source(tensor) for tensor in node.inputs]
                missing = [each for each in inputs if self._stored_shape(each) is None and known.get(each) is None]
                unknown = [each for each in missing if each not in known and each not in pending]
                if unknown and len(unknown) == len(missing):  # else one of them is not a constant, or waits for this
                    pending[unknown[0]] = None
                    continue
                if not missing:
                    self._compute(node, inputs)
            known.setdefault(wanted, None)
            del pending[wanted]
        return known[source]

    def _compute(self, node: Node, inputs: list[Tensor]) -> None:
        values = [self.constant(tensor) for tensor in inputs]
        outputs = computed(node, values) or {}
        self._computed.update({Tensor(node.name, port): value for port, value in outputs.items()})
        self._excess += sum(value.nbytes for value in outputs.values())
        for tensor, value in zip(inputs, values):
            if tensor not in self._computed and tensor not in self._computed_from:
                self._computed_from.add(tensor)
                self._excess -= _WIDER * value.nbytes
        reason = f"What the graph computes from constants takes {self._excess} bytes more than {_WIDER} times these"
        limits.check(reason, self._excess, limits.EXPANDED, node=node.name)

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
        """The single number of the constant behind the tensor, if it is a whole number by its type; else None."""
        number = self.scalar(tensor)
        return number if isinstance(number, int) else None

    def integers(self, tensor: Tensor) -> list[int] | None:
        """The whole numbers of a scalar, or of a list no longer than there can be axes; else None."""
        shape = self.constant_shape(tensor)
        value = self.value(tensor) if shape is not None and len(shape) < 2 and math.prod(shape) <= MOST_AXES else None
        return value.reshape(-1).tolist() if value is not None and value.dtype.kind in "iu" else None
