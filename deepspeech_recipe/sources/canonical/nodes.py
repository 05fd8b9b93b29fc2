"""Nodes with the constants they bring along, named as TensorFlow's Python names them."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, GraphBuilder

F32 = {"T": DType(FLOAT)}
I32 = {"T": DType(INT32)}


def variable(graph: GraphBuilder, name: str, value) -> str:
    """What freezing leaves of a variable: a Const and the Identity that read it."""
    return graph.node(f"{name}/read", "Identity", [graph.const(name, value, np.float32)], **F32)


def reshape(graph: GraphBuilder, name: str, x: str, shape: list[int]) -> str:
    target = graph.const(f"{name}/shape", shape, np.int32)
    return graph.node(name, "Reshape", [x, target], **F32, Tshape=DType(INT32))


def transpose(graph: GraphBuilder, name: str, x: str, order: list[int]) -> str:
    permutation = graph.const(f"{name}/perm", order, np.int32)
    return graph.node(name, "Transpose", [x, permutation], **F32, Tperm=DType(INT32))


def expand(graph: GraphBuilder, name: str, x: str, axis, dtype: int = FLOAT) -> str:
    axis = graph.const(f"{name}/dim", axis)
    return graph.node(name, "ExpandDims", [x, axis], T=DType(dtype), Tdim=DType(INT32))


def cast(graph: GraphBuilder, name: str, x: str, source: int, target: int) -> str:
    return graph.node(name, "Cast", [x], SrcT=DType(source), DstT=DType(target), Truncate=False)


def range_(graph: GraphBuilder, name: str, limit: int) -> str:
    parts = [("start", 0), ("limit", limit), ("delta", 1)]
    inputs = [graph.const(f"{name}/{part}", value, np.int32) for part, value in parts]
    return graph.node(name, "Range", inputs, Tidx=DType(INT32))
