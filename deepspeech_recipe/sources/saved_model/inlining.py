"""Writes function calls out, as TensorFlow 2 wraps graphs: PartitionedCall → the nodes of the function."""

import functools
from collections.abc import Iterable, Sequence

from deepspeech_recipe import limits
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.functions import write_out
from deepspeech_recipe.graphdef.node import Function, functions_of, node_of
from deepspeech_recipe.graphdef.proto import NodeDef

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_EFFECTS = ("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp")


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
            stack += [node_of(reference) for reference in by_name[name].input]
    return [node for node in nodes if node.name in reached]


def inline_calls(nodes: list, library, roots: list[str]) -> tuple[list, list[str]]:
    """Replaces all calls that `roots` (tensor references) need; returns the nodes and the roots' new references.

    Assignments of variables in what is called are needed too. The graph was checked (`graphdef.check`), so that no
    function calls itself.

    Raises Refusal for functions that are missing or have parameters of type.
    """
    functions = functions_of(library)
    _check_size(nodes, functions)
    written: set[str] = set()
    while True:
        effects = [node.name for node in nodes if node.name in written and node.op in _EFFECTS]
        nodes = needed(nodes, [*map(node_of, roots), *effects])
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


def _check_size(nodes: list, functions: dict[str, Function]) -> None:
    """A few functions that call the next one twice stand for more nodes than there is memory for."""

    @functools.cache
    def size(name: str) -> int:
        return _total(functions[name].nodes) if name in functions else 0

    def _total(nodes: Sequence) -> int:
        return len(nodes) + sum(size(node.attr["f"].func.name) for node in nodes if node.op in CALLS)

    total = _total(nodes)
    limits.check(f"The graph has {total:.3g} nodes with all of its functions written out", total, limits.NODES)


def _body(call, functions: dict[str, Function], taken: set[str], moved: dict[str, list[str]]) -> list:
    """The function's nodes under names of their own; adds to `moved` what the call's outputs become."""
    called = call.attr["f"].func.name
    if called not in functions:
        raise Refusal(f"The function '{called}' is not in the file", node=call.name)
    names = {}
    for node in functions[called].nodes:
        if any(value.placeholder for value in node.attr.values() if value.WhichOneof("value") == "placeholder"):
            raise Refusal(f"The function '{called}' is generic, which is not supported", node=node.name)
        unique = node.name if node.name not in taken else f"{call.name}/{node.name}"
        while unique in taken:
            unique += "_"
        taken.add(unique)
        names[node.name] = unique
    given = [reference for reference in call.input if not reference.startswith("^")]
    placed, moved[call.name] = write_out(functions[called], names.__getitem__, given)
    body = []
    for pb, name, inputs in placed:
        copy = NodeDef()
        copy.CopyFrom(pb)
        copy.name = name
        copy.input[:] = inputs
        body.append(copy)
    return body


def _follow(reference: str, moved: dict[str, list[str]]) -> str:
    while (name := node_of(reference)) in moved:
        if reference.startswith("^"):
            outputs = moved[name]
            reference = f"^{node_of(outputs[0])}" if outputs else ""
        else:
            number = reference.rpartition(":")[2] if ":" in reference else "0"
            if not number.isdigit() or int(number) >= len(moved[name]):
                raise Refusal(f"The function called has no output {number}", node=name)
            reference = moved[name][int(number)]
    return reference
