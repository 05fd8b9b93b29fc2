"""The layers of an acoustic model's IR, found by topology: where each ends, and the weights of the dense ones.

Their names (`ir.names`) are those of `features --tensor`, `convert --keep-fp16` and `diagnose`: `dense_1` to `dense_3`
(`dense_4` in forks), `lstm`, `dense_5`, and `dense_6`, the raw scores. `features` is what enters the first one.
"""

from __future__ import annotations

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import DENSE_BEFORE, DENSE_BEHIND, LSTM
from deepspeech_recipe.ir.precision import is_audio_constant

FEATURES = "features"

_RECURRENT = ("LSTMSequence", "TensorIterator", "Loop")
# Ops that move values without changing them → the input that holds the values.
_MOVING = dict.fromkeys(("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Concat", "Pad", "VariadicSplit"), 0)


def layer_ends(model) -> dict:
    """Layer → ov.Output where its values are computed, in an ov.Model.

    Raises RecipeError if the layers are not those of an acoustic model.
    """
    recurrent, before, after = _recurrent_and_products(model)
    into_lstm = None
    while before and not _is_sequence(recurrent) and _width(before[-1]) == 4 * _hidden_size(recurrent, after):
        into_lstm = before.pop().input_value(0)  # the input's product for all steps, outside of the loop
    if into_lstm is None:
        into_lstm = _read_sequence(recurrent, before)
    _check_counts(before, after)
    return named_ends([*map(_entering, before), _moved_from(into_lstm), *map(_entering, after), _biased(after[-1])])


def dense_products(model) -> dict:
    """Dense layer → MatMul by its weights, of an ov.Model with LSTMSequences. Raises RecipeError as layer_ends."""
    _, before, after = _recurrent_and_products(model)
    _check_counts(before, after)
    return dict(zip((*DENSE_BEFORE[: len(before)], *DENSE_BEHIND), before + after, strict=True))


def named_ends(ends: list) -> dict:
    """What enters the first dense layer, what enters each further layer, and the raw scores, by layer."""
    return dict(zip((FEATURES, *DENSE_BEFORE[: len(ends) - 4], LSTM, *DENSE_BEHIND), ends, strict=True))


def _recurrent_and_products(model):
    """The recurrences, and the products by weights before them and behind them, in the order of computation."""
    ordered = model.get_ordered_ops()
    recurrent = [node for node in ordered if node.get_type_name() in _RECURRENT]
    leading = set().union(*map(_ancestors, recurrent))
    if not recurrent or any(node.get_friendly_name() in leading for node in recurrent):
        raise RecipeError(
            f"The IR has {len(recurrent)} recurrent operations where one was looked for, or the two directions of v0.1."
        )
    products = [node for node in ordered if _is_weight_product(node)]
    before = [node for node in products if node.get_friendly_name() in leading]
    return recurrent, before, [node for node in products if node.get_friendly_name() not in leading]


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


def _is_sequence(recurrent: list) -> bool:
    return recurrent[0].get_type_name() == "LSTMSequence"


def _hidden_size(recurrent: list, after: list) -> int:
    """As the layer behind the recurrences reads it: of loops it is the size of what it reads of each."""
    if _is_sequence(recurrent):
        return recurrent[0].get_attributes()["hidden_size"]
    return _entering(after[0]).get_partial_shape()[-1].get_length() // len(recurrent) if after else 0


def _read_sequence(recurrent: list, before: list):
    """What the first recurrence reads as its sequence: the input that the dense layers lead to."""
    if _is_sequence(recurrent):
        return recurrent[0].input_value(0)
    last = before[-1].get_friendly_name() if before else ""
    for value in recurrent[0].input_values():
        if value.get_node().get_friendly_name() == last or last in _ancestors(value.get_node()):
            return value
    raise RecipeError("The IR's dense layers do not lead to its LSTM.")


def _entering(product):
    """What a product by weights reads, without the zeros that fill up a matrix of 8 bits."""
    value = product.input_value(0)
    return value.get_node().input_value(0) if value.get_node().get_type_name() == "Pad" else value


def _biased(product):
    """What a product is with its bias, which comes behind the cut of what filled up a matrix of 8 bits."""
    value = product.output(0)
    while len(readers := [port.get_node() for port in value.get_target_inputs()]) == 1:
        if readers[0].get_type_name() not in ("Slice", "Add"):
            break
        value = readers[0].output(0)
        if readers[0].get_type_name() == "Add":
            break
    return value


def _moved_from(value):
    """Back to where the values were computed."""
    while value.get_node().get_type_name() in _MOVING:
        value = value.get_node().input_value(_MOVING[value.get_node().get_type_name()])
    return value
