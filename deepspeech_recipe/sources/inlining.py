"""Writes function calls out, as TensorFlow 2 wraps graphs: PartitionedCall → the nodes of the function."""

import functools
from collections.abc import Iterable

from deepspeech_recipe import limits
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.proto import NodeDef
from deepspeech_recipe.sources.frozen import input_name

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_EFFECTS = ("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp")

# Inside functions outputs have names; only operations with more than one output need a table.
_OUTPUTS = {
    "BlockLSTM": ("i", "cs", "f", "o", "ci", "co", "h"),
    "BlockLSTMV2": ("i", "cs", "f", "o", "ci", "co", "h"),
    "DecodeWav": ("audio", "sample_rate"),
}


def needed(nodes: Iterable, roots: Iterable[str]) -> list:
    """The nodes that `roots` depend on, control dependencies included, in their order."""
    nodes = list(nodes)
    by_name = {node.name: node for node in nodes}
    reached: set[str] = set()
    stack = [root for root in roots if root in by_name]
    while stack:
        name = stack.pop()
        if name not in reached and name in by_name:
            reached.add(name)
            stack += [input_name(reference) for reference in by_name[name].input]
    return [node for node in nodes if node.name in reached]


def inline_calls(nodes: list, library, roots: list[str]) -> tuple[list, list[str]]:
    """Replaces all calls that `roots` (tensor references) need; returns the nodes and the roots' new references.

    Assignments of variables in what is called are needed too. The graph was checked (`graphdef.check`), so that no
    function calls itself.

    Raises Refusal for functions that are missing or have parameters of type.
    """
    functions = {function.signature.name: function for function in library.function}
    _check_size(nodes, functions)
    written: set[str] = set()
    while True:
        effects = [node.name for node in nodes if node.name in written and node.op in _EFFECTS]
        nodes = needed(nodes, [*map(input_name, roots), *effects])
        calls = [node for node in nodes if node.op in CALLS]
        if not calls:
            return nodes, roots
        moved: dict[str, list[str]] = {}
        taken = {node.name for node in nodes}
        nodes = [node for node in nodes if node.op not in CALLS]
        for call in calls:
            body = _body(call, functions, taken, moved)
            written |= {node.name for node in body}
            nodes += body
        # An output may lead to another call of this round.
        for node in nodes:
            node.input[:] = [_follow(reference, moved) for reference in node.input]
        roots = [_follow(root, moved) for root in roots]


def _check_size(nodes: list, functions: dict) -> None:
    """A few functions that call the next one twice stand for more nodes than there is memory for."""

    @functools.cache
    def size(name: str) -> int:
        return _total(functions[name].node_def) if name in functions else 0

    def _total(nodes) -> int:
        return len(nodes) + sum(size(node.attr["f"].func.name) for node in nodes if node.op in CALLS)

    total = _total(nodes)
    if total > limits.allowed(limits.NODES):
        raise Refusal(
            f"The graph has {total:.3g} nodes with all of its functions written out",
            remedy=limits.remedy(total, limits.NODES),
        )


def _body(call, functions: dict, taken: set[str], moved: dict[str, list[str]]) -> list:
    """The function's nodes under names of their own; adds to `moved` what the call's outputs become."""
    name = call.attr["f"].func.name
    if name not in functions:
        raise Refusal(f"The function '{name}' is not in the file", node=call.name)
    function = functions[name]
    arguments = [reference for reference in call.input if not reference.startswith("^")]
    references = {arg.name: ref for arg, ref in zip(function.signature.input_arg, arguments, strict=True)}
    names, operations = {}, {}
    for node in function.node_def:
        unique = node.name if node.name not in taken else f"{call.name}/{node.name}"
        while unique in taken:
            unique += "_"
        taken.add(unique)
        names[node.name], operations[node.name] = unique, node.op

    def resolve(reference: str) -> str:
        if reference.startswith("^"):
            inner = reference[1:]
            return f"^{names[inner]}" if inner in names else f"^{input_name(references.get(inner, inner))}"
        if reference in references:
            return references[reference]
        inner, _, output = reference.partition(":")
        number = _output_number(operations[inner], output)
        return f"{names[inner]}:{number}" if number else names[inner]

    body = []
    for node in function.node_def:
        if any(value.placeholder for value in node.attr.values() if value.WhichOneof("value") == "placeholder"):
            raise Refusal(f"The function '{name}' is generic, which is not supported", node=node.name)
        copy = NodeDef()
        copy.CopyFrom(node)
        copy.name = names[node.name]
        copy.input[:] = [resolve(reference) for reference in node.input]
        body.append(copy)
    moved[call.name] = [resolve(function.ret[arg.name]) for arg in function.signature.output_arg]
    return body


def _output_number(operation: str, output: str) -> int:
    """'output:2' → 2; for an operation with named outputs the place of the name."""
    name, _, number = output.rpartition(":")
    index = int(number) if number.isdigit() else 0
    return _OUTPUTS[operation].index(name) if name in _OUTPUTS.get(operation, ()) else index


def _follow(reference: str, moved: dict[str, list[str]]) -> str:
    while (name := input_name(reference)) in moved:
        if reference.startswith("^"):
            outputs = moved[name]
            reference = f"^{input_name(outputs[0])}" if outputs else ""
        else:
            number = reference.rpartition(":")[2] if ":" in reference else "0"
            if not number.isdigit() or int(number) >= len(moved[name]):
                raise Refusal(f"The function called has no output {number}", node=name)
            reference = moved[name][int(number)]
    return reference
