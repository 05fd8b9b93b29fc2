"""Edits on a GraphDef, for OpenVINO's TensorFlow frontend: what `mo_graph` does for Model Optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepspeech_recipe.audio.lowering import AUDIO_OPS
from deepspeech_recipe.converters.complex_numbers import in_parts
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder, set_attr
from deepspeech_recipe.graphdef.tensor import to_numpy
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.rewrite.edits import RECIPE_LSTM, Edits, NewNode, unknown_constants
from deepspeech_recipe.rewrite.reachability import edited_inputs, needed

# RecipeWeight  no input; output: the weight `index` of EditedGraph.weights
WEIGHT = "RecipeWeight"
_LARGE = 256  # elements


@dataclass
class EditedGraph:
    """graph: a GraphDef in which large constants are RecipeWeight nodes; weights: their values by index.

    Weights thus reach OpenVINO without a trip through a file, and lie in memory once.
    """

    graph: Any
    weights: list[np.ndarray] = field(default_factory=list)


def apply_edits(graph, view: GraphView, edits: Edits, outputs: Iterable[str], inputs: Mapping = {}) -> EditedGraph:
    """The part of a GraphDef that the output nodes need, edited; `graph` itself stays as it is.

    inputs: nodes that become float placeholders → their shapes, -1 for an open size.
    """
    edges, constants = edited_inputs(view, edits), unknown_constants(view)
    kept = needed(edges | dict.fromkeys(inputs, ()), outputs)
    builder = GraphBuilder(graph.versions.producer)
    edited = EditedGraph(builder.graph)
    builder.graph.library.function.extend(graph.library.function)
    written = {node.name for node in edits.replace} | set(inputs)
    for node in view.nodes.values():
        pb = node.pb
        if pb.name not in kept or pb.name in written:
            continue
        if pb.name in constants:
            _weight(builder, edited, pb.name, constants[pb.name])
            continue
        if pb.op == "Const" and math.prod(dim.size for dim in pb.attr["value"].tensor.tensor_shape.dim) >= _LARGE:
            _weight(builder, edited, pb.name, to_numpy(pb.attr["value"].tensor))
            continue
        copy = builder.graph.node.add()
        copy.MergeFromString(pb.SerializeToString())  # it may be TensorFlow's own message
        if pb.op == "Const":
            # A scalar may have no shape: to OpenVINO's frontend that is an unknown one, and the numbers come out wrong.
            copy.attr["value"].tensor.tensor_shape.SetInParent()
        if pb.op in AUDIO_OPS:
            set_attr(copy, "node", pb.name)  # for its translator, which is not told
        del copy.input[:]
        copy.input.extend(str(tensor) for tensor in edges[pb.name])
        copy.input.extend(f"^{name}" for name in node.control_inputs if name in kept)
    for new in (*edits.replace, *edits.add):
        if new.name in kept and new.name not in inputs:
            _write(builder, edited, new)
    for name, shape in inputs.items():
        if name in kept:
            builder.placeholder(name, FLOAT, tuple(shape))
    in_parts(builder)
    return edited


def names_only(graph) -> GraphView:
    """A view of the graph's nodes and edges that does not hold its constants in memory."""
    builder = GraphBuilder()
    for pb in graph.node:
        builder.node(pb.name, pb.op, pb.input)
    return GraphView(builder.graph.node)


def _weight(builder: GraphBuilder, edited: EditedGraph, name: str, value: np.ndarray) -> None:
    builder.node(name, WEIGHT, index=len(edited.weights))
    edited.weights.append(np.require(value, requirements=["C", "W"]))  # OpenVINO shares no other memory


def _write(builder: GraphBuilder, edited: EditedGraph, node: NewNode) -> None:
    inputs, attributes = list(node.inputs), dict(node.attributes)
    if node.op == RECIPE_LSTM:
        weights = []
        for letter, value in zip("WRB", attributes["weights"]):
            _weight(builder, edited, f"{node.name}/{letter}", value)
            weights.append(Tensor(f"{node.name}/{letter}"))
        inputs[3:3] = weights
        attributes = {
            "hidden_size": attributes["hidden_size"],
            "steps": attributes["steps"] or 0,
            "direction": attributes["direction"],
            "lengths": len(inputs) > 6,
        }
    elif node.op == "Identity":
        attributes["T"] = DType(FLOAT)
    elif node.op == "Placeholder":
        attributes["dtype"] = DType(FLOAT)
    if node.op.startswith("Recipe"):
        attributes["node"] = node.name
    written = builder.graph.node.add(name=node.name, op=node.op)
    written.input.extend(map(str, inputs))
    for name, value in attributes.items():
        set_attr(written, name, value)
