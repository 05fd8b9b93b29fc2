"""SavedModel directories: Coqui's export, frozen graphs wrapped in one, and graphs whose variables lie beside."""

import re
from pathlib import Path

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.build import DType
from deepspeech_recipe.graphdef.build import set_attr as set_attribute
from deepspeech_recipe.graphdef.check import check_graph
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef, NodeDef, SavedModel, parse, parse_text
from deepspeech_recipe.graphdef.tensor import dtype_number
from deepspeech_recipe.graphdef.view import ASSIGN_OPS, VARIABLE_OPS
from deepspeech_recipe.sources.checkpoint import rebuild as checkpoint
from deepspeech_recipe.sources.checkpoint.bundle import Bundle, variables_of
from deepspeech_recipe.sources.checkpoint.training_graph import find_features
from deepspeech_recipe.sources.constant_folding import fold_sizes
from deepspeech_recipe.sources.frozen import input_name
from deepspeech_recipe.sources.inlining import CALLS, inline_calls, needed
from deepspeech_recipe.sources.loaded_model import Source
from deepspeech_recipe.sources.lowered_loops import freeze_loops, needed_library
from deepspeech_recipe.sources.saved_model.object_graph import ObjectVariables, object_keys

_LARGEST = 2**31 - 1
_SERVING = "serving_default"
_WRAPPER = re.compile(r"(^|/)Identity(_\d+)?_*$")
# Outputs that clients address by name, whether or not a signature lists them.
_OUTPUTS = ("logits", "raw_logits", "new_state_c", "new_state_h", "mfccs", "initialize_state", "model_metadata")


def read(path: Path, overrides: dict, shape: dict) -> Source:
    """Reads a SavedModel directory. Variables that hold weights need TensorFlow.

    Coqui's export takes whole utterances from zero state; its graph is rebuilt from its variables, like a
    checkpoint's (overrides and shape as there), and its alphabet.txt is used.
    Raises RecipeError where the graph cannot be read, or its weights are not there.
    """
    meta = _meta_graph(path)
    keys = object_keys(meta)
    names = {node.name for node in meta.graph_def.node}
    prefix = next((n.removesuffix("input_node") for n in sorted(names) if f"/{n}".endswith("/input_node")), "")
    signature = _signature_outputs(meta, only=_SERVING if keys else None)
    roots = [*signature.values()]
    roots += [n for n in sorted(names) if n.startswith(prefix) and _is_output(n.removeprefix(prefix))]
    nodes = needed(meta.graph_def.node, map(input_name, roots))
    notes = []
    if any(node.op in CALLS for node in nodes):
        nodes, roots = inline_calls(nodes, meta.graph_def.library, roots)
        roots = _without_wrappers(nodes, roots)
        assigns = [node.name for node in nodes if node.op in ASSIGN_OPS]
        nodes = _by_data(nodes, [*map(input_name, roots), *assigns])
        notes.append("functions written out")
    weights, states = _variable_nodes(nodes)
    library = needed_library(nodes, meta.graph_def.library)
    if keys and (weights or states):
        variables = ObjectVariables(path, keys)
        for node in (*weights, *states):
            node.attr["shared_name"].s = b""
        states = [node for node in states if node.name in variables]
        types = {node.name: node.attr["dtype"].type for node in weights}
        nodes = _freeze(nodes, [*weights, *states], variables)
        fold_sizes(nodes)
        freeze_loops(nodes, library, types)
        notes.append(f"{len(weights) + len(states)} variables read")
    elif weights:
        variables = _variables(path)
        if not any(node.name == "input_node" for node in nodes) and _has_deepspeech(variables):
            return _rebuild(path, meta, variables, overrides, shape)
        nodes = _freeze(nodes, weights, variables)
        notes.append(f"{len(weights)} variables read")
    if states and not keys:
        nodes = _freeze_states(path, nodes, states)
    if shape:
        raise RecipeError(f"{path}: only checkpoints need {' and '.join(shape)}; this SavedModel's graph has its own.")
    graph = GraphDef(versions=meta.graph_def.versions, version=meta.graph_def.version)
    graph.node.extend(nodes)
    if library.function:
        graph.library.CopyFrom(library)
    outputs = dict(zip(signature, roots, strict=False))
    if keys:
        outputs = _own_outputs(graph, outputs)
    _rename(graph, _new_names(graph, meta, outputs, prefix))
    check_graph(graph, path)
    return Source(path, "saved_model", graph, notes=tuple(notes))


def _meta_graph(path: Path):
    """The graph tagged `serve`, else the first."""
    binary, text = path / "saved_model.pb", path / "saved_model.pbtxt"
    with reading(path):
        if binary.is_file():
            if binary.stat().st_size > _LARGEST:
                raise RecipeError(f"{binary}: is larger than 2 GiB, which no SavedModel can be.")
            saved = parse(SavedModel, binary.read_bytes(), what=str(binary))
        else:
            saved = parse_text(SavedModel, text.read_text(errors="replace"), what=str(text))
    graphs = [meta for meta in saved.meta_graphs if meta.graph_def.node]
    if not graphs:
        raise RecipeError(f"{path}: the SavedModel holds no graph; its saved_model.pb is damaged or of another kind.")
    meta = next((meta for meta in graphs if "serve" in meta.meta_info_def.tags), graphs[0])
    check_graph(meta.graph_def, path)
    return meta


def _signature_outputs(meta, only: str | None = None) -> dict[str, str]:
    """Output name → tensor reference, of all signatures but those for loading.

    only: the one to use if there is one of that name; TensorFlow 2's signatures are calls of the same function."""
    outputs = {}
    for name in [only] if only and only in meta.signature_def else sorted(meta.signature_def):
        if not name.startswith("__"):
            for key, info in sorted(meta.signature_def[name].outputs.items()):
                outputs[key] = info.name.removesuffix(":0")
    return outputs


