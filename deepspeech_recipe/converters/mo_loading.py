"""What TensorFlow would run when Model Optimizer loads a model: checked before it does.

A graph alone is imported (`mo_safety.check_import`). A meta graph, a graph with a checkpoint and a SavedModel also have
their variables restored and read, by nodes that the file names: those may restore from their own checkpoint, assign and
compute, and nothing else. A SavedModel may bring tables and other objects whose functions run when it is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from deepspeech_recipe.converters.mo_safety import check_import
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, reading
from deepspeech_recipe.graphdef.build import GraphBuilder
from deepspeech_recipe.graphdef.node import called_by, node_of
from deepspeech_recipe.graphdef.plain import plain_nodes
from deepspeech_recipe.graphdef.proto import GraphDef, MetaGraphDef, SavedModel, parse, parse_text
from deepspeech_recipe.graphdef.pure import NotPure, check_operation
from deepspeech_recipe.graphdef.view import VARIABLE_OPS, GraphView, Tensor
from deepspeech_recipe.quiet import native_code_quiet
from deepspeech_recipe.rewrite.edits import unknown_constants

_RESTORE = ("Restore", "RestoreSlice", "RestoreV2")
_RESTORING = frozenset({*VARIABLE_OPS, *_RESTORE, "Assign", "AssignVariableOp", "NoOp", "ReadVariableOp"})
# What a SavedModel runs first: named in collections, or as the output of a signature.
_FIRST = ("saved_model_main_op", "legacy_init_op")
_INITIALISE = "__saved_model_init_op"


def check_before_loading(arguments) -> None:
    """Raises NotPure for a model that has TensorFlow do more than to restore it.

    arguments: those of the conversion (`mo_arguments.Arguments`).
    """
    if arguments.saved_model:
        _check_saved_model(Path(arguments.saved_model))
    elif arguments.meta_graph:
        path = Path(arguments.meta_graph)
        # MO takes any file of a checkpoint for its .meta.
        path = path if path.suffix == ".meta" else path.with_suffix(".meta")
        with error_context(path):
            _check_meta_graph(_read(path, MetaGraphDef, arguments.is_text))
    elif isinstance(arguments.model, (str, os.PathLike)):
        path = Path(arguments.model)
        with error_context(path):
            graph = _read(path, GraphDef, arguments.is_text)
            check_import(graph)
            if arguments.checkpoint:
                _check_runs(graph, _reads(graph), "")
    elif hasattr(arguments.model, "library"):  # a GraphDef in memory
        check_import(arguments.model)


def prepare_loading(loader, *, saved_model: bool) -> None:
    """Has MO's next loading go without the lines in which TensorFlow tells what it does and which attributes it does
    not know (what it cannot do, it raises); of a SavedModel without Keras; and end in plain nodes and constants, as MO
    reads neither the types nor the operations that others are stored by.

    loader: MO's module `load.tf.loader`, which looks its function up when it is called.
    """
    original = loader.load_tf_graph_def

    def load_tf_graph_def(*arguments, **named):
        loader.load_tf_graph_def = original
        with native_code_quiet(), _without_keras() if saved_model else nullcontext():
            loaded = original(*arguments, **named)
        _write_plain(loaded[0])
        return loaded

    loader.load_tf_graph_def = load_tf_graph_def


def _write_plain(graph) -> None:
    """Changes a GraphDef of TensorFlow's to its plain nodes, and to constants that MO can read."""
    nodes = plain_nodes(graph.node)
    view = GraphView(nodes)
    values = unknown_constants(view)
    if not values and len(nodes) == len(graph.node) and all(new is old for new, old in zip(nodes, graph.node)):
        return
    written = GraphBuilder()
    for name, value in values.items():
        written.const(name, value)
    plain = type(graph)()
    for pb in nodes:
        stored = pb.op == "Const" and all(node.name in values for node in view.following(view.nodes[pb.name]))
        if pb.name not in values and not (stored and view.is_read(view.nodes[pb.name])):
            plain.node.add().CopyFrom(pb)
    plain.MergeFromString(written.graph.SerializeToString())
    del graph.node[:]
    graph.node.extend(plain.node)


