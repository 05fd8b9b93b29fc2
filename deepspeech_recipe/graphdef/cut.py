"""Cuts a graph at tensors: what is in front of its new inputs and behind its outputs goes.

Names are written as for Model Optimizer: `node` or `node:1` for an output of a node, `1:node` for what goes into an
input of it; an input may have its shape behind it, `node[1,16,?]`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.graphdef.build import FLOAT, DType, set_attr, turn_into
from deepspeech_recipe.graphdef.node import node_of
from deepspeech_recipe.graphdef.ops import OPS
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef, Message
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor

_SHAPED = re.compile(r"([^\[\]]+)(?:\[([^\[\]]*)\])?")
_INPUT_PORT = re.compile(r"(\d{1,9}):(.+)")
# The attribute with the type of what a node computes, the first that it has.
_TYPES = ("DstT", "dtype", "out_type", "Tparams", "T")
_PLACEHOLDERS = ("Placeholder", "PlaceholderV2")


class _Cut(NamedTuple):
    """A new input. typed: as the user wrote it; reader: the node and its port that read it, None for all."""

    typed: str
    tensor: Tensor
    reader: tuple[str, int] | None
    shape: tuple[int, ...] | None


def cut_graph(graph: Message, inputs: Sequence[str], outputs: Sequence[str]) -> Message:
    """The GraphDef from `inputs` to `outputs`; without inputs from its own, without outputs to all that nobody reads.
    What assigns a variable that is still read stays: it is a state.

    Raises RecipeError for names that the graph does not have, shapes that are missing, inputs that lead nowhere.
    """
    view = GraphView.of(graph)
    cuts = [_input(view, text) for text in inputs]
    ends = [_output(view, text) for text in outputs]
    _check_ports(graph, [*ends, *(cut.tensor for cut in cuts)])
    result = GraphDef()
    result.CopyFrom(graph)
    names = {cut: _put_placeholder(result, view, cut) for cut in cuts}
    keep_needed(result, [tensor.node for tensor in ends] or _led_to(result, names.values()))
    kept = {node.name for node in result.node}
    for cut, name in names.items():
        if name not in kept:
            raise RecipeError(f"The input '{cut.typed}' leads to none of the outputs. Leave it out, or name others.")
    read = {Tensor.parse(reference).node for node in result.node for reference in node.input}
    for tensor in dict.fromkeys(ends):
        if tensor.port or tensor.node in read:  # an output is what nobody reads
            _put_output(result, tensor, _type(view.nodes[tensor.node]))
    return result


def with_open_inputs(graph: Message) -> Message:
    """A copy of a GraphDef whose inputs have the number of axes that they have, and any sizes."""
    result = GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        if node.op in _PLACEHOLDERS:
            for axis in node.attr["shape"].shape.dim:
                axis.size = -1
    return result


def _check_ports(graph: Message, tensors: Iterable[Tensor]) -> None:
    ports = {tensor.node: tensor.port for tensor in sorted(tensors)}
    for node in graph.node:
        if node.name in ports and node.op in OPS and ports[node.name] >= (most := OPS[node.op].outputs.most_of(node)):
            tensor = Tensor(node.name, ports[node.name])
            raise RecipeError(f"'{node.name}' ({node.op}) has {most} outputs, so there is no '{tensor}'.")


def _led_to(graph: Message, inputs: Iterable[str]) -> list[str]:
    """What nobody reads and one of these inputs leads to."""
    view = GraphView.of(graph)
    behind = (node for name in inputs for node in view.descendants(Tensor(name)))
    return [node.name for node in behind if not view.is_read(node)]


def keep_needed(graph: Message, ends: Iterable[str]) -> None:
    """Removes from a GraphDef what neither the nodes `ends` nor the states need that they are computed from."""
    view = GraphView.of(graph)
    needed: set[str] = set()
    pending = [*ends]
    while pending:
        for name in pending:
            if name not in needed:
                needed |= {node.name for node in view.ancestors(Tensor(name))}
        writers = (node for name in needed for node in view.writers(view.nodes[name]) if _is_variable(view, name))
        pending = [node.name for node in writers if node.name not in needed]
    nodes = [node for node in graph.node if node.name in needed]
    for node in nodes:
        node.input[:] = [each for each in node.input if not each.startswith("^") or each[1:] in needed]
    kept = GraphDef(node=nodes)
    del graph.node[:]
    graph.node.extend(kept.node)


def _is_variable(view: GraphView, name: str) -> bool:
    return view.is_variable(view.nodes[name])


def _input(view: GraphView, text: str) -> _Cut:
    found = _SHAPED.fullmatch(text.strip())
    if found is None:
        raise RecipeError(f"The input {text!r} is not a name, or a name and its shape like 'node[1,16,?]'.")
    name, sizes = found[1].strip(), found[2]
    shape = None if sizes is None else _shape(text, sizes)
    port = _INPUT_PORT.fullmatch(name)
    if port is None or name in view.nodes:
        return _Cut(text, _output(view, name), None, shape)
    node, number = _node(view, port[2]), int(port[1])
    if number >= len(node.inputs):
        raise RecipeError(f"'{node.name}' ({node.op}) has {len(node.inputs)} inputs, so there is no '{name}'.")
    return _Cut(text, node.inputs[number], (node.name, number), shape)


def _shape(text: str, sizes: str) -> tuple[int, ...]:
    parts = re.split(r"[,\s]+", sizes.strip()) if sizes.strip() else []
    if not all(re.fullmatch(r"\d{1,9}|\?|-1", part) for part in parts):
        raise RecipeError(f"The shape of {text!r} is not a list of sizes, '?' for any: 'node[1,16,?]'.")
    return tuple(int(part) if part.isdecimal() else -1 for part in parts)


def _output(view: GraphView, name: str) -> Tensor:
    tensor = Tensor(name) if name in view.nodes else Tensor.parse(name)
    _node(view, tensor.node)
    return tensor


def _node(view: GraphView, name: str) -> Node:
    if name not in view.nodes:
        near = difflib.get_close_matches(name, view.nodes, 3, 0.5)
        own = some_of(node.name for node in view.of_op(*_PLACEHOLDERS))
        hint = f"Names like it: {', '.join(near)}" if near else f"Its inputs are {own}"
        raise RecipeError(f"The graph has no node '{name}'. {hint}.")
    return view.nodes[name]


def _put_placeholder(graph: Message, view: GraphView, cut: _Cut) -> str:
    """Puts an input in the place of a tensor; returns its name."""
    producer = view.nodes[cut.tensor.node]
    shape = cut.shape
    if shape is None and producer.op in _PLACEHOLDERS:
        shape = producer.attribute("shape")
    if shape is None:
        raise RecipeError(f"The graph does not say the shape of '{cut.typed}'. Give it: '{cut.typed}[1,16,?]'.")
    others = {tensor for node in view.nodes.values() for tensor in node.inputs if tensor.node == producer.name}
    if cut.reader is not None:
        name = f"{cut.reader[0]}/placeholder_port_{cut.reader[1]}"
    elif cut.tensor.port or others - {cut.tensor}:
        name = f"{producer.name}/placeholder_out_port_{cut.tensor.port}"
    else:
        name = producer.name
    for node in graph.node:
        for port, reference in enumerate(node.input):
            here = cut.reader in (None, (node.name, port))
            if here and not reference.startswith("^") and Tensor.parse(reference) == cut.tensor:
                node.input[port] = name
    placeholder = next((node for node in graph.node if node.name == name), None)
    if placeholder is None:
        placeholder = graph.node.add(name=name)
    turn_into(placeholder, "Placeholder", (), dtype=_type(producer, cut.tensor.port), shape=shape)
    return name


def _put_output(graph: Message, tensor: Tensor, kind: DType) -> None:
    """Puts a copy of a tensor at the end, under the name of its node if it is the first output."""
    nodes = {node.name: node for node in graph.node}
    name, source = f"{tensor.node}/output_{tensor.port}", str(tensor)
    node = nodes[tensor.node]
    if not tensor.port and not node.op.startswith(("Placeholder", "Var")):
        name, node.name = node.name, f"{node.name}/inside"
        source = node.name
        for reader in graph.node:
            for port, reference in enumerate(reader.input):
                if node_of(reference) == name:
                    reader.input[port] = reference.replace(name, source, 1)
    copy = graph.node.add(name=name, op="Identity", input=[source])
    set_attr(copy, "T", kind)


def _type(node: Node, port: int = 0) -> DType:
    if node.op == "DecodeWav":
        return DType(DATA_TYPES["DT_INT32"] if port else FLOAT)
    return DType(next((node.attribute(name) for name in _TYPES if node.attribute(name)), FLOAT))
