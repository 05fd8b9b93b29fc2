"""The recipe's own operations for OpenVINO's TensorFlow frontend: one translator for each.

The frontend tells a translator neither the node's name nor its type, so names are attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial

import numpy as np
from openvino.frontend.tensorflow import ConversionExtension

from deepspeech_recipe.audio import lowering as audio
from deepspeech_recipe.converters import lowering
from deepspeech_recipe.converters.graphdef_edits import WEIGHT
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.audio_settings import FREEZE_RATE, MfccSettings, SpectrogramSettings
from deepspeech_recipe.ir.ov_api import i64, opset
from deepspeech_recipe.ir.ov_emitter import OpenVINOEmitter
from deepspeech_recipe.rewrite.edits import RECIPE_LSTM


class Translators:
    """The translators of one conversion. weights: what its RecipeWeight nodes stand for.

    refusal: why a translator gave up, for the frontend makes another exception of it.
    """

    def __init__(self, weights: Sequence[np.ndarray]):
        self._weights = weights
        self.refusal: RecipeError | None = None
        self.extensions = [
            ConversionExtension(WEIGHT, self._weight),
            ConversionExtension(RECIPE_LSTM, self._lstm),
            ConversionExtension("AudioSpectrogram", self._spectrogram),
            ConversionExtension("Mfcc", self._mfcc),
            *(ConversionExtension(op, partial(_simple, *how)) for op, how in lowering.SIMPLE.items()),
        ]

    def _weight(self, node):
        return [opset.constant(self._weights[node.get_attribute("index")], shared_memory=True).output(0)]

    def _lstm(self, node):
        x, hidden, cell, *weights = (node.get_input(port) for port in range(6))
        lengths = node.get_input(6) if node.get_attribute("lengths") else None
        self._check_features(node, x, hidden, cell, weights[0].get_partial_shape()[2].get_length())
        x = self._steps(node, x)
        attributes = {name: node.get_attribute(name) for name in ("hidden_size", "direction")}
        return lowering.lstm(_emitter(node), x, hidden, cell, lengths, weights, **attributes)[1]

    def _spectrogram(self, node):
        settings, emit = SpectrogramSettings(**_attributes(node, SpectrogramSettings)), _emitter(node)
        rows = emit("transpose", node.get_input(0), audio.ROWS_FROM_COLUMNS)
        with self._refusing():
            return [audio.spectrogram(emit, rows, settings, node.get_attribute("node"))]

    def _mfcc(self, node):
        spectrum, rate = node.get_input(0), node.get_input(1).get_node()
        name, bins = node.get_attribute("node"), spectrum.get_partial_shape()
        with self._refusing():
            if rate.get_type_name() != "Constant":
                raise Refusal("The sample rate of an Mfcc is computed in the graph", node=name, remedy=FREEZE_RATE)
            if bins.rank.is_dynamic or bins[2].is_dynamic:
                raise Refusal(
                    "The number of frequency bins that an Mfcc reads is not known",
                    node=name,
                    remedy=f'Convert with mo, which can be told: --input "0:{name}[1,?,BINS]"',
                )
            rate = int(rate.get_data().item())
            settings = MfccSettings(**{**_attributes(node, MfccSettings), "sample_rate": rate})
            emit = _emitter(node)
            return [audio.mfcc_of_spectrogram(emit, spectrum, settings, bins[2].get_length(), name)]

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except RecipeError as refusal:
            self.refusal = self.refusal or refusal  # the frontend goes on with other nodes
            raise

    def _check_features(self, node, x, hidden, cell, features: int) -> None:
        """OpenVINO itself notices other sizes only when the model is compiled."""
        size = node.get_attribute("hidden_size")
        for what, value, own in (("sequence", x, features), ("hidden state", hidden, size), ("cell state", cell, size)):
            shape = value.get_partial_shape()
            if shape.rank.is_static and shape[len(shape) - 1].is_static and shape[len(shape) - 1] != own:
                with self._refusing():
                    raise Refusal(
                        f"The LSTM gets a {what} of {shape[len(shape) - 1]} features, and its weights are for {own}",
                        node=node.get_attribute("node"),
                        remedy="Give the inputs the graph's own sizes",
                    )

    def _steps(self, node, x):
        """The sequence, of as many steps as the graph runs the LSTM for."""
        steps, shape = node.get_attribute("steps"), x.get_partial_shape()
        if not steps:
            return x
        if shape.rank.is_dynamic or shape[0].is_dynamic:  # not known to the frontend is not a contradiction
            return opset.slice(x, i64(0), i64(steps), i64(1), i64(0)).output(0)
        with self._refusing():
            if shape[0] != steps:
                raise Refusal(
                    f"The graph runs the LSTM for {steps} steps, but its sequence has {shape[0]} steps",
                    node=node.get_attribute("node"),
                    remedy=f"Export the graph with {steps} time steps",
                )
        return x


def _simple(lower: Callable, attributes: Sequence[str], node) -> list:
    inputs = (node.get_input(port) for port in range(node.get_input_size()))
    return [lower(_emitter(node), *inputs, *map(node.get_attribute, attributes))]


def _emitter(node) -> OpenVINOEmitter:
    return OpenVINOEmitter(node.get_attribute("node"))


def _attributes(node, settings: type) -> dict:
    """What the node says of the fields of a settings class, whose defaults are TensorFlow's."""
    return {field.name: node.get_attribute(field.name, field.default) for field in fields(settings)}
