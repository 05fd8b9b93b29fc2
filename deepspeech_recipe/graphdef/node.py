"""What a graph consists of: nodes, the tensors between them, and functions that nodes call.

Nodes are made from NodeDefs, this project's or TensorFlow's own (Model Optimizer keeps them in `node.pb`): both have
the same fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from deepspeech_recipe.graphdef.proto import NodeDef
from deepspeech_recipe.graphdef.tensor import is_number, part_of, shape_of, to_numpy


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


def node_of(reference: str) -> str:
    """The node that a NodeDef's input names: 'node', 'node:1', '^node', or 'node:output:0' inside of a function."""
    return reference.lstrip("^").partition(":")[0]


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


def called_by(node, *attributes: str) -> list[str]:
    """The names of the functions that a NodeDef's attributes refer to, one or several each (the branches of a Case).

    attributes: only these; by default all."""
    values = [node.attr[name] for name in attributes if name in node.attr] if attributes else node.attr.values()
    return [each.name for value in values for each in (value.func, *value.list.func) if each.name]


class Node:
    """One node: `name`, `op`, `inputs` (tensors, control inputs left out), `control_inputs` (names)."""

    def __init__(self, pb):
        self._pb = pb
        self.name: str = pb.name
        self.op: str = pb.op
        self.inputs = tuple(Tensor.parse(i) for i in pb.input if not i.startswith("^"))
        self.control_inputs = tuple(i[1:] for i in pb.input if i.startswith("^"))

    @property
    def pb(self):
        """The NodeDef. Read-only: other views may share it."""
        return self._pb

    def placed(self, name: str, inputs: Iterable[Tensor]) -> Node:
        """The node under another name and with other inputs. It shares the attributes: constants may be large."""
        copy = object.__new__(Node)
        copy._pb, copy.name, copy.op, copy.inputs, copy.control_inputs = self._pb, name, self.op, tuple(inputs), ()
        return copy

    @classmethod
    def new(cls, name: str, op: str, inputs: Iterable[Tensor] = ()) -> Node:
        """A node without attributes."""
        return cls(NodeDef(name=name, op=op, input=map(str, inputs)))

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
        """The shape of a Const, or None if it does not hold numbers."""
        tensor = self._pb.attr["value"].tensor
        return shape_of(tensor.tensor_shape) if is_number(tensor.dtype) else None

    def constant_part(self, index):
        """A part of a Const's value, as numpy takes an index."""
        return part_of(self._pb.attr["value"].tensor, index)

    def function(self, name: str) -> str:
        """The name of the function that the attribute refers to; '' without one."""
        return self._pb.attr[name].func.name if name in self._pb.attr else ""
