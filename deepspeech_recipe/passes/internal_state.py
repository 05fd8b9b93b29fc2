"""Internal state: pairs of input and output become variables, which OpenVINO keeps from call to call."""

from __future__ import annotations

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.initial_state import first_state, initial_states
from deepspeech_recipe.ir.metadata import metadata_of, write_metadata
from deepspeech_recipe.ir.names import STATE_PAIRS, find_input, find_output
from deepspeech_recipe.ir.ov_api import i64, opset, ov, rebuild, sinks_of


def internal_state(model: ov.Model) -> ov.Model:
    """Replaces every state's input and output by a ReadValue and an Assign, with a variable named as the input.

    The metadata say which the states are (without metadata: those of an acoustic model, `ir.names.STATE_PAIRS`), and
    what they begin with, before the first call and after `reset_state()`, zeros by default. They say afterwards that
    the state is internal.
    Raises RecipeError if there is no state, a tensor of one is missing, its shape is dynamic, or its initial value has
    another batch.
    """
    metadata = metadata_of(model)
    pairs, initial = metadata.get("states", STATE_PAIRS), initial_states(metadata)
    if not any(find_input(model, name) for name in pairs):
        raise RecipeError(
            "Internal state was asked for, but no input of the IR is a state whose new value is an output. "
            "Convert it with external state"
        )
    model = model.clone()
    parameters, results, sinks = model.get_parameters(), model.get_results(), sinks_of(model)
    for input_name, output_name in pairs.items():
        port = find_input(model, input_name)
        output = find_output(model, output_name)
        if port is None or output is None:
            raise RecipeError(
                f"The state '{input_name}' → '{output_name}' cannot become internal: the model has no "
                f"{'input' if port is None else 'output'} of that name. Convert it with all of its inputs and outputs."
            )
        if port.get_partial_shape().is_dynamic:
            raise RecipeError(
                f"The state '{input_name}' has the shape {port.get_partial_shape()}, internal state needs a fixed one. "
                "Set the batch (--batch 1), or keep the state external."
            )
        result = output.get_node()
        begin = first_state(initial.get(input_name), list(port.get_shape()), input_name)
        read = opset.read_value(opset.constant(begin), input_name)
        read.set_friendly_name(input_name)
        for reader in port.get_target_inputs():
            reader.replace_source_output(read.output(0))
        sinks.append(opset.assign(_as_node(result.input_value(0)), input_name))
        parameters = [node for node in parameters if node.get_friendly_name() != port.get_node().get_friendly_name()]
        results = [node for node in results if node.get_friendly_name() != result.get_friendly_name()]
    model = rebuild(model, results=results, sinks=sinks, parameters=parameters)
    if metadata:
        write_metadata(model, {**metadata, "state": "internal"})
    return model


def fix_batch(model: ov.Model, batch: int) -> ov.Model:
    """Gives the inputs that leave the batch open, their first axis, this one. Internal state needs it."""
    model, shapes = model.clone(), {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        if shape.rank.is_static and len(shape) and shape[0].is_dynamic:
            shape[0] = batch
            shapes[port] = shape
    if not shapes:
        known = {shape[0].get_length() for shape in map(_shape, model.inputs) if shape.rank.is_static and len(shape)}
        if batch not in known:
            raise _other_batch(model, batch, "the graph leaves no input's first axis open")
    own = _other_batch(model, batch, "other parts of the graph have another one written down")
    try:
        model.reshape(shapes)
    except RuntimeError as error:  # a stateful Keras layer's state, for one
        raise own from error
    return model


def _other_batch(model: ov.Model, batch: int, why: str) -> RecipeError:
    own = ", ".join(f"'{port.get_any_name()}' {port.get_partial_shape()}" for port in model.inputs)
    return RecipeError(
        f"The batch cannot be {batch}: {why} ({own}). Leave --batch out, or export the graph with that batch."
    )


def _shape(port):
    return port.get_partial_shape()


def _as_node(output):
    """A node with this value as its only output: `assign` takes the first output of the node it is given."""
    node = output.get_node()
    if node.get_output_size() == 1:
        return node
    return opset.reshape(output, i64(*output.get_shape()), False)
