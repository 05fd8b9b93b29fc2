"""A .tflite file that is not DeepSpeech's: any network of operations that are known."""

from pathlib import Path

from deepspeech_recipe.errors import Refusal, some_of
from deepspeech_recipe.graphdef.check import check_graph
from deepspeech_recipe.graphdef.proto import Message
from deepspeech_recipe.sources.frontend_trial import openvino_takes
from deepspeech_recipe.sources.loaded_model import LoadedModel
from deepspeech_recipe.sources.tflite.file import TFLiteModel
from deepspeech_recipe.sources.tflite.graph import GraphWriter
from deepspeech_recipe.sources.tflite.operations import OPERATIONS
from deepspeech_recipe.sources.tflite.variables import write_new_values


def read_other(path: Path, model: TFLiteModel) -> LoadedModel:
    """Reads the first subgraph as a TensorFlow graph.

    Raises Refusal, with the operation, for one that has no translation; it names OpenVINO's own reader if that takes
    the file.
    """
    try:
        graph = _graph(path, model)
    except Refusal as refusal:
        remedy = refusal.remedy
        if openvino_takes(path):
            remedy = "OpenVINO reads this file by itself: `ovc FILE.tflite`"
        raise Refusal(f"{path}: {refusal.reason}", node=refusal.node, remedy=remedy) from None
    quantized = {number for each in model.operations for number in each.inputs if model.is_quantized(number)}
    notes = [f"{len(model.operations)} operations of TensorFlow Lite written as TensorFlow's"]
    notes += [f"{len(quantized)} matrices stored in 8 bits, dequantised"] if quantized else []
    return LoadedModel(path, "tflite", graph, notes=tuple(notes))


def _graph(path: Path, model: TFLiteModel) -> Message:
    unknown = [operation for operation in model.operations if operation.kind not in OPERATIONS]
    if unknown:
        kinds = some_of(dict.fromkeys(operation.kind for operation in unknown))
        raise Refusal(
            f"Operations of TensorFlow Lite that have no translation here: {kinds}",
            node=next(map(model.name, unknown[0].outputs), ""),
            remedy="Run the file with TensorFlow Lite itself, or export the model's TensorFlow graph",
        )
    writer = GraphWriter(model)
    writer.inputs()
    for operation in model.operations:
        OPERATIONS[operation.kind](writer, operation)
    write_new_values(writer)
    graph = writer.finish(path.stat().st_size)
    check_graph(graph, path)
    return graph
