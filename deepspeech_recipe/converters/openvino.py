"""TensorFlow graph → ov.Model by OpenVINO's own TensorFlow frontend: no Model Optimizer, no TensorFlow.

The recogniser decides, the graph is edited, and the frontend translates what is left; weights go past it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from openvino._offline_transformations import (
    apply_fused_names_cleanup,
    apply_moc_transformations,
    compress_quantize_weights_transformation,
)
from openvino.frontend import FrontEndManager

from deepspeech_recipe.converters.contract import apply_contract
from deepspeech_recipe.converters.graphdef_edits import EditedGraph, apply_edits, names_only
from deepspeech_recipe.converters.lowering import exact_lstms
from deepspeech_recipe.converters.openvino_translators import Translators
from deepspeech_recipe.converters.openvino_trial import is_at_risk, try_conversion
from deepspeech_recipe.converters.request import check_request, size_of
from deepspeech_recipe.converters.stateful import apply_general_contract
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import last_net
from deepspeech_recipe.graphdef.check import check_nodes
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView
from deepspeech_recipe.ir.names import LOGITS, find_input
from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.passes.internal_state import internal_state
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.recognition import Recognition
from deepspeech_recipe.rewrite.acoustic_model import rewrite_acoustic
from deepspeech_recipe.rewrite.general import General, describe, rewrite_general
from deepspeech_recipe.rewrite.reachability import ends
from deepspeech_recipe.temporary import temporary_directory

NAME = "openvino"
_SUMMARY = "Summary:"
# What OpenVINO says around the reason: where it was found, and where to read on.
_BOILERPLATE = (
    *("Check '", "Exception from", "FrontEnd API failed", "Model wasn't fully converted", _SUMMARY, "To facilitate"),
)
_LONG = 500  # characters of a reason, in whole lines


def version() -> str:
    """OpenVINO's release, '2026.4.1'."""
    return ov.__version__.split("-")[0]


@dataclass
class Prepared:
    """A graph ready for the frontend: the original GraphDef is no longer needed.

    passes: from the frontend's ov.Model to the IR. notes: lines on what was done to a general graph, for a person."""

    edited: EditedGraph
    passes: list[Callable]
    notes: tuple[str, ...] = ()

    def convert(self) -> ov.Model:
        """Returns the ov.Model. Raises RecipeError."""
        ov_model = translate_edited(self.edited)
        self.edited.weights.clear()  # the model has them, until a pass puts others in their place
        try:
            for apply in self.passes:
                ov_model = apply(ov_model)
            return ov_model
        except RuntimeError as error:
            if type(error) is not RuntimeError:  # OpenVINO's checks of sizes have no type of their own
                raise
            reason = _reason(error).rstrip(".")
            raise RecipeError(
                f"The sizes in the graph do not fit together: {reason}. Export the model again."
            ) from error


@last_net("the graph")
def prepare(graph, view: GraphView, recognition: Recognition, options: Options) -> Prepared:
    """Edits `graph`, a GraphDef, as what was recognised in it wants. Raises RecipeError."""
    options.check()
    if recognition.acoustic is not None:
        prepared = _prepare_acoustic(graph, view, recognition.acoustic, options)
    else:
        prepared = _prepare_general(graph, view, recognition)
    if options.state == "internal":
        prepared.passes.append(internal_state)
    return prepared


def _prepare_acoustic(graph, view: GraphView, model: AcousticModel, options: Options) -> Prepared:
    """The acoustic model alone becomes an IR of the contract; the rest of the graph is left out."""
    check_request(options, model)
    edits = rewrite_acoustic(view, model)

    def shapes(batch: int, steps: int) -> dict[str, tuple[int, ...]]:
        states = {tensor.node: (batch, model.lstm.hidden_size) for tensor in model.inputs.values()}
        return {**states, model.windows.node: model.windows_shape(batch, steps)}

    outputs = [model.logits.node, *_new_states(view, model, edits)]
    # All sizes are open until `apply_contract`, so that none of the graph's own can be built into anything.
    edited, names = apply_edits(graph, view, edits, outputs, shapes(-1, -1)), names_only(graph)
    batch, steps = (size_of(options, "batch", model) or -1, size_of(options, "time_steps", model) or -1)

    def contract(ov_model):
        sizes = shapes(batch, steps)
        ov_model.reshape({find_input(ov_model, name): list(shape) for name, shape in sizes.items()})
        return apply_contract(ov_model, names, model, f"{NAME} {version()}", options.head)

    return Prepared(edited, [contract, optimise])


