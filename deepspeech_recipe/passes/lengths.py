"""Batches with unequal lengths: an input `lengths`, exact for every row."""

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import both_forms, find
from deepspeech_recipe.ir.ov_api import Parameter, ov, rebuild
from deepspeech_recipe.passes.sequence_lengths import stop_at_lengths

NAME = "lengths"


def lengths_input(model):
    """Adds the input `lengths`, i64 [B], in windows: row b consumes its first lengths[b] windows. Returns the model.

    The states of a row are those after its length: the previous ones, unchanged, where the length is 0. Rows of
    `logits` past the length are what the framework computes there, from a hidden state of zeros. Lengths below 0
    count as 0, lengths above T as T. Works for external and internal state, with fixed and with open T and B.

    The two directions of v0.1 both stop there. Raises RecipeError where the model has such an input already, or no
    LSTMSequence.
    """
    if find(model.inputs, both_forms(NAME)) is not None:
        raise RecipeError("The model has an input 'lengths' already.")
    lstms = [node for node in model.get_ordered_ops() if node.get_type_name() == "LSTMSequence"]
    backward = [node for node in lstms if node.get_attributes()["direction"] == "reverse"]
    if len(lstms) - len(backward) != 1 or len(backward) > 1:
        raise RecipeError(f"An input of lengths needs a model with one LSTMSequence, this one has {len(lstms)}.")
    windows = find(model.inputs, both_forms("input_node"))
    batch = windows.get_partial_shape()[0]
    parameter = Parameter(ov.Type.i64, ov.PartialShape([batch]))
    parameter.set_friendly_name(NAME)
    parameter.output(0).get_tensor().set_names(both_forms(NAME))
    for lstm in lstms:
        stop_at_lengths(lstm, parameter.output(0))
    model = rebuild(model, parameters=[*model.get_parameters(), parameter])
    model.validate_nodes_and_infer_types()
    return model
