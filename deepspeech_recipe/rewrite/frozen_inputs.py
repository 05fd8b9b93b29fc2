"""Inputs that are given a value for good: a `keep_prob`, for one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.graphdef.build import FLOAT, DType, turn_into
from deepspeech_recipe.graphdef.node import node_of
from deepspeech_recipe.graphdef.tensor import dtype_number, numpy_dtype
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Node, Tensor
from deepspeech_recipe.patterns.conditions import enclosing
from deepspeech_recipe.patterns.dropout import dropout_masks, probability_of

_MOST = 2**20  # numbers


def freeze_inputs(graph, values: Mapping[str, float]) -> list[str]:
    """Makes constants of inputs of a GraphDef, in place, and takes dropout that keeps everything then out of it.

    values: input → the number that it holds throughout. Returns lines for a person.
    Raises RecipeError for a name that is not an input's, and for a value that its type or shape does not allow.
    """
    view = GraphView.of(graph)
    constants = {name.removesuffix(":0"): value for name, value in values.items()}
    arrays = {name: _value(view, name, value) for name, value in constants.items()}
    _make_constants(graph, arrays)
    outputs = _unread(graph)
    _decide_conditions(graph)
    view = GraphView.of(graph)
    masks = [mask for mask in dropout_masks(view) if probability_of(view, mask) == mask.all_kept]
    kept = {name: data for mask in masks for name, data in mask.products.items()}
    for node in graph.node:
        if node.name in kept:
            turn_into(node, "Identity", [str(kept[node.name])], T=DType(view.nodes[node.name].attribute("T", FLOAT)))
    while unread := _unread(graph) - outputs:  # what drew the mask
        read = [node for node in graph.node if node.name not in unread]
        del graph.node[:]
        graph.node.extend(read)
    lines = [f"input '{name}' is {value:g} for good" for name, value in constants.items()]
    return [*lines, *(["dropout that keeps everything is left out"] if kept else [])]


def _decide_conditions(graph) -> None:
    """Leaves of TensorFlow 1's conditions what is computed, if it is known now."""
    view = GraphView.of(graph)
    live: dict[Tensor, Tensor] = {}  # an output of a Switch → what it hands on
    kept: dict[str, Tensor] = {}
    for switch in view.of_op("Switch"):
        if (holds := view.scalar(switch.inputs[1])) is not None:
            live[Tensor(switch.name, int(holds))] = switch.inputs[0]
    for merge in view.of_op("Merge"):
        for value in merge.inputs if not view.consumers(Tensor(merge.name, 1)) else ():
            condition = enclosing(view, value)
            if condition is not None and view.scalar(condition[0]) == condition[1]:
                kept[merge.name] = value
    for node in graph.node:
        if node.name in kept:
            turn_into(node, "Identity", [str(kept[node.name])], T=DType(view.nodes[node.name].attribute("T", FLOAT)))
        node.input[:] = [
            reference if reference.startswith("^") else str(_behind(Tensor.parse(reference), live))
            for reference in node.input
        ]


def _behind(tensor: Tensor, live: Mapping[Tensor, Tensor]) -> Tensor:
    seen = set()
    while tensor in live and tensor not in seen:  # one after the other, of conditions in each other
        seen.add(tensor)
        tensor = live[tensor]
    return tensor


def _value(view: GraphView, name: str, value: float) -> np.ndarray:
    node = view.nodes.get(name)
    if node is None or node.op not in PLACEHOLDER_OPS:
        inputs = some_of(each.name for each in view.of_op(*PLACEHOLDER_OPS))
        raise RecipeError(f"'{name}' is not an input, so it cannot be frozen. Inputs are {inputs}.")
    shape = node.attribute("shape") or ()
    if min(shape, default=1) < 0 or np.prod(shape, dtype=np.float64) > _MOST:
        raise RecipeError(
            f"The input '{name}' has the shape {list(shape)}, so it is not known how many numbers it is to be frozen "
            "to. Freeze inputs of fixed sizes."
        )
    dtype = _type_of(node)
    fits = np.isfinite(value) and (
        dtype.kind == "f" or (dtype.kind in "iub" and value == int(value) == np.asarray(value).astype(dtype))
    )
    if not fits:
        raise RecipeError(f"The input '{name}' is of the type {dtype.name}, which cannot hold {value:g}.")
    return np.full(shape, value, dtype)


def _type_of(node: Node) -> np.dtype:
    return np.dtype(numpy_dtype(node.attribute("dtype")))


def _unread(graph) -> set[str]:
    read = {node_of(reference) for node in graph.node for reference in node.input}
    return {node.name for node in graph.node} - read


def _make_constants(graph, values: Mapping[str, np.ndarray]) -> None:
    for node in graph.node:
        if node.name in values:
            value = values[node.name]
            turn_into(node, "Const", (), dtype=DType(dtype_number(value.dtype)), value=value)