def _prepare_general(graph, view: GraphView, recognition: Recognition) -> Prepared:
    """LSTMs become LSTMSequences, state variables inputs and outputs; tensors are called what a recipe calls them."""
    general = rewrite_general(view, recognition, {}, freeze="--freeze {}=T")
    outputs = general.ends or outputs_of(view, general)

    starts = [node.name for node in view.of_op(*PLACEHOLDER_OPS)]

    def contract(ov_model):
        return apply_general_contract(ov_model, recognition, general, f"{NAME} {version()}", starts, outputs)

    exact = [apply for _, apply in exact_lstms(general.edits)]
    edited = apply_edits(graph, view, general.edits, outputs)
    return Prepared(edited, [*exact, optimise, contract], (describe(recognition, general),))


def _new_states(view: GraphView, model: AcousticModel, edits) -> list[str]:
    added = {node.name for node in edits.add}
    return [
        name if name in added or name in view.nodes else tensor.node
        for name, tensor in model.outputs.items()
        if name != LOGITS
    ]


def outputs_of(view: GraphView, general: General) -> list[str]:
    """What nobody reads and an input reaches."""
    outputs = []
    for name in ends(view, general.edits):
        node = view.nodes.get(name)
        inputs = node.inputs if node is not None else ()
        sources = (source for tensor in inputs for source in view.ancestors(tensor))
        if node is None or any(source.op.startswith("Placeholder") for source in sources):
            outputs.append(name)
    return outputs


def _convert(frontend, path: Path):
    return frontend.convert(frontend.load(str(path)))


def translate_edited(edited: EditedGraph, convert: Callable = _convert):
    """The ov.Model that the frontend makes of an edited graph.

    convert: (frontend, path of a .pb file) → ov.Model. Raises RecipeError."""
    # A loop's output that leads to its own initial state shows only now that the loop is one node; the frontend would
    # go round in it for ever.
    check_nodes(edited.graph.node)
    with temporary_directory() as folder:
        path = Path(folder) / "graph.pb"
        path.write_bytes(edited.graph.SerializeToString(deterministic=True))
        if is_at_risk(edited.graph):
            try_conversion(path, edited.weights)
        return translate(path, edited.weights, convert)


def translate(path: Path, weights: Sequence[np.ndarray], convert: Callable = _convert):
    """The ov.Model that the frontend makes of an edited graph's .pb file."""
    frontend = FrontEndManager().load_by_framework("tf")
    translators = Translators(weights)
    for extension in translators.extensions:
        frontend.add_extension(extension)
    try:
        return convert(frontend, path)
    except Exception as error:  # each version of OpenVINO has other types here
        if translators.refusal is not None:
            raise translators.refusal from None
        raise RecipeError(
            f"OpenVINO's TensorFlow frontend cannot convert the graph: {_reason(error)}. If you do not need that part, "
            "cut it off (--output)."
        ) from error


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    # Newer releases tell of each operation, and sum up at the end.
    end = lines.index(_SUMMARY) if _SUMMARY in lines else 0
    told = [line for line in (*lines[end:], *lines[:end]) if not line.startswith(_BOILERPLATE)] or lines
    lengths = itertools.accumulate(map(len, told))
    return " ".join(line for line, length in zip(told, lengths) if length < _LONG or line is told[0])


def optimise(ov_model):
    """What `ovc` does with a model after its frontend."""
    apply_moc_transformations(ov_model, cf=False, smart_reshape=True)
    compress_quantize_weights_transformation(ov_model)
    apply_fused_names_cleanup(ov_model)
    return ov_model
