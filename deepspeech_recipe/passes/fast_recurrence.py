"""The recurrence at memory speed: LSTMSequence → one product for all inputs, then a loop over the steps.

The plugin's LSTMSequence reads its recurrent matrix in f32 once a step. In a TensorIterator of our own the matrix
may be int8, which the CPU plugin keeps compressed: a quarter of the memory traffic of what is a memory-bound loop.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.ov_api import i64, opset, ov
from deepspeech_recipe.passes.lstm_loop import LENGTHS, B, R, W, X, lstm_loop, lstm_sequences, replace_outputs
from deepspeech_recipe.passes.sequence_lengths import without_pad_feature
from deepspeech_recipe.passes.shape_values import numbers, sizes
from deepspeech_recipe.passes.weight_matrix import (
    FORMATS,
    check_activations,
    constant_of,
    matrix_product,
    set_activations,
)

_PLAIN = {"activations": ["sigmoid", "tanh", "tanh"], "clip": 0.0}


def fast_recurrence(
    model: ov.Model, *, weights: str = "int8", input_weights: str = "fp32", activations: str = "int8"
) -> ov.Model:
    """Replaces every LSTMSequence of the model by a loop that is made for the CPU.

    weights: how the recurrent matrix is kept, 'int8', 'fp16' or 'fp32' (then the result is the same but for
    rounding). input_weights: how the matrix of the input product is kept. activations: as in
    `compress_weights`. Any batch and number of steps, fixed or open; forward, reverse and bidirectional sequences.
    Raises RecipeError if a sequence has other activations, clips, has weights that are not constants, or runs
    for lengths that are not all its steps.
    """
    for what, chosen in (("recurrent", weights), ("input", input_weights)):
        if chosen not in FORMATS:
            raise RecipeError(f"The {what} weights must be one of {', '.join(FORMATS)}, not {chosen!r}.")
    check_activations(activations)
    model = model.clone()
    if not lstm_sequences(model):
        raise RecipeError("The model has no LSTMSequence that could be made faster.")
    replace_sequences(model, weights=weights, input_weights=input_weights, activations=activations)
    if "int8" in (weights, input_weights):
        set_activations(model, activations)
    model.validate_nodes_and_infer_types()
    return model


def replace_sequences(model: ov.Model, *, weights: str, input_weights: str, activations: str) -> None:
    """Replaces every LSTMSequence as `fast_recurrence` does, in place; none if one of them cannot be."""
    every = [(node, _checked_weights(node)) for node in lstm_sequences(model)]
    for node, constants in every:
        _replace(node, constants, weights, input_weights, activations)


def _checked_weights(node) -> list[np.ndarray]:
    """W, R and B of an LSTMSequence. Raises RecipeError if a loop of ours is not exact for it."""
    name, attributes = node.get_friendly_name(), node.get_attributes()
    for key, plain in _PLAIN.items():
        if attributes.get(key, plain) != plain:
            raise RecipeError(f"The LSTMSequence '{name}' has {key} = {attributes[key]}; only {plain} is supported.")
    weights = [constant_of(node, port) for port in (W, R, B)]
    if not _runs_all_steps(node):
        raise RecipeError(
            f"The LSTMSequence '{name}' runs for lengths of its own. Make them an input with "
            "passes.sequence_lengths, which is exact, or let them be the number of steps."
        )
    return weights


def _runs_all_steps(node) -> bool:
    """Lengths that are the number of steps for each row."""
    lengths, shape = numbers(node.input_value(LENGTHS)), sizes(node.input_value(X))
    if not lengths or not shape:
        return False
    return all(length == shape[1] for length in lengths)


def _replace(node, weights: list[np.ndarray], recurrent: str, input_weights: str, activations: str) -> None:
    direction = str(node.get_attributes()["direction"]).lower()
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    parts = []
    for index, backward in enumerate(backwards):
        w, r, b = (values[index] for values in weights)
        gates = _input_product(node.input_value(X), w, b, input_weights, activations)
        gates.set_friendly_name(f"{node.get_friendly_name()}/input_product")
        product = partial(matrix_product, matrix=r, weights=recurrent, activations=activations)
        loop, outputs = lstm_loop(node, gates, product, index=index, backward=backward)
        loop.set_friendly_name(f"{node.get_friendly_name()}/loop_{index}")
        parts.append(outputs)
    if len(parts) == 2:
        parts = [[opset.concat(both, 1).output(0) for both in zip(*parts)]]
    replace_outputs(node, parts[0])


def _input_product(x, w: np.ndarray, b: np.ndarray, weights: str, activations: str):
    """The gates [B, T, 4H] before the hidden state is added."""
    matrix, pad = without_pad_feature(w)
    if pad is not None:
        # Its weights are so large that they would spoil the 8 bits of all the others in their rows.
        x, past = opset.variadic_split(x, np.int64(2), i64(matrix.shape[1], 1)).outputs()
    product = matrix_product(x, matrix, weights, activations)
    gates = opset.add(product, opset.constant(b[None, None]))
    return gates if pad is None else opset.add(gates, opset.multiply(past, opset.constant(pad[None, None])))
