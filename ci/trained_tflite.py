"""The bundled model as the .tflite files that Coqui's client loads: what it says is words then, not noise."""

import copy
from pathlib import Path

import numpy as np

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.sources.canonical import Dense, Weights
from deepspeech_recipe.sources.frozen import read_binary
from tests.support.tflite_models import convert
from training.export import AUDIO
from training.network import N_CONTEXT
from training.text import ALPHABET

_CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"


def write(graph: Path, folder: Path) -> dict[str, Path]:
    """{'float': …, 'int8': …}: one scale a tensor in the latter, as the exporters of that time wrote."""
    import tensorflow as tf

    view = GraphView(read_binary(graph).node)

    def value(name: str) -> np.ndarray:
        return view.value(Tensor(name, 0))

    layers = {
        f"layer_{number}": Dense(value(f"layer_{number}/weights"), value(f"layer_{number}/bias")) for number in "12356"
    }
    weights = Weights(**layers, lstm_kernel=value(f"{_CELL}/kernel"), lstm_bias=value(f"{_CELL}/bias"))
    labels = [letter.encode() for letter in ALPHABET]
    found = {}
    for form in ("float", "int8"):
        data = convert(
            tf,
            weights,
            steps=16,
            form=form,
            audio=AUDIO,
            labels=labels,
            n_context=N_CONTEXT,
            window_ms=32,
            per_channel=False,
        )
        found[form] = folder / f"trained-{form}.tflite"
        found[form].write_bytes(_constants_as_nodes(data))
    return found


def _constants_as_nodes(data: bytes) -> bytes:
    """The client asks which node writes each `metadata_*`: the exporters' converter made a Reshape of each."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(data))
    graph = model.subgraphs[0]
    codes = [code.builtinCode for code in model.operatorCodes]

    def buffer(content=None) -> int:
        model.buffers.append(schema.BufferT())
        model.buffers[-1].data = content
        return len(model.buffers) - 1

    def tensor(like, name: bytes, **changes) -> int:
        graph.tensors.append(copy.copy(like))
        for field, changed in {"name": like.name + name, **changes}.items():
            setattr(graph.tensors[-1], field, changed)
        return len(graph.tensors) - 1

    one = np.ones(1, np.int32)
    for output in graph.outputs:
        constant = graph.tensors[output]
        if not constant.name.startswith(b"metadata_"):
            continue
        source = tensor(constant, b"_copy")
        shape = tensor(constant, b"_shape", buffer=buffer(one.view(np.uint8)), type=schema.TensorType.INT32, shape=one)
        constant.buffer = buffer()
        node = schema.OperatorT()
        node.opcodeIndex = codes.index(schema.BuiltinOperator.RESHAPE)
        node.inputs, node.outputs = np.int32([source, shape]), np.int32([output])
        node.builtinOptionsType, node.builtinOptions = schema.BuiltinOptions.ReshapeOptions, schema.ReshapeOptionsT()
        node.builtinOptions.newShape = one
        graph.operators.append(node)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
