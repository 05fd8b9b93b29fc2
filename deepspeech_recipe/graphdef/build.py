"""Writes GraphDefs node by node."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef
from deepspeech_recipe.graphdef.tensor import dtype_number, from_numpy

FLOAT, INT32, INT64, BOOL, STRING = (
    DATA_TYPES[name] for name in ("DT_FLOAT", "DT_INT32", "DT_INT64", "DT_BOOL", "DT_STRING")
)


class DType(int):
    """A DataType number, to tell an attribute of kind `type` from an integer."""


def set_attr(node, name: str, value) -> None:
    """Sets an attribute by the kind of the value: DType, bool, int, float, bytes/str, ndarray or External (tensor),
    tuple (shape, -1 if unknown, None for an unknown rank) or a list of ints."""
    attr = node.attr[name]
    if isinstance(value, DType):
        attr.type = int(value)
    elif isinstance(value, (bool, np.bool_)):
        attr.b = bool(value)
    elif isinstance(value, (int, np.integer)):
        attr.i = int(value)
    elif isinstance(value, (float, np.floating)):
        attr.f = float(value)
    elif isinstance(value, (bytes, str)):
        attr.s = value.encode() if isinstance(value, str) else value
    elif isinstance(value, (np.ndarray, External)):
        from_numpy(value, attr.tensor)
    elif isinstance(value, tuple):
        attr.shape.SetInParent()
        for size in value:
            attr.shape.dim.add(size=size)
    elif value is None:
        attr.shape.unknown_rank = True
    else:
        attr.list.i.extend(value)


def turn_into(node, op: str, inputs: Iterable[str] | None = None, **attributes) -> None:
    """Makes another operation of a NodeDef, with these attributes alone, as `set_attr` takes them. inputs: None keeps
    those it has."""
    node.op = op
    if inputs is not None:
        node.input[:] = inputs
    node.attr.clear()
    for name, value in attributes.items():
        set_attr(node, name, value)


class GraphBuilder:
    """Collects nodes; every method returns the name of the node it wrote, to be used as an input."""

    def __init__(self, producer: int = 134):
        # 134 is what TensorFlow 1.15 writes, which made the last DeepSpeech files.
        self.graph = GraphDef()
        self.graph.versions.producer = producer

    def node(self, name: str, op: str, inputs=(), **attrs) -> str:
        """Any node; attrs: values of the kinds that `set_attr` takes."""
        node = self.graph.node.add(name=name, op=op)
        node.input.extend(inputs)
        for key, value in attrs.items():
            set_attr(node, key, value)
        return name

    def const(self, name: str, value, dtype=None) -> str:
        """A constant; dtype: numpy's, the value's own by default."""
        value = value if isinstance(value, External) else np.asarray(value, dtype)
        return self.node(name, "Const", dtype=DType(dtype_number(value.dtype)), value=value)

    def placeholder(self, name: str, dtype: int, shape: tuple[int, ...]) -> str:
        """An input of a DataType number and a shape."""
        return self.node(name, "Placeholder", dtype=DType(dtype), shape=shape)
