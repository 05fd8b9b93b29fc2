"""What the functions of a graph must be: called with what they take, and not without end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.node import Function, called_by
from deepspeech_recipe.graphdef.ops import OPS

# Attribute that names a function, or several → how many of the node's first inputs are not the function's.
_CALLED = {"f": 0, "cond": 0, "body": 0, "then_branch": 1, "else_branch": 1, "branches": 1}


def check_signatures(nodes: Iterable, functions: Mapping[str, Function]) -> None:
    """Functions take as many tensors as the nodes that call them give, and return as many as these have outputs."""
    for node in nodes:
        if node.op not in OPS:
            continue
        for name in _CALLED.keys() & node.attr.keys():
            inputs = sum(not text.startswith("^") for text in node.input) - _CALLED[name]
            outputs = 1 if name == "cond" else OPS[node.op].outputs.said_by(node)
            for called in called_by(node, name):
                function = functions.get(called)
                if function is None:
                    continue
                for what, given, has in (
                    ("inputs", inputs, len(function.arguments)),
                    ("results", outputs, len(function.results)),
                ):
                    if given not in (None, has):
                        raise RecipeError(
                            f"node '{node.name}' ({node.op}) wants a function with {given} {what}, but '{called}' has "
                            f"{has}; the file is damaged."
                        )


def check_calls(functions: Mapping[str, Function]) -> None:
    """No function calls itself, and none calls others without end."""
    depth: dict[str, int] = {}
    for start in functions:
        path = {start: _called(functions, start)}  # in order, the functions that are being looked at
        while path:
            name = next(reversed(path))
            inner = next((each for each in path[name] if each not in depth), None)
            if inner in path:
                raise RecipeError(f"the function '{inner}' calls itself, which cannot be converted.")
            if inner is not None:
                path[inner] = _called(functions, inner)
                continue
            del path[name]
            depth[name] = 1 + max((depth[each] for each in _called(functions, name)), default=0)
            limits.check(f"functions call functions {depth[name]} deep", depth[name], limits.CALLS_WITHIN_CALLS)


def _called(functions: Mapping[str, Function], name: str) -> Iterator[str]:
    return (each for node in functions[name].nodes for each in called_by(node) if each in functions)
