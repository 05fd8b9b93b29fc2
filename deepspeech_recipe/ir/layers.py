"""The layers of an acoustic model's IR, found by topology: where each ends, and the weights of the dense ones.

Their names (`ir.names`) are those of `features --tensor`, `convert --keep-fp16` and `diagnose`: `dense_1` to `dense_3`
(`dense_4` in forks), `lstm`, `dense_5`, and `dense_6`, the raw scores. `features` is what enters the first one.
"""

from __future__ import annotations

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import DENSE_BEFORE, DENSE_BEHIND, LOGITS, LSTM, find_output
from deepspeech_recipe.ir.precision import is_audio_constant

FEATURES = "features"
# In the order of computation. The states and `logits` are outputs of the model.
ORDER = (FEATURES, *DENSE_BEFORE, LSTM, "cell state", "hidden state", *DENSE_BEHIND, LOGITS)

_RECURRENT = ("LSTMSequence", "TensorIterator", "Loop")
# Ops that move values without changing them → the input that holds the values.
_MOVING = {"Transpose": 0, "Reshape": 0, "Squeeze": 0, "Unsqueeze": 0, "Concat": 0}


def layer_ends(model) -> dict:
    """Layer → ov.Output where its values are computed, in an ov.Model.

    Raises RecipeError if the layers are not those of a unidirectional acoustic model.
    """
    recurrent, before, after = _recurrent_and_products(model)
    outside = before and _width(before[-1]) == 4 * _hidden_size(recurrent, after)
    if outside and recurrent.get_type_name() != "LSTMSequence":
        into_lstm = before.pop().input_value(0)
    else:
        into_lstm = _sequence(recurrent, before)
    _check_counts(before, after)
    source = find_output(model, LOGITS).get_node().input_value(0)
    if source.get_node().get_type_name() == "Slice":  # a streaming model cuts off the step that was not due
        source = source.get_node().input_value(0)
    scores = source.get_node().input_value(0) if source.get_node().get_type_name() == "Softmax" else source
    ends = [node.input_value(0) for node in before] + [_moved_from(into_lstm)]
    return named_ends(ends + [node.input_value(0) for node in after] + [scores])


def dense_products(model) -> dict:
    """Dense layer → MatMul by its weights, of an ov.Model with one LSTMSequence. Raises RecipeError as layer_ends."""
    _, before, after = _recurrent_and_products(model)
    _check_counts(before, after)
    return dict(zip((*DENSE_BEFORE[: len(before)], *DENSE_BEHIND), before + after, strict=True))


def named_ends(ends: list) -> dict:
    """What enters the first dense layer, what enters each further layer, and the raw scores, by layer."""
    return dict(zip((FEATURES, *DENSE_BEFORE[: len(ends) - 4], LSTM, *DENSE_BEHIND), ends, strict=True))


def _recurrent_and_products(model):
    """The recurrence, and the products by weights before it and behind it, in the order of computation."""
    ordered = model.get_ordered_ops()
    recurrent = [node for node in ordered if node.get_type_name() in _RECURRENT]
    if len(recurrent) != 1:
        raise RecipeError(
            f"The IR has {len(recurrent)} recurrent operations where one was looked for. A bidirectional network "
            "(v0.1) is compared by verify alone."
        )
    leading = _ancestors(recurrent[0])
    products = [node for node in ordered if _is_weight_product(node)]
    before = [node for node in products if node.get_friendly_name() in leading]
    return recurrent[0], before, [node for node in products if node.get_friendly_name() not in leading]


def _check_counts(before: list, after: list) -> None:
    if not 1 <= len(before) <= len(DENSE_BEFORE) or len(after) != len(DENSE_BEHIND):
        raise RecipeError(
            f"The IR has {len(before)} weight matrices before the LSTM and {len(after)} behind it, where 1 to 4 and 2 "
            "were looked for."
        )


def _ancestors(node) -> set[str]:
    """The names of all that a node is computed from."""
    found, pending = set(), [node]
    for each in pending:
        for value in each.input_values():
            source = value.get_node()
            if source.get_friendly_name() not in found:
                found.add(source.get_friendly_name())
                pending.append(source)
    return found


def _is_weight_product(node) -> bool:
    """A MatMul by a constant, compressed or not, of the network."""
    if node.get_type_name() != "MatMul" or is_audio_constant(node.input_value(1).get_node()):
        return False
    sources = [node.input_value(1).get_node()]
    for source in sources:
        if source.get_type_name() in ("Parameter", "ReadValue", *_RECURRENT):
            return False
        sources += [value.get_node() for value in source.input_values()]
    return True


def _width(product) -> int:
    return product.output(0).get_partial_shape()[-1].get_length()


def _hidden_size(recurrent, after) -> int:
    if recurrent.get_type_name() == "LSTMSequence":
        return recurrent.get_attributes()["hidden_size"]
    return after[0].input_value(0).get_partial_shape()[-1].get_length() if after else 0


def _sequence(recurrent, before):
    """What a recurrent operation reads as its sequence: the input that the dense layers lead to."""
    if recurrent.get_type_name() == "LSTMSequence":
        return recurrent.input_value(0)
    last = before[-1].get_friendly_name() if before else ""
    for value in recurrent.input_values():
        if value.get_node().get_friendly_name() == last or last in _ancestors(value.get_node()):
            return value
    raise RecipeError("The IR's dense layers do not lead to its LSTM.")


def _moved_from(value):
    """Back to where the values were computed."""
    while value.get_node().get_type_name() in _MOVING:
        value = value.get_node().input_value(_MOVING[value.get_node().get_type_name()])
    return value
