"""From the graph as built to the file as an old exporter wrote it."""

import re

# Attributes that TensorFlow 1.15 does not know: its readers refuse a node that carries them.
_NEWER_ATTRIBUTES = {"MatMul": ("grad_a", "grad_b"), "GatherNd": ("bad_indices_policy",)}


def finish(graph_def, outputs, device: str = ""):
    """The part of `graph_def` that the output nodes need, with TensorFlow 1.15's attributes.

    Freezing dropped the versions message, so there is none."""
    nodes = {node.name: node for node in graph_def.node}
    keep, pending = set(), list(outputs)
    while pending:
        name = pending.pop()
        if name not in keep:
            keep.add(name)
            pending += [source.lstrip("^").split(":")[0] for source in nodes[name].input]
    result = type(graph_def)()
    for node in graph_def.node:
        if node.name in keep:
            copy = result.node.add()
            copy.CopyFrom(node)
            copy.device = device
            _colocate(copy)
            for name in _NEWER_ATTRIBUTES.get(node.op, ()):
                copy.attr.pop(name, None)
    return result


def _colocate(node) -> None:
    """The placement hints that variables leave behind on their readers and assignments."""
    if node.op == "Identity" and node.name.endswith("/read"):
        node.attr["_class"].list.s.append(b"loc:@" + node.name.removesuffix("/read").encode())
        if re.match(r"layer_\d/(bias|weights)/", node.name):
            node.device = "/device:CPU:0"
    elif node.op == "Assign":
        node.attr["_class"].list.s.append(b"loc:@" + node.input[0].encode())
