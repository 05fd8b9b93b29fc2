"""Writes GraphDefs node by node: the memory needed is that of the largest constant, not of the whole graph."""

import math
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from deepspeech_recipe.graphdef.external import LARGE, external
from deepspeech_recipe.graphdef.proto import GraphDef, NodeDef, TensorProto
from deepspeech_recipe.sources.wire import ATTR, CONTENT, KEY, NODE, TENSOR, VALUE, header


def write_graph(graph, file: BinaryIO, contents: Mapping[str, tuple[int, Iterable[bytes]]] = {}) -> None:
    """Writes `graph` to a binary file, as one serialized GraphDef.

    contents: node name → the bytes of a Const whose `value` has a type and a shape, but no tensor_content yet: how many
    there are, and they themselves in pieces.
    """
    for node in graph.node:
        size, pieces = contents.get(node.name, (0, ()))
        if not size and node.op == "Const" and _is_large(tensor := node.attr["value"].tensor):
            elsewhere = external(tensor)
            pieces = (tensor.tensor_content if elsewhere is None else elsewhere[...].tobytes(),)
            size = len(pieces[0])
        if size:
            _write_const(node, size, pieces, file)
        else:
            data = node.SerializeToString(deterministic=True)
            file.write(header(NODE, len(data)) + data)
    rest = GraphDef()
    for field, value in graph.ListFields():
        if field.name != "node":
            if field.message_type is None:
                setattr(rest, field.name, value)
            else:
                getattr(rest, field.name).CopyFrom(value)
    file.write(rest.SerializeToString(deterministic=True))


def _write_const(node, size: int, pieces: Iterable[bytes], file: BinaryIO) -> None:
    """The same bytes as node.SerializeToString() gives up to field order, without a second copy of `pieces`."""
    tensor = node.attr["value"].tensor
    head = NodeDef(name=node.name, op=node.op, input=node.input, device=node.device)
    for key, value in node.attr.items():
        if key != "value":
            head.attr[key].CopyFrom(value)
    head = head.SerializeToString(deterministic=True)
    prefix = TensorProto(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape).SerializeToString()
    prefix += header(CONTENT, size)
    # Each message wraps the one before: tensor in attribute value in map entry in node.
    for tag, before in ((TENSOR, b""), (VALUE, header(KEY, 5) + b"value"), (ATTR, head), (NODE, b"")):
        prefix = before + header(tag, len(prefix) + size) + prefix
    file.write(prefix)
    for piece in pieces:
        file.write(piece)


def _is_large(tensor) -> bool:
    # By its shape: to ask protobuf for the size makes it serialize the whole tensor.
    return bool(tensor.external) or math.prod(dim.size for dim in tensor.tensor_shape.dim) >= LARGE
