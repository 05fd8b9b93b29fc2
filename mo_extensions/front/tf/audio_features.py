from __future__ import annotations

import numpy as np
from openvino.tools.mo.front.common.partial_infer.utils import is_fully_defined
from openvino.tools.mo.front.common.replacement import FrontReplacementPattern
from openvino.tools.mo.graph.graph import Graph, Node

from ...library import asked_for, refusals_as_errors

from deepspeech_recipe.audio import lowering
from deepspeech_recipe.converters.mo_emitter import MOEmitter, replace_node
from deepspeech_recipe.converters.mo_hook import on_finished
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.ir.audio_settings import (
    FREEZE_RATE,
    AudioSettings,
    MfccSettings,
    SpectrogramSettings,
    read_attributes,
)
from deepspeech_recipe.ir.precision import keep_audio_fp32


class AudioFeatures(FrontReplacementPattern):
    """
    Lowers TensorFlow's AudioSpectrogram and Mfcc to plain operations.

    AudioSpectrogram
        inputs:  0: samples, [samples, channels]
        outputs: 0: power or magnitude, [channels, frames, bins]
    Mfcc
        inputs:  0: spectrogram, [channels, frames, bins]; 1: sample rate, a scalar constant
        outputs: 0: MFCCs, [channels, frames, dct_coefficient_count]

    A spectrogram that only one Mfcc reads is computed for the bins of its mel bank alone.

    Limitations:
    - the sample rate must be a constant
    - the number of bins must be known: from the AudioSpectrogram, or from the shape of an input

    Attributes are read from TensorFlow's NodeDef here rather than by extractors: MO would go on calling those in
    later conversions that do not name the plugin.
    """

    enabled = True
    replacement_id = "AudioFeatures"
    graph_condition = (asked_for,)

    def find_and_replace_pattern(self, graph: Graph):
        with refusals_as_errors():
            for mfcc in graph.get_op_nodes(op="Mfcc"):
                _replace_mfcc(graph, mfcc)
            for spectrogram in graph.get_op_nodes(op="AudioSpectrogram"):
                _replace_spectrogram(graph, spectrogram)


def _replace_mfcc(graph: Graph, mfcc: Node):
    name = mfcc.soft_get("name", mfcc.id)
    emit, attributes = MOEmitter(graph, name), read_attributes(mfcc.pb)
    attributes["sample_rate"] = _sample_rate(mfcc, name)
    source = mfcc.in_port(0).get_source()
    spectrogram = source.node
    if spectrogram.op == "AudioSpectrogram" and len(source.get_destinations()) == 1:
        settings = AudioSettings(**read_attributes(spectrogram.pb), **attributes)
        rows = _rows(emit, spectrogram, settings)
        _replace(graph, mfcc, lowering.mfcc(emit, rows, settings, name))
        graph.remove_node(spectrogram.id)
    else:
        bins = _bin_count(source.node, name)
        result = lowering.mfcc_of_spectrogram(emit, source, MfccSettings(**attributes), bins, node=name)
        _replace(graph, mfcc, result)


def _replace_spectrogram(graph: Graph, spectrogram: Node):
    name = spectrogram.soft_get("name", spectrogram.id)
    emit = MOEmitter(graph, name)
    settings = SpectrogramSettings(**read_attributes(spectrogram.pb))
    rows = _rows(emit, spectrogram, settings)
    _replace(graph, spectrogram, lowering.spectrogram(emit, rows, settings, node=name))


def _rows(emit, spectrogram: Node, settings: SpectrogramSettings):
    """[samples, channels] → [channels, samples]"""
    source = spectrogram.in_port(0).get_source()
    origin = _skip(source.node, ("Identity", "Unsqueeze", "Reshape"))
    shape = origin.soft_get("shape", None)
    if origin.op == "Parameter" and is_fully_defined(shape) and np.prod(shape) < settings.window_size:
        # Model Optimizer cannot infer shapes from an empty tensor.
        raise Refusal(
            f"{np.prod(shape)} samples hold no window of {settings.window_size} samples",
            node=spectrogram.soft_get("name", spectrogram.id),
            remedy=f"Give '{origin.soft_get('name')}' at least one window, or [?] for any length",
        )
    return emit("transpose", source, lowering.ROWS_FROM_COLUMNS)


def _replace(graph: Graph, node: Node, result):
    replace_node(graph, node, [result])
    on_finished(graph, "audio constants stay FP32", keep_audio_fp32)


def _sample_rate(mfcc: Node, name: str) -> int:
    source = _skip(mfcc.in_port(1).get_source().node, ("Identity",))
    if not source.has_valid("value"):
        raise Refusal(
            "The sample rate of an Mfcc is computed in the graph",
            node=name,
            remedy=FREEZE_RATE,
        )
    return int(source.value)


def _bin_count(source: Node, name: str) -> int:
    source = _skip(source, ("Identity",))
    if source.op == "AudioSpectrogram":
        return SpectrogramSettings(**read_attributes(source.pb)).bin_count
    shape = source.soft_get("shape", None)
    if source.op != "Parameter" or shape is None or len(shape) != 3 or not is_fully_defined(shape[2]):
        raise Refusal(
            "The number of frequency bins that an Mfcc reads is not known",
            node=name,
            remedy=f'Cut the graph there: --input "0:{name}[1,?,BINS]"',
        )
    return int(shape[2])


def _skip(node: Node, ops: tuple[str, ...]) -> Node:
    while node.op in ops:
        node = node.in_port(0).get_source().node
    return node
