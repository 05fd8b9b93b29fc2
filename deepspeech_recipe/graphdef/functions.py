"""How the functions of a graph's library are written out as nodes of the graph that calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

from deepspeech_recipe.graphdef.node import Function, Node, Tensor

# Inside functions outputs have names; only operations with more than one output need a table.
_OUTPUTS = {
    **dict.fromkeys(("BlockLSTM", "BlockLSTMV2", "LSTMBlockCell"), ("i", "cs", "f", "o", "ci", "co", "h")),
    "DecodeWav": ("audio", "sample_rate"),
}


class Placed(NamedTuple):
    """A function's NodeDef, and its name and inputs (references, those of control inputs with ^) in a graph."""

    pb: Any
    name: str
    inputs: list[str]


def write_out(function: Function, place: Callable[[str], str], given: Iterable[str]) -> tuple[list[Placed], list[str]]:
    """The nodes of a call of the function, and the references of what it returns.

    place: name in the function → name in the graph; given: the references that its arguments stand for.
    """
    arguments = dict(zip(function.arguments, given))
    operations = {pb.name: pb.op for pb in function.nodes}

    def resolve(reference: str) -> str:
        if reference.startswith("^"):
            name = reference[1:]
            return f"^{place(name)}" if name in operations else f"^{Tensor.parse(arguments.get(name, name)).node}"
        if reference in arguments:
            return arguments[reference]
        name, _, output = reference.partition(":")
        number = _output_number(operations.get(name, ""), output)
        return f"{place(name)}:{number}" if number else place(name)

    placed = [Placed(pb, place(pb.name), [resolve(reference) for reference in pb.input]) for pb in function.nodes]
    return placed, [resolve(reference) for reference in function.results]


def add_call(
    nodes: MutableMapping[str, Node], function: Function, prefix: str, given: Iterable[str]
) -> tuple[list[Node], list[Tensor]]:
    """Adds the nodes of a call to those of a view, under names that begin with the prefix.

    given: as for `write_out`. Returns the new nodes and what the call returns.
    """
    placed, results = write_out(function, lambda name: f"{prefix}{name}", given)
    added = []
    for pb, name, inputs in placed:
        node = Node(pb).placed(name, (Tensor.parse(each) for each in inputs if not each.startswith("^")))
        nodes[name] = node
        added.append(node)
    return added, [Tensor.parse(reference) for reference in results]


def _output_number(operation: str, output: str) -> int:
    """'output:2' → 2; for an operation with named outputs the place of the name."""
    name, _, number = output.rpartition(":")
    index = int(number) if number.isdigit() else 0
    return _OUTPUTS[operation].index(name) if name in _OUTPUTS.get(operation, ()) else index
