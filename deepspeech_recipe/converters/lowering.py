"""The recipe's own operations (`rewrite.edits`) in OpenVINO's terms, written once for both converters.

`emit(op, *inputs, **attributes)` adds an operation: `ir.ov_emitter`, `converters.mo_emitter`. The functions take the
inputs and then the attributes of an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from deepspeech_recipe.ir.ov_api import i64
from deepspeech_recipe.passes.lstm_loop import general_cell
from deepspeech_recipe.passes.sequence_lengths import stop_at_own_lengths
from deepspeech_recipe.rewrite.edits import (
    PACK,
    RECIPE_LSTM,
    RESHAPE,
    SWAP_TIME_BATCH,
    TIME_STEP,
    UNFLATTEN_TIME,
    Edits,
)

_SWAPPED = i64(1, 0, 2)
_NAME = "lstm"


def lstm(emit, x, hidden, cell, lengths, weights, *, hidden_size: int, direction: str):
    """RecipeLSTM: (the outputs of an LSTMSequence, the three outputs of RecipeLSTM).

    Without lengths (None) every row runs for T steps, T being read from the input's shape: T and B stay free. Where
    rows stop earlier, or the cell is not a plain one, `exact_lstms` makes it exact.
    """
    one = i64(1)
    sequence = swap_time_batch(emit, x)
    states = [emit("unsqueeze", state, one) for state in (hidden, cell)]
    if lengths is None:
        lengths = emit("broadcast", _sizes(emit, sequence, 1), _sizes(emit, sequence, 0))
    else:
        lengths = emit("convert", lengths, destination_type="i64")
    attributes = {"hidden_size": hidden_size, "direction": direction}
    outputs = emit("lstm_sequence", sequence, *states, lengths, *weights, **attributes, name=_NAME)
    squeezed, *last = (emit("squeeze", output, one) for output in outputs)
    return outputs, [swap_time_batch(emit, squeezed), *last]


def swap_time_batch(emit, data):
    """RecipeSwapTimeBatch: [a, b, c] → [b, a, c]."""
    return emit("transpose", data, _SWAPPED)


def time_step(emit, data, step: int):
    """RecipeTimeStep: [T, …] → […]."""
    return emit("gather", data, np.int64(step), np.int64(0))


def reshape(emit, data, sizes):
    """RecipeReshape: the same numbers in another shape."""
    return emit("reshape", data, i64(*sizes), special_zero=False)


def pack(emit, *values):
    """RecipePack: N × […] → [N, …]."""
    return emit("concat", *(emit("unsqueeze", value, i64(0)) for value in values), axis=0)


def unflatten_time(emit, data, reference, features: int):
    """RecipeUnflattenTime: [T·B, F] → [T, B, F], T and B being read from a reference [T, B, …]."""
    shape = emit("concat", _sizes(emit, reference, 0, 1), i64(features), axis=0)
    return emit("reshape", data, shape, special_zero=False)


# With one output: operation → (its lowering, the names of its attributes).
SIMPLE: dict[str, tuple[Callable, tuple[str, ...]]] = {
    SWAP_TIME_BATCH: (swap_time_batch, ()),
    TIME_STEP: (time_step, ("step",)),
    RESHAPE: (reshape, ("sizes",)),
    PACK: (pack, ()),
    UNFLATTEN_TIME: (unflatten_time, ("features",)),
}


def _sizes(emit, values, *axes: int):
    return emit("gather", emit("shape_of", values), i64(*axes), np.int64(0))


def exact_lstms(edits: Edits) -> Iterator[tuple[str, Callable]]:
    """(what it does, ov.Model → ov.Model) of all that makes the edits' LSTMs exact once they are LSTMSequences."""
    for node in edits.add:
        if node.op != RECIPE_LSTM:
            continue
        name, lengths = f"{node.name}/{_NAME}", len(node.inputs) > 3
        if node.attributes["activations"] is not None:
            own = {key: node.attributes[key] for key in ("peepholes", "clip", "activations")}
            yield f"cell of {node.name}", partial(general_cell, name=name, lengths=lengths, **own)
        elif lengths:
            yield f"lengths of {node.name}", partial(stop_at_own_lengths, name=name)
