"""The recurrence at memory speed: LSTMSequence → one product for all inputs, then a loop over the steps.

The plugin's LSTMSequence reads its recurrent matrix in f32 once a step. In a TensorIterator of our own the matrix
may be int8, which the CPU plugin keeps compressed: a quarter of the memory traffic of what is a memory-bound loop.
"""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.ov_api import Parameter, opset, ov
from deepspeech_recipe.passes.sequence_lengths import without_pad_feature
from deepspeech_recipe.passes.shape_values import numbers, sizes
from deepspeech_recipe.passes.weight_matrix import (
    FORMATS,
    check_activations,
    constant_of,
    matrix_product,
    set_activations,
)

_X, _HIDDEN, _CELL, _LENGTHS, _W, _R, _B = range(7)
_PLAIN = {"activations": ["sigmoid", "tanh", "tanh"], "clip": 0.0}


def fast_recurrence(model, *, weights: str = "int8", input_weights: str = "fp32", activations: str = "int8"):
    """Replaces every LSTMSequence of the model, in place, and returns the model.

    weights: how the recurrent matrix is kept, 'int8', 'fp16' or 'fp32' (then the result is the same but for
    rounding). input_weights: how the matrix of the input product is kept. activations: as in
    `compress_weights`. Any batch and number of steps, fixed or open; forward, reverse and bidirectional sequences.
    Raises RecipeError where a sequence has other activations, clips, has weights that are no constants, or runs
    for lengths that are not all its steps.
    """
    for what, chosen in (("recurrent", weights), ("input", input_weights)):
        if chosen not in FORMATS:
            raise RecipeError(f"The {what} weights must be one of {', '.join(FORMATS)}, not {chosen!r}.")
    check_activations(activations)
    sequences = [node for node in model.get_ordered_ops() if node.get_type_name() == "LSTMSequence"]
    if not sequences:
        raise RecipeError("The model has no LSTMSequence that could be made faster.")
    for node in sequences:
        _check(node)
    for node in sequences:
        _replace(node, weights, input_weights, activations)
    if "int8" in (weights, input_weights):
        set_activations(model, activations)
    model.validate_nodes_and_infer_types()
    return model


def _check(node) -> None:
    name, attributes = node.get_friendly_name(), node.get_attributes()
    for key, plain in _PLAIN.items():
        if attributes.get(key, plain) != plain:
            raise RecipeError(f"The LSTMSequence '{name}' has {key} = {attributes[key]}; only {plain} is supported.")
    if any(constant_of(node.input_value(port)) is None for port in (_W, _R, _B)):
        raise RecipeError(f"The LSTMSequence '{name}' has weights that are no constants.")
    if not _runs_all_steps(node):
        raise RecipeError(
            f"The LSTMSequence '{name}' runs for lengths of its own. Make them an input with passes.lengths, "
            "which is exact, or let them be the number of steps."
        )


def _runs_all_steps(node) -> bool:
    """Lengths that are the number of steps for each row."""
    lengths, shape = numbers(node.input_value(_LENGTHS)), sizes(node.input_value(_X))
    return bool(lengths and shape) and all(length == shape[1] for length in lengths)


def _replace(node, *formats: str) -> None:
    direction = str(node.get_attributes()["direction"]).lower()
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    parts = [_direction(node, index, backward, *formats) for index, backward in enumerate(backwards)]
    for port, outputs in enumerate(zip(*parts, strict=True)):
        new = outputs[0] if len(outputs) == 1 else opset.concat(outputs, 1).output(0)
        for reader in node.output(port).get_target_inputs():
            reader.replace_source_output(new)


def _direction(node, index: int, backward: bool, weights: str, input_weights: str, activations: str):
    """(hidden states [B, 1, T, H], last hidden and cell state [B, 1, H]) of one direction."""
    w, r, b = (constant_of(node.input_value(port))[index] for port in (_W, _R, _B))
    size, name = r.shape[1], node.get_friendly_name()
    gates = _input_product(node.input_value(_X), w, b, input_weights, activations)
    gates.set_friendly_name(f"{name}/input_product")
    first = [
        opset.squeeze(opset.gather(node.input_value(port), np.int64([index]), np.int64(1)), np.int64([1]))
        for port in (_HIDDEN, _CELL)
    ]
    loop, outputs = _loop(gates, *first, r, size, backward, weights, activations)
    loop.set_friendly_name(f"{name}/loop_{index}")
    return tuple(opset.unsqueeze(output, np.int64([1])).output(0) for output in outputs)


def _input_product(x, w: np.ndarray, b: np.ndarray, weights: str, activations: str):
    """The gates [B, T, 4H] before the hidden state is added."""
    matrix, pad = without_pad_feature(w)
    if pad is not None:
        # Its weights are so large that they would spoil the 8 bits of all the others in their rows.
        x, past = opset.variadic_split(x, np.int64(2), np.int64([matrix.shape[1], 1])).outputs()
    product = matrix_product(x, matrix, weights, activations)
    gates = opset.add(product, opset.constant(b[None, None]))
    return gates if pad is None else opset.add(gates, opset.multiply(past, opset.constant(pad[None, None])))


def _loop(gates, first_hidden, first_cell, recurrent: np.ndarray, size: int, backward: bool, *formats: str):
    """(hidden states [B, T, H], last hidden state, last cell state) of a loop over the steps of `gates`."""
    row = Parameter(ov.Type.f32, ov.PartialShape([-1, 1, 4 * size]))
    hidden, cell = (Parameter(ov.Type.f32, ov.PartialShape([-1, size])) for _ in range(2))
    total = opset.add(opset.squeeze(row, np.int64([1])), matrix_product(hidden, recurrent, *formats))
    forget, update, candidate, output = opset.split(total, np.int64(1), 4).outputs()
    kept = opset.multiply(opset.sigmoid(forget), cell)
    new_cell = opset.add(kept, opset.multiply(opset.sigmoid(update), opset.tanh(candidate)))
    new_hidden = opset.multiply(opset.sigmoid(output), opset.tanh(new_cell))
    step = opset.unsqueeze(new_hidden, np.int64([1]))
    body = ov.Model([opset.result(value) for value in (new_hidden, new_cell, step)], [row, hidden, cell], "step")
    loop = opset.tensor_iterator()
    loop.set_body(body)
    loop.set_merged_input(hidden, first_hidden.output(0), new_hidden.output(0))
    loop.set_merged_input(cell, first_cell.output(0), new_cell.output(0))
    # Slices run from step 0 on, or from the last one back; their parts are put together the same way.
    start, stride, end = (-1, -1, 0) if backward else (0, 1, -1)
    loop.set_sliced_input(row, gates.output(0), start, stride, 1, end, 1)
    states = loop.get_concatenated_slices(step.output(0), start, stride, 1, end, 1)
    return loop, (states, *(loop.get_iter_value(value.output(0), -1) for value in (new_hidden, new_cell)))
