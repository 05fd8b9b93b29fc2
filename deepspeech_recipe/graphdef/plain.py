"""A graph's nodes in the one form that everything here looks for, whatever wrote the file.

What TensorFlow's optimiser (grappler) joins becomes separate operations again, what an old TensorFlow wrote in
another order the operation of today. The last of several nodes keeps the name, so that every tensor stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from deepspeech_recipe.graphdef.build import INT32, DType, set_attr
from deepspeech_recipe.graphdef.edges import Edges
from deepspeech_recipe.graphdef.node import Tensor

# Without attributes of their own; more are left as they are.
_ACTIVATIONS = ("Relu", "Relu6", "Elu", "Tanh", "Sigmoid")


def plain_nodes(nodes: Iterable) -> list:
    """The NodeDefs, ours or TensorFlow's own, those that need no other form being the same objects."""
    nodes = list(nodes)
    names = {pb.name: pb for pb in nodes}
    return [plain for pb in nodes for plain in _FORMS.get(pb.op, _as_it_is)(pb, names)]


def _as_it_is(pb, names: Mapping) -> Iterator:
    yield pb


def _concat(pb, names: Mapping) -> Iterator:
    """Concat(axis, …) → ConcatV2(…, axis)"""
    data = [reference for reference in pb.input if not reference.startswith("^")]
    control = pb.input[len(data) :]
    attributes = {**_kept(pb, "T", "N"), "Tidx": DType(INT32)}
    yield _node(pb, pb.name, "ConcatV2", [*data[1:], data[0], *control], attributes)


def _fused_matmul(pb, names: Mapping) -> Iterator:
    """MatMul, BiasAdd and an activation, as far as `fused_ops` has them (grappler's remapper)."""
    fused = [op.decode("utf-8", "replace") for op in pb.attr["fused_ops"].list.s] if "fused_ops" in pb.attr else []
    data = [reference for reference in pb.input if not reference.startswith("^")]
    known = fused[:1] == ["BiasAdd"] and (len(fused) == 1 or (len(fused) == 2 and fused[1] in _ACTIVATIONS))
    if not known or len(data) != 3:
        yield pb
        return
    kind, transposed = _kept(pb, "T"), _kept(pb, "transpose_a", "transpose_b")
    product = _node(pb, _free(f"{pb.name}/MatMul", names), "MatMul", [*data[:2], *pb.input[3:]], {**kind, **transposed})
    yield from _matmul(product, names)
    last = product.name
    for number, op in enumerate(fused, start=1):
        inputs = [last, data[2]] if op == "BiasAdd" else [last]
        last = pb.name if number == len(fused) else _free(f"{pb.name}/{op}", names)
        yield _node(pb, last, op, inputs, kind)


def _matmul(pb, names: Mapping) -> Iterator:
    """x · transposed(w) of a constant w as a product with Transpose(w), which is a constant too."""
    # To ask for an attribute that is not there would add it.
    if "transpose_b" not in pb.attr or not pb.attr["transpose_b"].b or not _is_constant(pb.input[1], names):
        yield pb
        return
    turned, order = (_free(f"{pb.name}/{what}", names) for what in ("transposed", "transposed/perm"))
    yield _node(pb, order, "Const", [], {"dtype": DType(INT32), "value": np.array([1, 0], np.int32)})
    yield _node(pb, turned, "Transpose", [pb.input[1], order], {**_kept(pb, "T"), "Tperm": DType(INT32)})
    attributes = {**_kept(pb, *pb.attr), "transpose_b": False}
    yield _node(pb, pb.name, "MatMul", [pb.input[0], turned, *pb.input[2:]], attributes)


_FORMS = {"Concat": _concat, "_FusedMatMul": _fused_matmul, "MatMul": _matmul}


def _is_constant(reference: str, names: Mapping) -> bool:
    seen: set[str] = set()
    pb = names.get(Tensor.parse(reference).node)
    while pb is not None and pb.name not in seen and pb.op in Edges.TRANSPARENT and pb.input:
        seen.add(pb.name)
        pb = names.get(Tensor.parse(pb.input[0]).node)
    return pb is not None and pb.op == "Const"


def _kept(pb, *names: str) -> dict[str, Any]:
    return {name: pb.attr[name] for name in names if name in pb.attr}


def _free(name: str, names: Mapping) -> str:
    while name in names:
        name += "_"
    return name


def _node(pb, name: str, op: str, inputs: Iterable[str], attributes: Mapping[str, Any]):
    """A NodeDef of the kind that pb is; attributes: values as `set_attr` takes them, or another node's."""
    node = type(pb)(name=name, op=op)
    node.input.extend(inputs)
    for key, value in attributes.items():
        if hasattr(value, "CopyFrom"):
            node.attr[key].CopyFrom(value)
        else:
            set_attr(node, key, value)
    return node
