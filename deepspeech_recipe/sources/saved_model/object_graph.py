"""Variables of TensorFlow 2's SavedModels: which handle holds which tensor of the checkpoint.

The names of variables say nothing there; the function that restores them does: it reads tensors by their keys
(RestoreV2) and assigns them to the handles that it is called with.
"""

from deepspeech_recipe.graphdef.node import node_of
from deepspeech_recipe.graphdef.tensor import to_numpy
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.sources.saved_model.inlining import CALLS


def object_keys(meta) -> dict[str, str]:
    """Handle (a VarHandleOp's name) → key in the checkpoint; empty for TensorFlow 1's SavedModels."""
    functions = {function.signature.name: function for function in meta.graph_def.library.function}
    keys: dict[str, str] = {}
    for call in meta.graph_def.node:
        function = functions.get(call.attr["f"].func.name) if call.op in CALLS else None
        if function is not None:
            keys |= _restored(call, function)
    if not keys:
        return {}
    # Keras 3 wraps its variables: the wrapper is restored, and begins with what the handle in use holds.
    nodes = {node.name: node for node in meta.graph_def.node}
    for node in meta.graph_def.node:
        if node.op == "AssignVariableOp" and (key := keys.get(node_of(node.input[0]))) is not None:
            read = nodes.get(node_of(node.input[1]))
            if read is not None and read.op == "ReadVariableOp":
                keys.setdefault(node_of(read.input[0]), key)
    return keys


def _restored(call, function) -> dict[str, str]:
    handles = {arg.name: node_of(name) for arg, name in zip(function.signature.input_arg, call.input, strict=False)}
    nodes = {node.name: node for node in function.node_def}
    found = {}
    for node in function.node_def:
        if node.op != "AssignVariableOp":
            continue
        reference = node.input[1]
        while (source := nodes.get(node_of(reference))) is not None and source.op == "Identity":
            reference = source.input[0]
        names = nodes.get(node_of(source.input[1])) if source is not None and source.op == "RestoreV2" else None
        if names is not None and names.op == "Const" and node.input[0] in handles:
            keys = to_numpy(names.attr["value"].tensor).reshape(-1)
            number = Tensor.parse(reference).port
            if keys.dtype == object and number < keys.size:
                found[handles[node.input[0]]] = keys[number].decode(errors="replace")
    return found
