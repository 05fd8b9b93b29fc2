"""From the graph as built to the file as an old exporter wrote it."""

import re

# Attributes that TensorFlow 1.15 does not know: its readers refuse a node that carries them.
_NEWER_ATTRIBUTES = {
    "MatMul": ("grad_a", "grad_b"),
    "GatherNd": ("bad_indices_policy",),
    "Assign": ("_has_manual_control_dependencies",),
}
_CPU = "/device:CPU:0"


def finish(graph_def, outputs, everything_on_cpu: bool = False):
    """The part of `graph_def` that the output nodes need, with TensorFlow 1's attributes and placement.

    Freezing dropped the versions message, so there is none.
    """
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
            for name in _NEWER_ATTRIBUTES.get(node.op, ()):
                copy.attr.pop(name, None)
            if everything_on_cpu or _beside_a_variable(node):
                copy.device = _CPU
            if _was_variable(node, keep):
                copy.device = ""
            _colocate(copy)
    return result


def _was_variable(node, names) -> bool:
    return node.op == "Const" and f"{node.name}/read" in names


def _beside_a_variable(node) -> bool:
    """Upstream put the variables on the CPU, and with them what reads, writes or groups them."""
    return (
        node.op in ("VariableV2", "Assign", "NoOp")
        or re.fullmatch(r"(layer_\d/(bias|weights)|previous_state_[ch])/read", node.name) is not None
    )


def _colocate(node) -> None:
    """The placement hints that variables and their readers carry."""
    if node.op == "VariableV2" or (node.op == "Identity" and node.name.endswith("/read")):
        del node.attr["_class"].list.s[:]
        node.attr["_class"].list.s.append(b"loc:@" + node.name.removesuffix("/read").encode())
