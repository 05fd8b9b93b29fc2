"""The functions of a graph's library, written out as nodes of a view."""

from __future__ import annotations

from collections.abc import MutableMapping

from deepspeech_recipe.graphdef.proto import NodeDef
from deepspeech_recipe.graphdef.view import Function, Node, Tensor


def write_function(nodes: MutableMapping[str, Node], function: Function, prefix: str) -> list[Node]:
    """Adds the function's nodes under names that begin with the prefix, and returns them. Arguments are not among
    them: they are read under their own names behind the prefix."""
    written = []
    for pb in function.nodes:
        inputs = (function_tensor(text, prefix) for text in pb.input if not text.startswith("^"))
        node = Node(pb).placed(f"{prefix}{pb.name}", inputs)
        nodes[node.name] = node
        written.append(node)
    return written


def add_node(nodes: MutableMapping[str, Node], name: str, op: str, inputs: list[str]) -> None:
    nodes[name] = Node(NodeDef(name=name, op=op, input=inputs))


def function_tensor(text: str, prefix: str) -> Tensor:
    """'node:output:2' of a function → a tensor of the view. Operations with several named outputs are no part of an
    LSTM, whose Split has one named list."""
    name, _, output = text.partition(":")
    number = output.partition(":")[2]
    return Tensor(f"{prefix}{name}", Tensor.parse(f":{number}").port)
