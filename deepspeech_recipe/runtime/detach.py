"""The acoustic model inside an IR with attached audio, so that long audio can go through it in chunks."""

import numpy as np

from deepspeech_recipe.ov_api import opset, ov, rebuild
from deepspeech_recipe.passes.names import both_forms, find

_HIDDEN, _CELL = 1, 2  # LSTMSequence: inputs, and outputs too


def detach_audio(model, window_shape: tuple[int, int]):
    """`samples` → `logits` of whole utterances ⇒ `input_node`, states → `logits`, new states. Returns a new model.

    window_shape: frames and features of a window. None where the model does not have the form that
    `passes.attach_audio` gives it. An input `sample_lengths` stays: a large number makes every frame count.
    """
    model = model.clone()
    windows = next(filter(lambda port: _is_windows(port, window_shape), _ports(model)), None)
    lstms = [node for node in model.get_ops() if node.get_type_name() == "LSTMSequence"]
    if windows is None or len(lstms) != 1 or model.get_sinks():
        return None
    shape = windows.get_partial_shape()
    parameters = [_parameter("input_node", shape)]
    for reader in windows.get_target_inputs():
        reader.replace_source_output(parameters[0].output(0))
    results = list(model.get_results())
    for port, kind in ((_CELL, "c"), (_HIDDEN, "h")):
        size = lstms[0].get_attributes()["hidden_size"]
        state = _parameter(f"previous_state_{kind}", ov.PartialShape([shape[0], size]))
        lstms[0].input(port).replace_source_output(opset.unsqueeze(state, np.int64([1])).output(0))
        result = opset.result(opset.squeeze(lstms[0].output(port), np.int64([1])))
        result.output(0).get_tensor().set_names(both_forms(f"new_state_{kind}"))
        parameters.append(state)
        results.append(result)
    samples = find(model.inputs, both_forms("samples")).get_node().get_friendly_name()
    parameters += [each for each in model.get_parameters() if each.get_friendly_name() != samples]
    model = rebuild(model, results=results, parameters=parameters)
    model.validate_nodes_and_infer_types()
    return model


def _ports(model):
    return (port for node in model.get_ordered_ops() for port in node.outputs())


def _is_windows(port, window_shape) -> bool:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 4 or port.get_node().get_type_name() == "Constant":
        return False
    return shape[2:].is_static and tuple(shape[2:].to_shape()) == window_shape


def _parameter(name: str, shape):
    parameter = opset.parameter(shape, np.float32, name=name)
    parameter.output(0).get_tensor().set_names(both_forms(name))
    return parameter
