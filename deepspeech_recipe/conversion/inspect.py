"""What a model file holds, as plain values."""

import os
from pathlib import Path
from typing import Any, TypedDict

from deepspeech_recipe.files import error_context, last_net
from deepspeech_recipe.graphdef.tensor import numpy_dtype
from deepspeech_recipe.graphdef.view import ASSIGN_OPS, PLACEHOLDER_OPS, GraphView, Node, Tensor
from deepspeech_recipe.ir.find import find_ir
from deepspeech_recipe.ir.initial_state import KEY
from deepspeech_recipe.patterns.dropout import dropout_lines
from deepspeech_recipe.patterns.lstm import BLOCK, Lstm
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes import Model
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.recognition import Recognition, recognise
from deepspeech_recipe.recipes.registry import named
from deepspeech_recipe.recipes.summary import span, warnings
from deepspeech_recipe.sources import LoadedModel, open_model


class FileInfo(TypedDict):
    """A model file: its path, kind (of `sources.open_model`), size in bytes (a directory's files added up; None for a
    checkpoint's prefix), and the nodes of its graph."""

    path: str
    kind: str
    size: int | None
    nodes: int


class Inspection(TypedDict):
    """What a model file holds, as JSON values.

    - notes: what was done while reading
    - deepspeech: None, or recipe, sizes, state, head, audio settings, metadata, and `tensors`: for every tensor of the
      IR contract its name and other names in the graph, and its shape (-1: open)
    - why_not: what a DeepSpeech model would have had, if deepspeech is None
    - recipe: None, or what a recipe (a Python file with one, see `recipes`) made of a graph that is not such a model:
      its name, summary, inputs, outputs and states
    - ir: None, or what an IR says of itself: its metadata (empty if another program made it), inputs, outputs, and how
      its weights are stored
    - graph: None for a DeepSpeech model or an IR, else `inputs`, each with its name, shape (-1: open; None: not known)
      and type, and `outputs`, with name and operation: what an input leads to and nobody reads
    - misses: the recipes that do not fit → why not
    - states: what goes from call to call, and where it is kept
    - warnings: for instance states that freezing made constants
    - lstms: the fused LSTMs that can be converted
    - rnns: LSTMs that are loops or stand step by step; `replacement` of both: what they become, for a person to read
    - refused: reasons for those that cannot be converted
    """

    file: FileInfo
    notes: list[str]
    deepspeech: dict[str, Any] | None
    why_not: str | None
    recipe: dict[str, Any] | None
    ir: dict[str, Any] | None
    graph: dict[str, list[dict[str, Any]]] | None
    misses: dict[str, str]
    states: list[dict[str, Any]]
    warnings: list[str]
    lstms: list[dict[str, Any]]
    rnns: list[dict[str, Any]]
    refused: list[str]


def inspect(model: str | os.PathLike, *, recipe: str | os.PathLike | None = None) -> Inspection:
    """Reads and recognises a model file, or says what an IR says of itself. Needs neither TensorFlow nor, but for an
    IR, OpenVINO.

    Raises RecipeError for a file that is not a model, Refusal for a DeepSpeech model that cannot be converted exactly.
    """
    if (path := find_ir(model)) is not None:
        return _ir_document(path)
    source = open_model(model)
    recipes = named(recipe)
    with error_context(model), last_net(str(model)):
        view = GraphView.of(source.graph)
        return _document(model, source, view, recognise(view, recipes))


def _document(model: str | os.PathLike, source: LoadedModel, view: GraphView, found: Recognition) -> Inspection:
    return {
        "file": {
            "path": str(model),
            "kind": source.kind,
            "size": _size(source.path),
            "nodes": len(view.nodes),
        },
        "notes": list(source.notes),
        "deepspeech": None if found.acoustic is None else _deepspeech(view, found.acoustic, source),
        "why_not": found.why_not,
        "recipe": _model(found.model) if isinstance(found.model, Model) else None,
        "ir": None,
        "graph": None if found.acoustic is not None else _ends(view),
        "misses": found.misses,
        "states": [_state(state) for state in found.states],
        "warnings": [*warnings(found.constants), *dropout_lines(view)],
        "lstms": [_block_lstm(lstm) for lstm in found.lstms if lstm.form == BLOCK],
        "rnns": [_rnn(lstm) for lstm in found.lstms if lstm.form != BLOCK],
        "refused": [str(refusal) for refusal in found.refused],
    }


def _ir_document(path: Path) -> Inspection:
    from deepspeech_recipe.conversion.result import tensors  # it loads OpenVINO
    from deepspeech_recipe.ir.metadata import metadata_of
    from deepspeech_recipe.ir.read import read_ir
    from deepspeech_recipe.verification.weights import weights_format

    with error_context(path):
        ir = read_ir(path)
        metadata = metadata_of(ir)
    size = sum(each.stat().st_size for each in (path, path.with_suffix(".bin")))
    return {
        "file": {"path": str(path), "kind": "ir", "size": size, "nodes": len(ir.get_ops())},
        "notes": [],
        "deepspeech": None,
        "why_not": None,
        "recipe": None,
        "ir": {
            "weights": weights_format(ir),
            "inputs": list(tensors(ir, ir.inputs)),
            "outputs": list(tensors(ir, ir.outputs)),
            "metadata": metadata,
        },
        "graph": None,
        "misses": {},
        "states": [],
        "warnings": [],
        "lstms": [],
        "rnns": [],
        "refused": [],
    }