def _without_wrappers(nodes: list, roots: list[str]) -> list[str]:
    """The roots behind the nodes `Identity`, `Identity_1`… through which TensorFlow 2 returns every output."""
    by_name = {node.name: node for node in nodes}
    found = []
    for root in roots:
        while (node := by_name.get(root)) and node.op == "Identity" and _WRAPPER.search(node.name):
            root = node.input[0]
        found.append(root)
    return found


def _by_data(nodes: list, roots: list[str]) -> list:
    """The nodes whose values the roots need, with the control dependencies between these alone."""
    bare = []
    for node in nodes:
        copy = NodeDef(name=node.name, op=node.op, input=[each for each in node.input if not each.startswith("^")])
        bare.append(copy)
    kept = {node.name for node in needed(bare, roots)}
    for node in nodes:
        node.input[:] = [each for each in node.input if not each.startswith("^") or each[1:] in kept]
    return [node for node in nodes if node.name in kept]


def _is_output(name: str) -> bool:
    return name in _OUTPUTS or (name.startswith("metadata_") and "/" not in name)


def _variable_nodes(nodes: list) -> tuple[list, list]:
    """(variables that the needed part of the graph only reads, those that it assigns: state)."""
    assigned = {input_name(node.input[0]) for node in nodes if node.op in ASSIGN_OPS and node.input}
    variables = [node for node in nodes if node.op in VARIABLE_OPS]
    weights = [node for node in variables if node.name not in assigned]
    return weights, [node for node in variables if node.name in assigned]


def _variables(path: Path) -> Bundle:
    if not (path / "variables").is_dir():
        raise RecipeError(
            f"{path}: the weights are variables, but the SavedModel has no directory 'variables'; copy it again."
        )
    return variables_of(path)


def _has_deepspeech(variables: Bundle) -> bool:
    """Whether any of DeepSpeech's variables is there."""
    return any(name in variables for naming in checkpoint.NAMINGS for name in naming.required())


def _rebuild(path: Path, meta, variables: Bundle, overrides: dict, shape: dict) -> Source:
    graph = meta.graph_def
    features = find_features(graph)
    # Coqui's features stop at half the sample rate, which the graph itself takes from each file.
    if features and "sample_rate" not in overrides:
        overrides = {**overrides, "sample_rate": round(2 * features.upper_frequency_limit)}
    return checkpoint.build(
        path,
        "saved_model",
        variables,
        checkpoint.find_naming(variables, path),
        checkpoint.Surroundings(path, "SavedModel", features),
        overrides,
        shape,
    )


def _freeze_states(path: Path, nodes: list, states: list) -> list:
    """State variables become constants of what they were saved with: their assignments stay, so they are known as
    what they are (`GraphView.is_variable`)."""
    if not (path / "variables" / "variables.index").is_file():
        return nodes
    values = variables_of(path)
    return _freeze(nodes, [node for node in states if _key(node, values) in values], values)


def _key(node, variables) -> str:
    """A variable's name in the checkpoint."""
    key = node.attr["shared_name"].s.decode(errors="replace") or node.name
    return key if key in variables else node.name


def _freeze(nodes: list, frozen: list, variables) -> list:
    """Variables become constants of the same name, reads of resources become Identity."""
    by_name, excess = {node.name: node for node in frozen}, -variables.stored
    for node in nodes:
        if node.name in by_name:
            key = _key(node, variables)
            if key not in variables:
                raise Refusal(
                    f"The weight '{node.name}' is not among the variables by its name",
                    node=node.name,
                    remedy="Freeze the model to a .pb first (convert_variables_to_constants_v2)",
                )
            value = variables[key]
            excess += value.nbytes
            if excess > limits.allowed(limits.EXPANDED):
                raise RecipeError(
                    f"The variables share values, and take {excess} bytes more than their files have. "
                    f"{limits.remedy(excess, limits.EXPANDED)}."
                )
            node.op = "Const"
            node.attr.clear()
            set_attribute(node, "dtype", DType(dtype_number(value.dtype)))
            set_attribute(node, "value", np.asarray(value))
            del node.input[:]
        elif node.op == "ReadVariableOp" and input_name(node.input[0]) in by_name:
            dtype = node.attr["dtype"].type
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = dtype
    return nodes


def _own_outputs(graph, outputs: dict[str, str]) -> dict[str, str]:
    """Gives an output that other nodes read, or that is not a first one, a node of its own."""
    read = {input_name(reference) for node in graph.node for reference in node.input}
    names = {node.name for node in graph.node}
    found, taken = {}, set()
    for key, reference in outputs.items():
        node = input_name(reference)
        if node in read or node in taken or reference not in (node, f"{node}:0"):
            name = key if key not in names else f"{key}/output"
            copy = graph.node.add(name=name, op="Identity", input=[reference])
            copy.attr["T"].type = DATA_TYPES["DT_FLOAT"]
            found[key] = name
        else:
            taken.add(node)
            found[key] = node
    return found


def _new_names(graph, meta, outputs: dict[str, str], prefix: str) -> dict[str, str]:
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
        node = input_name(wanted[key])
        is_first = ":" not in wanted[key] or wanted[key].endswith(":0")
        if node in names and is_first and key not in names and key not in new.values():
            new[node] = key
    return new


def _rename(graph, names: dict[str, str]) -> None:
    if not names:
        return
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        for index, reference in enumerate(node.input):
            name = input_name(reference)
            if name in names:
                node.input[index] = reference.replace(name, names[name], 1)
        if "_class" in node.attr:  # placement hints refer to nodes by name
            del node.attr["_class"]
