"""The recipe's own operations in OpenVINO's: translators for its TensorFlow frontend.

The frontend tells a translator neither the node's name nor its type, so names are attributes.
"""

from collections.abc import Sequence

import numpy as np
from openvino.frontend.tensorflow import ConversionExtension

from deepspeech_recipe.converters.graphdef_edits import WEIGHT
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.ov_api import opset
from deepspeech_recipe.passes.general_cell import general_cell
from deepspeech_recipe.passes.sequence_lengths import outputs_at_lengths
from deepspeech_recipe.rewrite.edits import EXCHANGE, RECIPE_LSTM, SPLIT_TIME, STEP

_TIME_AND_BATCH = np.int64([1, 0, 2])


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
            ConversionExtension(SPLIT_TIME, _split_time),
            ConversionExtension(
                EXCHANGE, lambda context: [opset.transpose(context.get_input(0), _TIME_AND_BATCH).output(0)]
            ),
            ConversionExtension(STEP, _step),
        ]

    def _weight(self, context):
        return [opset.constant(self._weights[context.get_attribute("index")], shared_memory=True).output(0)]

    def _lstm(self, context):
        """RecipeLSTM → Transpose → LSTMSequence → Squeeze → Transpose. The sequence lengths are T for each row, taken
        from the input's shape, so T and B stay free; rows that stop earlier are `passes.sequence_lengths`'s work."""
        x, hidden, cell, *weights = (context.get_input(port) for port in range(6))
        self._check_steps(context, x)
        sequence = opset.transpose(x, _TIME_AND_BATCH)
        shape = opset.shape_of(sequence)
        one = np.int64([1])
        lstm = opset.lstm_sequence(
            sequence,
            opset.unsqueeze(hidden, one),
            opset.unsqueeze(cell, one),
            opset.broadcast(_sizes(shape, [1]), _sizes(shape, [0])),
            *weights,
            context.get_attribute("hidden_size"),
            context.get_attribute("direction"),
        )
        outputs = lstm.outputs()
        if context.get_attribute("lengths"):
            outputs = outputs_at_lengths(lstm, opset.convert(context.get_input(6), "i64"))
        clip, peepholes = context.get_attribute("clip"), None
        if context.get_attribute("peepholes"):
            peepholes = context.get_input(6).get_node().get_data()
        if clip or peepholes is not None:
            outputs = general_cell(lstm, peepholes, clip)
        states, last_hidden, last_cell = (opset.squeeze(output, one) for output in outputs)
        return [opset.transpose(states, _TIME_AND_BATCH).output(0), last_hidden.output(0), last_cell.output(0)]

    def _check_steps(self, context, x) -> None:
        steps, shape = context.get_attribute("steps"), x.get_partial_shape()
        if steps and not (shape.rank.is_static and shape[0] == steps):
            time = shape[0] if shape.rank.is_static else "an unknown number of"
            self.refusal = Refusal(
                f"The graph runs the LSTM for {steps} steps, but its sequence has {time} steps",
                node=context.get_attribute("node"),
                remedy=f"Export the graph with {steps} time steps",
            )
            raise self.refusal


def _split_time(context):
    """RecipeSplitTime → Reshape to T and B of the second input."""
    data, reference = context.get_input(0), context.get_input(1)
    features = np.int64([context.get_attribute("features")])
    shape = opset.concat([_sizes(opset.shape_of(reference), [0, 1]), opset.constant(features)], 0)
    return [opset.reshape(data, shape, False).output(0)]


def _step(context):
    return [opset.gather(context.get_input(0), np.int64(context.get_attribute("step")), np.int64(0)).output(0)]


def _sizes(shape, axes: list[int]):
    return opset.gather(shape, np.int64(axes), np.int64(0))
