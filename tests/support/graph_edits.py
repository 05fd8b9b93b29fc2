"""Small damages to a GraphDef, by topology: what a recogniser must notice."""

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.graphdef.build import DType, set_attr
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef
from deepspeech_recipe.graphdef.tensor import dtype_number
from deepspeech_recipe.graphdef.view import GraphView, Tensor


@dataclass
class PlainCell:
    """The nodes of one LSTM cell in plain operations."""

    h: object
    tanh: object
    output_gate: object
    c: object
    split: object
    bias_add: object
    matmul: object
    concat: object


class Edited:
    """A GraphDef and its nodes by name."""

    def __init__(self, graph):
        self.graph = graph
        self.nodes = {node.name: node for node in graph.node}

    def of_op(self, op: str) -> list:
        return [node for node in self.graph.node if node.op == op]

    def source(self, node, port: int):
        """The node that an input comes from."""
        return self.nodes[node.input[port].partition(":")[0]]

    def constant(self, name: str, value) -> str:
        value = np.asarray(value)
        node = self.add(name, "Const")
        set_attr(node, "dtype", DType(dtype_number(value.dtype)))
        set_attr(node, "value", value)
        return name

    def add(self, name: str, op: str, *inputs: str):
        self.nodes[name] = self.graph.node.add(name=name, op=op, input=inputs)
        return self.nodes[name]

    def value(self, node, port: int):
        """The constant that an input is, or None."""
        return GraphView(self.graph.node).scalar(Tensor.parse(node.input[port]))

    def remove(self, node) -> None:
        self.graph.node.remove(self.nodes.pop(node.name))

    def placeholder(self, node):
        """A constant becomes an input."""
        node.op = "Placeholder"
        node.attr.clear()
        set_attr(node, "dtype", DType(DATA_TYPES["DT_FLOAT"]))
        return node

    def behind(self, node, port: int):
        """The node behind copies, an Enter or a Switch."""
        node = self.source(node, port)
        while node.op in ("Identity", "Enter", "Switch"):
            node = self.source(node, 0)
        return node

    def cells(self) -> list[PlainCell]:
        found = []
        for h in self.of_op("Mul"):
            factors = {self.source(h, port).op: self.source(h, port) for port in (0, 1)}
            if factors.keys() == {"Sigmoid", "Tanh"} and self.source(factors["Tanh"], 0).op == "AddV2":
                split = self.source(factors["Sigmoid"], 0)
                bias_add = self.source(split, 1)
                matmul = self.source(bias_add, 0)
                c = self.source(factors["Tanh"], 0)
                ends = split, bias_add, matmul, self.source(matmul, 0)
                found.append(PlainCell(h, factors["Tanh"], factors["Sigmoid"], c, *ends))
        return found


def renamed(op: str, new: str):
    """An edit: every node of one operation becomes another."""

    def edit(graph):
        for node in graph.of_op(op):
            node.op = new

    return edit


def with_any_length(graph_def: bytes) -> bytes:
    """The same graph with `input_samples` of any length."""
    graph = GraphDef.FromString(graph_def)
    (node,) = (node for node in graph.node if node.name == "input_samples")
    node.attr["shape"].shape.dim[0].size = -1
    return graph.SerializeToString()
