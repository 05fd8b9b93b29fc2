"""The recipe's own operations for OpenVINO's TensorFlow frontend: one translator for each.

The frontend tells a translator neither the node's name nor its type, so names are attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from openvino.frontend.tensorflow import ConversionExtension

from deepspeech_recipe.converters import lowering
from deepspeech_recipe.converters.graphdef_edits import WEIGHT
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.ov_api import opset
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
            *(ConversionExtension(op, partial(_simple, *how)) for op, how in lowering.SIMPLE.items()),
        ]

    def _weight(self, node):
        return [opset.constant(self._weights[node.get_attribute("index")], shared_memory=True).output(0)]

    def _lstm(self, node):
        x, hidden, cell, *weights = (node.get_input(port) for port in range(6))
        lengths = node.get_input(6) if node.get_attribute("lengths") else None
        self._check_steps(node, x)
        attributes = {name: node.get_attribute(name) for name in ("hidden_size", "direction")}
        return lowering.lstm(_emitter(node), x, hidden, cell, lengths, weights, **attributes)[1]

    def _check_steps(self, node, x) -> None:
        steps, shape = node.get_attribute("steps"), x.get_partial_shape()
        if steps and not (shape.rank.is_static and shape[0] == steps):
            time = shape[0] if shape.rank.is_static else "an unknown number of"
            self.refusal = Refusal(
                f"The graph runs the LSTM for {steps} steps, but its sequence has {time} steps",
                node=node.get_attribute("node"),
                remedy=f"Export the graph with {steps} time steps",
            )
            raise self.refusal


def _simple(lower: Callable, attributes: Sequence[str], node) -> list:
    inputs = (node.get_input(port) for port in range(node.get_input_size()))
    return [lower(_emitter(node), *inputs, *map(node.get_attribute, attributes))]


def _emitter(node) -> OpenVINOEmitter:
    return OpenVINOEmitter(node.get_attribute("node"))