def _ends(view: GraphView) -> dict[str, list[dict[str, Any]]]:
    inputs = view.of_op(*PLACEHOLDER_OPS)
    led_to = {node.name for source in inputs for node in view.descendants(Tensor(source.name))}
    last = [node for node in view.nodes.values() if node.name in led_to and not view.is_read(node)]
    return {
        "inputs": [{"name": node.name, "shape": _sizes(view.shape(node)), "type": _type(node)} for node in inputs],
        "outputs": [{"name": node.name, "op": node.op} for node in last if node.op not in (*ASSIGN_OPS, "NoOp")],
    }


def _type(node: Node) -> str:
    number = node.attribute("dtype")
    return "?" if number is None else numpy_dtype(number).name


def _sizes(shape: tuple[int, ...] | None) -> list[int] | None:
    return None if shape is None else list(shape)


def _model(model: Model) -> dict[str, Any]:
    return {
        "name": model.recipe,
        "summary": model.summary,
        "inputs": {name: str(tensor) for name, tensor in model.inputs.items()},
        "outputs": {name: str(tensor) for name, tensor in model.outputs.items()},
        "states": dict(model.states),
        "metadata": model.metadata,
    }


def _state(state: State) -> dict[str, Any]:
    return {
        "kind": state.kind,
        "name": state.name,
        "shape": _sizes(state.shape),
        "new": [str(tensor) for tensor in state.new],
        "initial": span(state.initial),
    }


def _deepspeech(view: GraphView, model: AcousticModel, source: LoadedModel) -> dict[str, Any]:
    from deepspeech_recipe.converters.contract import model_metadata  # it loads OpenVINO

    metadata = source.complete(model_metadata(model))
    del metadata["recipe_version"]
    return {
        **metadata,
        KEY: {name: span(value) for name, value in metadata.get(KEY, {}).items()},
        "time_steps": model.time_steps or "dynamic",
        "batch": model.batch or "dynamic",
        "head": model.head,
        "state": {"variable": "variables", "input": "placeholders", "constant": "none"}[model.state_c.kind],
        "last_state": model.lstm.last_state_form(view),
        "forget_bias": model.lstm.cell.forget_bias,
        "lstm_node": model.lstm.node,
        "tensors": _tensors(view, model),
    }


def _tensors(view: GraphView, model: AcousticModel) -> dict[str, Any]:
    """Contract name → direction, tensor in the graph, its other names, shape; then what the contract drops."""
    state = [model.batch or -1, model.lstm.hidden_size]
    shapes = {
        "input_node": list(model.windows_shape(model.batch or -1, model.time_steps or -1)),
        "logits": [model.time_steps or -1, model.batch or -1, model.classes],
    }
    tensors = {
        name: _tensor(view, tensor, direction, shapes.get(name, state))
        for direction, group in (("input", model.inputs), ("output", model.outputs))
        for name, tensor in group.items()
    }
    if model.lengths is not None:
        tensors["lengths"] = _tensor(view, model.lengths, "dropped", [model.batch or -1])
    if model.audio is not None:
        tensors["samples"] = _tensor(view, model.audio.samples, "features", None)
        tensors["mfccs"] = _tensor(view, model.audio.mfccs, "features", None)
    return tensors


def _tensor(view: GraphView, tensor: Tensor, direction: str, shape: list[int] | None) -> dict[str, Any]:
    names = [str(alias) for alias in view.aliases(tensor)[1:]]
    return {"direction": direction, "name": str(tensor), "aliases": names, "shape": shape}


def _block_lstm(lstm: Lstm) -> dict[str, Any]:
    return {
        "node": lstm.node,
        "input_size": lstm.cell.input_size,
        "hidden_size": lstm.hidden_size,
        "replacement": lstm.replacement,
        "lengths": None if lstm.lengths is None else str(lstm.lengths),
        "states": {
            role: None if state is None else {"kind": state.kind, "name": state.name}
            for role, state in (("c", lstm.state_c), ("h", lstm.state_h))
        },
    }


def _rnn(lstm: Lstm) -> dict[str, Any]:
    return {
        "node": lstm.node,
        "kind": lstm.form,
        # What the first layer reads, and the cells of each.
        "sizes": [lstm.cell.input_size, *(layer.cell.hidden_size for layer in lstm.layers)],
        "replacement": lstm.replacement,
        "lengths": None if lstm.lengths is None else str(lstm.lengths),
        "steps": lstm.steps,
    }


def _size(path: Path) -> int | None:
    """The size in bytes; None for a checkpoint's prefix, which is not a file of its own."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else None
