"""Names of a SavedModel's graph, as its exporter gave them."""

import re

from deepspeech_recipe.graphdef.node import node_of
from deepspeech_recipe.graphdef.proto import DATA_TYPES

_WRAPPER = re.compile(r"(^|/)Identity(_\d+)?_*$")
# Outputs that clients address by name, whether or not a signature lists them.
_OUTPUTS = ("logits", "raw_logits", "new_state_c", "new_state_h", "mfccs", "initialize_state", "model_metadata")


def signature_outputs(meta, only: str | None = None) -> dict[str, str]:
    """Output name → tensor reference, of all signatures but those for loading.

    only: the one to use if there is one of that name; TensorFlow 2's signatures are calls of the same function."""
    outputs = {}
    for name in [only] if only and only in meta.signature_def else sorted(meta.signature_def):
        if not name.startswith("__"):
            for key, info in sorted(meta.signature_def[name].outputs.items()):
                outputs[key] = info.name.removesuffix(":0")
    return outputs


def prefix(meta) -> str:
    """What an import of the graph put in front of every name: what stands before `input_node`."""
    found = sorted(node.name for node in meta.graph_def.node if f"/{node.name}".endswith("/input_node"))
    return found[0].removesuffix("input_node") if found else ""


def known_outputs(meta, prefix: str) -> list[str]:
    """The nodes that DeepSpeech's clients address by name, and its metadata."""
    found = sorted(node.name for node in meta.graph_def.node if node.name.startswith(prefix))
    return [name for name in found if _is_output(name.removeprefix(prefix))]


def _is_output(name: str) -> bool:
    return name in _OUTPUTS or (name.startswith("metadata_") and "/" not in name)


def without_wrappers(nodes: list, roots: list[str]) -> list[str]:
    """The roots behind the nodes `Identity`, `Identity_1`… through which TensorFlow 2 returns every output."""
    by_name = {node.name: node for node in nodes}
    found = []
    for root in roots:
        while (node := by_name.get(root)) and node.op == "Identity" and _WRAPPER.search(node.name):
            root = node.input[0]
        found.append(root)
    return found


def own_outputs(graph, outputs: dict[str, str]) -> dict[str, str]:
    """Gives an output that other nodes read, or that is not a first one, a node of its own."""
    read = {node_of(reference) for node in graph.node for reference in node.input}
    names = {node.name for node in graph.node}
    found, taken = {}, set()
    for key, reference in outputs.items():
        node = node_of(reference)
        if node in read or node in taken or reference not in (node, f"{node}:0"):
            name = key if key not in names else f"{key}/output"
            copy = graph.node.add(name=name, op="Identity", input=[reference])
            copy.attr["T"].type = DATA_TYPES["DT_FLOAT"]
            found[key] = name
        else:
            taken.add(node)
            found[key] = node
    return found


def new_names(graph, meta, outputs: dict[str, str], prefix: str) -> dict[str, str]:
    """Names as the exporter gave them: without an import's prefix, a signature's wrapper, or a function's suffix."""
    names = {node.name for node in graph.node}
    new = {}
    if prefix and all(name.startswith(prefix) for name in names):
        new = {name: name.removeprefix(prefix) for name in names}
    inputs = {}
    for name in sorted(meta.signature_def):
        inputs.update({key: info.name for key, info in meta.signature_def[name].inputs.items()})
    wanted = {**inputs, **outputs}
    for key in sorted(wanted):
        node = node_of(wanted[key])
        is_first = ":" not in wanted[key] or wanted[key].endswith(":0")
        if node in names and is_first and key not in names and key not in new.values():
            new[node] = key
    return new


def rename(graph, names: dict[str, str]) -> None:
    """Gives nodes other names, old → new, and their readers with them."""
    if not names:
        return
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        for index, reference in enumerate(node.input):
            name = node_of(reference)
            if name in names:
                node.input[index] = reference.replace(name, names[name], 1)
        if "_class" in node.attr:  # placement hints refer to nodes by name
            del node.attr["_class"]