@contextmanager
def _without_keras() -> Iterator[None]:
    """Without `tf.keras.models.load_model`, so that MO loads a SavedModel as TensorFlow does: Keras before 3 runs
    Python code that lies in the file (Lambda layers)."""
    import tensorflow as tf

    models, load_model = tf.keras.models, tf.keras.models.load_model
    models.load_model = _no_keras
    try:
        yield
    finally:
        models.load_model = load_model


def _no_keras(*_, **__):
    raise ValueError("not loaded by Keras")


def _check_saved_model(path: Path) -> None:
    file = path / "saved_model.pb"
    is_text = not file.is_file()
    file = path / "saved_model.pbtxt" if is_text else file
    with error_context(path):
        for meta in _read(file, SavedModel, is_text).meta_graphs:
            for node in meta.object_graph_def.nodes:
                if node.HasField("resource") or node.saveable_objects:
                    raise NotPure(
                        "The SavedModel holds a table or another object whose functions run when it is loaded",
                        remedy="Export the model without it, or freeze it to a .pb (convert_variables_to_constants_v2)",
                    )
            _check_meta_graph(meta)


def _check_meta_graph(meta) -> None:
    graph, first = meta.graph_def, _reads(meta.graph_def)
    check_import(graph)
    first += [Tensor.parse(meta.saver_def.restore_op_name).node]
    first += [Tensor.parse(name).node for key in _FIRST for name in meta.collection_def[key].node_list.value]
    if _INITIALISE in meta.signature_def:
        first += [Tensor.parse(info.name).node for info in meta.signature_def[_INITIALISE].outputs.values()]
    _check_runs(graph, first, Tensor.parse(meta.saver_def.filename_tensor_name).node)


def _read(path: Path, kind, is_text: bool):
    with reading(path):
        data = path.read_bytes()
    if is_text:
        return parse_text(kind, data.decode(errors="replace"), what=str(path))
    return parse(kind, data, what=str(path))


def _reads(graph) -> list[str]:
    """The nodes by whose names TensorFlow reads the variables in order to freeze them."""
    variables = [node.name for node in graph.node if node.op in VARIABLE_OPS]
    return [*variables, *(f"{name}/Read/ReadVariableOp" for name in variables)]


def _check_runs(graph, first: Collection[str], filename: str) -> None:
    """All that runs with the nodes `first`, behind control edges too and in functions.

    filename: the node that holds the checkpoint's name."""
    functions = {function.signature.name: function for function in graph.library.function}
    nodes_of_graph = {node.name: node for node in graph.node}
    pending: list[tuple[dict, Collection[str], set[str], str]] = [(nodes_of_graph, first, {filename}, "")]
    seen_functions: set[str] = set()
    for nodes, wanted, names, where in pending:
        stack, seen = list(wanted), set(wanted)
        while stack:
            node = nodes.get(stack.pop())
            if node is None:  # a function's argument, or a name that the file does not have
                continue
            if node.op in functions or node.op not in _RESTORING:
                check_operation(node, functions, random=True, where=where)
            if node.op in _RESTORE and not node.input:
                raise RecipeError(f"node '{node.name}' ({node.op}) has no inputs; the file is damaged.")
            if node.op in _RESTORE and _behind(node.input[0], nodes) not in names:
                raise NotPure(
                    f"{node.op} would read another file than the model's own checkpoint", node=node.name,
                    remedy="Export the graph anew",
                )  # fmt: skip
            sources = [node_of(reference) for reference in node.input]
            stack += [source for source in sources if source not in seen]
            seen.update(sources)
            for called in called_by(node):
                if called in functions and called not in seen_functions:
                    seen_functions.add(called)
                    body = functions[called]
                    inner = {node.name: node for node in body.node_def}
                    arguments = {argument.name for argument in body.signature.input_arg}
                    # A function runs as a whole.
                    pending.append((inner, inner, arguments, called))


def _behind(reference: str, nodes: dict) -> str:
    """The node that a name comes from, behind copies."""
    name, seen = node_of(reference), set()
    while name in nodes and nodes[name].op == "Identity" and nodes[name].input and name not in seen:
        seen.add(name)
        name = node_of(nodes[name].input[0])
    return name
