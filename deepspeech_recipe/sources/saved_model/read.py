"""SavedModel directories: Coqui's export, frozen graphs wrapped in one, and graphs whose variables lie beside."""

from collections.abc import Sequence
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.check import check_graph
from deepspeech_recipe.graphdef.node import node_of
from deepspeech_recipe.graphdef.proto import GraphDef, NodeDef, SavedModel, parse, parse_text
from deepspeech_recipe.graphdef.view import ASSIGN_OPS
from deepspeech_recipe.sources.checkpoint.bundle import Bundle
from deepspeech_recipe.sources.checkpoint.rebuild import Surroundings, rebuild
from deepspeech_recipe.sources.checkpoint.training_graph import find_features
from deepspeech_recipe.sources.checkpoint.variables import NAMINGS, find_naming
from deepspeech_recipe.sources.loaded_model import Given, LoadedModel
from deepspeech_recipe.sources.saved_model import names
from deepspeech_recipe.sources.saved_model.freezing import Variables, freeze, variable_nodes
from deepspeech_recipe.sources.saved_model.inlining import CALLS, inline_calls, needed
from deepspeech_recipe.sources.saved_model.lowered_loops import freeze_loops, needed_library
from deepspeech_recipe.sources.saved_model.object_graph import object_keys

_LARGEST = 2**31 - 1
_SERVING = "serving_default"


def read_saved_model(path: Path, given: Given) -> LoadedModel:
    """Reads a SavedModel directory, without TensorFlow.

    Coqui's export takes whole utterances from zero state; its graph is rebuilt from its variables like a checkpoint's,
    with the alphabet.txt that lies beside it.
    Raises RecipeError if the graph cannot be read, or its weights are not there.
    """
    meta = _meta_graph(path)
    keys = object_keys(meta)
    prefix = names.prefix(meta)
    signature = names.signature_outputs(meta, only=_SERVING if keys else None)
    roots = [*signature.values(), *names.known_outputs(meta, prefix)]
    nodes, notes = needed(meta.graph_def.node, map(node_of, roots)), []
    if not roots:
        raise RecipeError(
            f"{path}: the SavedModel has no signature, which would say what its inputs and outputs are. Save it with "
            "one: tf.saved_model.save(model, path, signatures=…), or model.export(path) of Keras."
        )
    if any(node.op in CALLS for node in nodes):
        nodes, roots = inline_calls(nodes, meta.graph_def.library, roots)
        roots = names.without_wrappers(nodes, roots)
        assigns = [node.name for node in nodes if node.op in ASSIGN_OPS]
        nodes = _by_data(nodes, [*map(node_of, roots), *assigns])
        notes.append("functions written out")
    weights, states = variable_nodes(nodes)
    library = needed_library(nodes, meta.graph_def.library)
    if weights or (states and (keys or (path / "variables" / "variables.index").is_file())):
        variables = Variables(path, keys)
        if weights and not keys and _is_deepspeech(nodes, variables.bundle):
            return _rebuild(path, meta, variables.bundle, given)
        known = [*weights, *(node for node in states if node in variables)]
        types = {node.name: node.attr["dtype"].type for node in weights}
        freeze(nodes, known, variables)
        if keys:
            freeze_loops(nodes, library, types)
        notes.append(f"{len(known)} variables read")
    if given.shape:
        needless = " and ".join(given.shape)
        raise RecipeError(f"{path}: only checkpoints need {needless}; this SavedModel's graph has its own.")
    graph = GraphDef(versions=meta.graph_def.versions, version=meta.graph_def.version)
    graph.node.extend(nodes)
    if library.function:
        graph.library.CopyFrom(library)
    outputs = dict(zip(signature, roots, strict=False))
    if keys:
        outputs = names.own_outputs(graph, outputs)
    names.rename(graph, names.new_names(graph, meta, outputs, prefix))
    check_graph(graph, path)
    return LoadedModel(path, "saved_model", graph, notes=tuple(notes))


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


def _is_deepspeech(nodes: Sequence, variables: Bundle) -> bool:
    """Whether it is Coqui's export: it has DeepSpeech's variables, and takes audio in place of windows."""
    has_windows = any(node.name == "input_node" for node in nodes)
    return not has_windows and any(name in variables for naming in NAMINGS for name in naming.required())


def _rebuild(path: Path, meta, variables: Bundle, given: Given) -> LoadedModel:
    features = find_features(meta.graph_def)
    # Coqui's features stop at half the sample rate, which the graph itself takes from each file.
    if features and "sample_rate" not in given.metadata:
        rate = round(2 * features.upper_frequency_limit)
        given = Given({**given.metadata, "sample_rate": rate}, given.shape)
    beside = Surroundings(path, "SavedModel", path, features)
    return rebuild("saved_model", variables, find_naming(variables, path), beside, given)
