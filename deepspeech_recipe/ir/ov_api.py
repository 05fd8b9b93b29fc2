"""OpenVINO's Python names, which moved: the plugin runs with releases from 2022.3 on, the library with the newest."""

import numpy as np

try:  # 2025 and later
    import openvino as ov
    from openvino import op
    from openvino import opset13 as opset
except ImportError:
    from openvino import runtime as ov
    from openvino.runtime import op

    try:
        from openvino.runtime import opset13 as opset
    except ImportError:  # 2023.1 and older; what the passes need is in both
        from openvino.runtime import opset10 as opset

from deepspeech_recipe.ir.names import both_forms

Constant, Parameter = op.Constant, op.Parameter

__all__ = ["Constant", "Parameter", "i64", "new_input", "opset", "ov", "rebuild", "sinks_of"]


def i64(*values: int) -> np.ndarray:
    """A vector of int64, as OpenVINO takes axes, sizes and indices."""
    return np.array(values, np.int64)


def new_input(name: str, dtype, shape):
    """A Parameter under both forms of its name."""
    parameter = opset.parameter(shape, dtype, name=name)
    parameter.output(0).get_tensor().set_names(both_forms(name))
    return parameter


def sinks_of(model) -> list:
    """The Assigns that the model runs though no output reads them (`get_sinks`, which 2022.3 does not have)."""
    return [node for node in model.get_ops() if node.get_type_name() == "Assign"]


def rebuild(model, *, results=None, sinks=None, parameters=None):
    """The same model with other results, sinks or parameters; name and rt_info are kept."""
    new = ov.Model(
        list(model.get_results() if results is None else results),
        list(sinks_of(model) if sinks is None else sinks),
        list(model.get_parameters() if parameters is None else parameters),
        model.get_friendly_name(),
    )
    for key, value in model.get_rt_info().items():
        new.set_rt_info(value, [key])
    return new
