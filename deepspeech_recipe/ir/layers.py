"""The layers of a model, by topology: their names, and where they end in an IR.

features: what enters the first dense layer. dense 1 to 3 (1 to 4 in forks), LSTM output, dense 5: what enters the next
layer. dense 6: the raw scores. The states and the head are outputs of the model.
"""

from __future__ import annotations

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.precision import is_audio_constant

# In the order of computation.
_BEFORE, _BEHIND = ("dense 1", "dense 2", "dense 3", "dense 4"), ("dense 5", "dense 6")
ORDER = ("features", *_BEFORE, "LSTM output", "cell state", "hidden state", *_BEHIND, "head")

DENSE_BEFORE = range(1, len(_BEFORE) + 1)
_RECURRENT = ("LSTMSequence", "TensorIterator", "Loop")
# Ops that move values without changing them → the input that holds the values.
_MOVING = {"Transpose": 0, "Reshape": 0, "Squeeze": 0, "Unsqueeze": 0, "Concat": 0}


def stages_of_ir(model, logits) -> dict:
    """Stage → ov.Output in an ov.Model. logits: the model's output of that name."""
    order = {node.get_friendly_name(): place for place, node in enumerate(model.get_ordered_ops())}
    recurrent = [node for node in model.get_ops() if node.get_type_name() in _RECURRENT]
    if len(recurrent) != 1:
        raise RecipeError(
            f"The IR has {len(recurrent)} recurrent operations where one was looked for. A bidirectional network "
            "(v0.1) is compared by verify alone."
        )
    behind = _ancestors(recurrent[0])
    everything = _ancestors(logits.get_node())
    products = sorted(filter(_is_weight_product, everything.values()), key=lambda node: order[node.get_friendly_name()])
    before = [node for node in products if node.get_friendly_name() in behind]
    after = [node for node in products if node.get_friendly_name() not in behind]
    hidden = 4 * _hidden_size(recurrent[0], after)
    outside = before and _width(before[-1]) == hidden and recurrent[0].get_type_name() != "LSTMSequence"
    into_lstm = before.pop().input_value(0) if outside else _sequence(recurrent[0], before)
    if len(before) not in DENSE_BEFORE or len(after) != 2:
        raise RecipeError(
            f"The IR has {len(before)} weight matrices before the LSTM and {len(after)} behind it, where 1 to 4 and 2 "
            "were looked for."
        )
    source = logits.get_node().input_value(0)
    if source.get_node().get_type_name() == "Slice":  # a streaming model cuts off the step that was not due
        source = source.get_node().input_value(0)
    scores = source.get_node().input_value(0) if source.get_node().get_type_name() == "Softmax" else source
    ends = [node.input_value(0) for node in before] + [_moved_from(into_lstm)]
    ends += [node.input_value(0) for node in after] + [scores]
    return named(ends)


def _ancestors(node) -> dict:
    """name → node of all that a node is computed from."""
    found, queue = {}, [node]
    for each in queue:
        for value in each.input_values():
            source = value.get_node()
            if source.get_friendly_name() not in found:
                found[source.get_friendly_name()] = source
                queue.append(source)
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


def named(ends: list) -> dict:
    return dict(zip(("features", *_BEFORE[: len(ends) - 4], "LSTM output", *_BEHIND), ends, strict=True))
