"""DeepSpeech's and Coqui STT's .tflite exports: the unrolled network becomes the canonical graph again."""

from pathlib import Path

import numpy as np

from deepspeech_recipe.alphabet import parse_alphabet
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.tensor import from_numpy
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical import canonical_graph
from deepspeech_recipe.sources.loaded_model import Given, LoadedModel
from deepspeech_recipe.sources.tflite.file import TFLiteModel, open_tflite
from deepspeech_recipe.sources.tflite.network import read_network
from deepspeech_recipe.sources.tflite.other import read_other

_NUMBERS = ("version", "sample_rate", "feature_win_len", "feature_win_step", "beam_width")


def read_tflite(path: Path, given: Given) -> LoadedModel:
    """Reads a float or dynamic-range quantised .tflite; 8-bit weights are dequantised.

    Raises RecipeError if the file is damaged, or holds another model.
    """
    with open_tflite(path) as model:
        if "input_node" not in model.inputs:
            return read_other(path, model)
        network = read_network(model)
        audio = _audio(model)
        numbers = {name: _number(model, f"metadata_{name}") for name in _NUMBERS}
        alphabet, language = (_text(model, f"metadata_{name}") for name in ("alphabet", "language"))
    del model  # and with it the file's bytes
    if alphabet is not None:
        labels, classes = len(parse_alphabet(alphabet)), len(network.weights.layer_6.bias)
        if labels + 1 != classes:
            raise Refusal(
                f"{path}: the alphabet has {labels} labels, but the network {classes} classes (one is the blank)"
            )
    graph = canonical_graph(
        network.weights,
        n_context=network.n_context,
        n_steps=network.n_steps,
        audio=audio,
        alphabet=alphabet,
        language=None if language is None else language.decode(errors="replace"),
        beam_width=numbers["beam_width"],
    )
    for node in graph.node:
        # In milliseconds the file is exact, where samples were rounded.
        if (value := numbers.get(node.name.removeprefix("metadata_"))) and node.name.startswith("metadata_"):
            node.attr["value"].tensor.CopyFrom(from_numpy(np.array([value], np.int32)))
    notes = [f"LSTM rolled up from {network.n_steps} unrolled steps"]
    if network.quantized:
        notes.append(f"{network.quantized} matrices stored in 8 bits, dequantised")
    return LoadedModel(path, "tflite", graph, notes=tuple(notes), external=network.weights.external)


def _audio(model: TFLiteModel) -> AudioSettings | None:
    """The settings of AudioSpectrogram and Mfcc, which the file keeps as custom operations."""
    by_kind = {operation.kind: operation for operation in model.operations}
    spectrogram, mfcc = by_kind.get("AudioSpectrogram"), by_kind.get("Mfcc")
    if spectrogram is None or mfcc is None:
        return None
    rate = model.constant(mfcc.inputs[1])
    if rate is None:
        raise Refusal("The sample rate of the Mfcc operation is not constant", node=model.name(mfcc.inputs[1]))
    options = {**spectrogram.custom_options(), **mfcc.custom_options()}
    known = {name: options[name] for name in AudioSettings.__dataclass_fields__ if name in options}
    audio = AudioSettings(**known, sample_rate=int(rate.reshape(())))
    audio.check()
    return audio


def _metadata(model: TFLiteModel, name: str) -> int | None:
    """The tensor that holds an output's constant value; the converter puts a RESHAPE between."""
    if (tensor := model.outputs.get(name)) is None:
        return None
    operation = model.producer.get(tensor)
    return operation.inputs[0] if operation and operation.kind == "RESHAPE" else tensor


def _number(model: TFLiteModel, name: str) -> int | None:
    tensor = _metadata(model, name)
    value = None if tensor is None else model.constant(tensor)
    if value is None:
        return None
    if value.size != 1:
        raise RecipeError(f"'{name}' holds {value.size} values; the file is damaged.")
    return int(value.reshape(()))


def _text(model: TFLiteModel, name: str) -> bytes | None:
    tensor = _metadata(model, name)
    if tensor is None:
        return None
    strings = model.strings(tensor)
    if len(strings) != 1:
        raise RecipeError(f"'{name}' holds {len(strings)} strings; the file is damaged.")
    return strings[0]
