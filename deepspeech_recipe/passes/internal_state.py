"""Internal state: pairs of input and output become ReadValue and Assign."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.initial_state import first_state
from deepspeech_recipe.ir.names import both_forms, find
from deepspeech_recipe.ir.ov_api import opset, rebuild, sinks_of


def internal_state(model, pairs: dict[str, str], initial: Mapping[str, np.ndarray] = MappingProxyType({})):
    """Replaces state tensors by variables of the same name as the input. Returns the new model.

    pairs: input name → output name. initial: input name → what the state begins with, zeros if it is not named: before
    the first call and after `reset_state()` (`initial_state.initial_states`).
    Raises RecipeError where a tensor is missing, the state's shape is dynamic, or its initial value has another batch.
    """
    parameters, results, sinks = list(model.get_parameters()), list(model.get_results()), sinks_of(model)
    for input_name, output_name in pairs.items():
        port = find(model.inputs, both_forms(input_name))
        output = find(model.outputs, both_forms(output_name))
        if port is None or output is None:
            raise RecipeError(
                f"The state '{input_name}' → '{output_name}' cannot become internal: the model has no "
                f"{'input' if port is None else 'output'} of that name. Is its state internal already?"
            )
        if port.get_partial_shape().is_dynamic:
            raise RecipeError(
                f"The state '{input_name}' has the shape {port.get_partial_shape()}, internal state needs a fixed one. "
                "Set the batch (--batch 1), or keep the state external."
            )
        parameter, result = port.get_node(), output.get_node()
        begin = first_state(initial.get(input_name), list(port.get_shape()), input_name)
        read = opset.read_value(opset.constant(begin), input_name)
        read.set_friendly_name(input_name)
        for reader in port.get_target_inputs():
            reader.replace_source_output(read.output(0))
        sinks.append(opset.assign(_as_node(result.input_value(0)), input_name))
        parameters = [each for each in parameters if each.get_friendly_name() != parameter.get_friendly_name()]
        results = [each for each in results if each.get_friendly_name() != result.get_friendly_name()]
    return rebuild(model, results=results, sinks=sinks, parameters=parameters)


def _as_node(output):
    """A node with this value as its only output: `assign` takes the first output of the node it is given."""
    node = output.get_node()
    if node.get_output_size() == 1:
        return node
    return opset.reshape(output, np.int64(list(output.get_shape())), False)
