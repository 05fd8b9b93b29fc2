"""OpenVINO's Python names, which moved between 2024.6 and 2025."""

import openvino as ov

try:
    from openvino import opset13 as opset
    from openvino.op import Constant, Parameter, Result
except ImportError:  # 2024.6
    from openvino.runtime import opset13 as opset
    from openvino.runtime.op import Constant, Parameter, Result

__all__ = ["Constant", "Parameter", "Result", "opset", "ov", "rebuild"]


def rebuild(model, *, results=None, sinks=None, parameters=None):
    """The same model with other results, sinks or parameters; name and rt_info are kept."""
    new = ov.Model(
        list(model.get_results() if results is None else results),
        list(model.get_sinks() if sinks is None else sinks),
        list(model.get_parameters() if parameters is None else parameters),
        model.get_friendly_name(),
    )
    for key, value in model.get_rt_info().items():
        new.set_rt_info(value, [key])
    return new
