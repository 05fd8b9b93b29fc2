"""Loops and conditions of TensorFlow 2 that read variables: the variables' values are handed in instead of handles."""

from typing import Any

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import DType, turn_into
from deepspeech_recipe.graphdef.node import called_by, node_of
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef
from deepspeech_recipe.sources.saved_model.inlining import CALLS

_RESOURCE = DATA_TYPES["DT_RESOURCE"]
# Op whose functions get its inputs → the attribute with their types. What decides between branches is an input that
# comes first and has no type there.
_CALLERS = {
    **dict.fromkeys(("While", "StatelessWhile"), "T"),
    **dict.fromkeys(("If", "StatelessIf", "Case", "StatelessCase", *CALLS), "Tin"),
}


def needed_library(nodes, library):
    """A library of copies of the functions that the nodes call, and these functions call."""
    functions = {function.signature.name: function for function in library.function}
    names, pending = set(), [name for node in nodes for name in called_by(node)]
    while pending:
        name = pending.pop()
        if name not in names and name in functions:
            names.add(name)
            pending += [inner for node in functions[name].node_def for inner in called_by(node)]
    kept = GraphDef()
    kept.library.function.extend(functions[name] for name in sorted(names))
    return kept.library


def freeze_loops(nodes, library, types: dict[str, int]) -> None:
    """Changes the nodes and the functions of `library` where they pass on handles of frozen variables.

    types: frozen variable → DataType number of its value. Raises Refusal where a loop gets another handle.
    """
    functions = {function.signature.name: function for function in library.function}
    for node in nodes:
        if node.op in _CALLERS:
            given = [types.get(node_of(reference)) for reference in node.input if not reference.startswith("^")]
            _freeze_call(node, given, functions)


def _freeze_call(node: Any, given: list[int | None], functions: dict) -> None:
    types = node.attr[_CALLERS[node.op]].list.type
    given = given[len(given) - len(types) :]
    handles = [port for port, kind in enumerate(types) if kind == _RESOURCE]
    changed = {port: kind for port in handles if (kind := given[port]) is not None}
    if not handles:
        return
    if len(changed) < len(handles):
        raise Refusal(
            "A loop or a condition is given the handle of a state, or of something that is no variable",
            node=node.name,
            remedy="Read the variable before it and assign it after it",
        )
    for port, kind in changed.items():
        types[port] = kind
    for name in called_by(node):
        if name in functions:
            _freeze_function(functions[name], changed, functions)


def _freeze_function(function, changed: dict[int, int], functions: dict) -> None:
    arguments = {}
    for port, kind in changed.items():
        function.signature.input_arg[port].type = kind
        arguments[function.signature.input_arg[port].name] = kind
    for output in function.signature.output_arg:
        if function.ret[output.name] in arguments:
            output.type = arguments[function.ret[output.name]]
    reads = {}
    for node in function.node_def:
        if node.op == "ReadVariableOp" and node.input[0] in arguments:
            turn_into(node, "Identity", T=DType(arguments[node.input[0]]))
            reads[f"{node.name}:value:0"] = f"{node.name}:output:0"
        elif node.op in _CALLERS:
            given = [arguments.get(reference) for reference in node.input if not reference.startswith("^")]
            _freeze_call(node, given, functions)
        elif any(reference in arguments for reference in node.input) and node.op != "Identity":
            raise Refusal(
                f"The variable '{node.input[0]}' is changed inside of a loop or of a condition ({node.op})",
                node=node.name,
                remedy="Assign the variable after the loop",
            )
    for node in function.node_def:
        node.input[:] = [reads.get(reference, reference) for reference in node.input]
    for name, reference in list(function.ret.items()):
        function.ret[name] = reads.get(reference, reference)
