"""What Model Optimizer would have TensorFlow run of a file, and how little of it is allowed.

`mo` gives the graph to TensorFlow twice. When it has read it, it imports it, and TensorFlow's shape inference computes
whatever depends on constants alone and is not stateful by its own account: a ReadFile is not. Later it runs, by itself,
each operation that it has no translation of, to see its shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from deepspeech_recipe.graphdef.node import called_by
from deepspeech_recipe.graphdef.pure import NotPure, check_operation, check_pure
from deepspeech_recipe.graphdef.pure_ops import IDLE_OPS, PURE_OPS, RANDOM_OPS
from deepspeech_recipe.graphdef.view import VARIABLE_OPS, GraphView, Tensor
from deepspeech_recipe.recipes.acoustic_model import AcousticModel

_INPUTS = ("Placeholder", "PlaceholderV2")
# MO cuts them off, or turns them into constants, inputs and outputs.
_CUT = frozenset({"Assert", "Assign", "AssignVariableOp", *IDLE_OPS})


def check_outputs(graph, model: AcousticModel | None) -> None:
    """Raises NotPure if the outputs of a graph need an operation that is not known to be pure.

    model: what was recognised; without it the outputs are the nodes that an input leads to and nobody reads.
    """
    view = GraphView.of(graph)
    variables = [Tensor(node.name) for node in view.of_op(*VARIABLE_OPS)]
    if model is not None:
        outputs = list(model.outputs.values()) + ([model.audio.mfccs] if model.audio else [])
    else:
        led_to = {node.name for source in view.of_op(*_INPUTS) for node in view.descendants(Tensor(source.name))}
        ends = (node for node in view.nodes.values() if node.name in led_to and not view.is_read(node))
        outputs = [Tensor(node.name) for node in ends if node.op not in _CUT]
    check_pure(graph, outputs, variables)


def check_import(graph) -> None:
    """Raises NotPure if TensorFlow would run more than that when it imports a GraphDef (its own, or ours)."""
    functions = {function.signature.name: function for function in graph.library.function}
    for node in _of_constants(graph.node):
        if node.op not in IDLE_OPS or node.op in functions:
            check_operation(node, functions, random=True)
        for name, inner in _bodies(node, functions):
            if inner.op != "NoOp" or inner.op in functions:
                check_operation(inner, functions, random=True, where=name)


def check_inferred(nodes: Iterable) -> None:
    """Raises NotPure for a NodeDef that MO would run by itself."""
    for node in nodes:
        if node.op not in PURE_OPS | RANDOM_OPS:
            raise NotPure(
                f"Model Optimizer would run {node.op} to see its shape, which is not among the operations that compute "
                "and do nothing else",
                node=node.name,
                remedy="Export the graph for inference, without it",
            )


def _of_constants(nodes) -> Iterator:
    """The nodes that TensorFlow may run when it imports a graph: not stateful, and so all they depend on."""
    from tensorflow.python.framework import op_def_registry

    readers: dict[str, list[str]] = {}
    unknown = []
    for node in nodes:
        for reference in node.input:
            if not reference.startswith("^"):
                readers.setdefault(Tensor.parse(reference).node, []).append(node.name)
        definition = op_def_registry.get(node.op)
        # What TensorFlow does not know, it does not import; what writes to a variable is not run without one.
        if (
            definition is None
            or definition.is_stateful
            or node.op in _INPUTS
            or any(argument.is_ref for argument in definition.input_arg)
        ):
            unknown.append(node.name)
    seen = set(unknown)
    for name in unknown:
        new = [reader for reader in readers.get(name, ()) if reader not in seen]
        seen.update(new)
        unknown += new
    return (node for node in nodes if node.name not in seen)


def _bodies(node, functions: dict) -> Iterator[tuple[str, Any]]:
    """(function, node) of all that a node calls: a function runs as a whole, control edges and all."""
    seen: set[str] = set()
    stack = [node]
    while stack:
        for name in called_by(stack.pop()):
            if name in functions and name not in seen:
                seen.add(name)
                for inner in functions[name].node_def:
                    stack.append(inner)
                    yield name, inner
