"""TensorFlow graph → ov.Model by OpenVINO's own TensorFlow frontend: no Model Optimizer, no TensorFlow.

The recogniser decides, the graph is edited, and the frontend translates what is left; weights go past it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from openvino._offline_transformations import (
    apply_fused_names_cleanup,
    apply_moc_transformations,
    compress_quantize_weights_transformation,
)
from openvino.frontend import FrontEndManager

from deepspeech_recipe.converters.graphdef_edits import EditedGraph, apply_edits, names_only
from deepspeech_recipe.converters.openvino_lowering import Translators
from deepspeech_recipe.converters.request import Request
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ov_api import ov
from deepspeech_recipe.passes.carry import finish_general
from deepspeech_recipe.passes.contract import Conversion, finish
from deepspeech_recipe.passes.names import both_forms, find
from deepspeech_recipe.recognise.deepspeech import DeepSpeech
from deepspeech_recipe.recognise.graph import Recognition
from deepspeech_recipe.rewrite.deepspeech import inputs as contract_inputs
from deepspeech_recipe.rewrite.deepspeech import outputs as contract_outputs
from deepspeech_recipe.rewrite.deepspeech import rewrite_deepspeech
from deepspeech_recipe.rewrite.general import General, describe, rewrite_general
from deepspeech_recipe.rewrite.reach import ends

NAME = "openvino"


def version() -> str:
    """OpenVINO's release, '2026.4.1'."""
    return ov.__version__.split("-")[0]


@dataclass
class Prepared:
    """A DeepSpeech graph ready for the frontend: the original GraphDef is no longer needed."""

    edited: EditedGraph
    names: GraphView
    model: DeepSpeech


def prepare(graph, view: GraphView, model: DeepSpeech) -> Prepared:
    """Edits the acoustic model of `graph`, a GraphDef, and leaves the rest of it out."""
    edits = rewrite_deepspeech(view, model)
    inputs = {tensor.node: (-1, model.lstm.hidden_size) for tensor in contract_inputs(model).values()}
    inputs[model.windows.node] = model.windows_shape(-1, -1)
    outputs = [model.logits.node, *_new_states(view, model, edits)]
    return Prepared(apply_edits(graph, view, edits, outputs, inputs), names_only(graph), model)


def convert_deepspeech(prepared: Prepared, request: Request):
    """Returns the ov.Model of the IR contract. Raises RecipeError."""
    model = prepared.model
    request.check()
    request.check_model(model)
    ov_model = _translate(prepared.edited)
    # All sizes are open until here, so that none of the graph's own can be built into anything.
    batch, steps = (request.size_of(name, model) or -1 for name in ("batch", "time_steps"))
    shapes = {tensor.node: [batch, model.lstm.hidden_size] for tensor in contract_inputs(model).values()}
    shapes[model.windows.node] = list(model.windows_shape(batch, steps))
    ov_model.reshape({find(ov_model.inputs, both_forms(name)): shape for name, shape in shapes.items()})
    conversion = Conversion(converter=f"{NAME} {version()}", state=request.state, head=request.head)
    return _optimise(finish(ov_model, prepared.names, model, conversion))


def convert_general(graph, view: GraphView, recognition: Recognition, request: Request):
    """Converts a graph without a DeepSpeech model: (ov.Model, one line on what was done).

    Its fused LSTMs become LSTMSequences, their state variables inputs and outputs. Raises RecipeError.
    """
    freeze = "mo's --freeze_placeholder_with_value"
    general = rewrite_general(view, recognition, {}, freeze=freeze)
    outputs = general.ends or _outputs(view, general)
    edited = apply_edits(graph, view, general.edits, outputs)
    conversion = Conversion(converter=f"{NAME} {version()}", state=request.state)
    ov_model = finish_general(_optimise(_translate(edited)), recognition, general, conversion, outputs)
    return ov_model, describe(recognition, general)


def _new_states(view: GraphView, model: DeepSpeech, edits) -> list[str]:
    added = {node.name for node in edits.add}
    return [
        name if name in added or name in view.nodes else tensor.node
        for name, tensor in contract_outputs(model).items()
        if name != "logits"
    ]


def _outputs(view: GraphView, general: General) -> list[str]:
    """What nobody reads and an input reaches."""
    found = []
    for name in ends(view, general.edits):
        node = view.nodes.get(name)
        inputs = node.inputs if node is not None else ()
        sources = (source for tensor in inputs for source in view.ancestors(tensor))
        if node is None or any(source.op.startswith("Placeholder") for source in sources):
            found.append(name)
    return found


def _translate(edited: EditedGraph):
    frontend = FrontEndManager().load_by_framework("tf")
    translators = Translators(edited.weights)
    for extension in translators.extensions:
        frontend.add_extension(extension)
    with tempfile.TemporaryDirectory(prefix="deepspeech-recipe-") as folder:
        path = Path(folder) / "graph.pb"
        path.write_bytes(edited.graph.SerializeToString(deterministic=True))
        try:
            return frontend.convert(frontend.load(str(path)))
        except Exception as error:  # each version of OpenVINO has other types here
            if translators.refusal is not None:
                raise translators.refusal from None
            raise RecipeError(f"OpenVINO's TensorFlow frontend cannot convert the graph: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Check '", "Exception from", "FrontEnd API failed"))]
    return " ".join((told or lines or [type(error).__name__])[:3])


def _optimise(ov_model):
    """What `ovc` does with a model after its frontend."""
    apply_moc_transformations(ov_model, cf=False, smart_reshape=True)
    compress_quantize_weights_transformation(ov_model)
    apply_fused_names_cleanup(ov_model)
    return ov_model
