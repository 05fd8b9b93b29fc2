"""Audio constants stay FP32 whatever is done to weights: FP16 ones would cost 0.07 on MFCCs."""

import functools

import numpy as np

from deepspeech_recipe.ir.ov_api import ov

# Ends the friendly name of every float constant of the lowered audio operations.
AUDIO_F32 = "/audio_f32"
# OpenVINO's mark of what stays FP32; the second is its name in 2022.3.
_MARKS = ("precise_0", "disable_fp16_compression_0")

_CONSTANT_IR = """<net name="constant" version="11"><layers>
<layer id="0" name="{name}" type="Const" version="opset1">
<data element_type="f32" shape="{shape}" offset="0" size="{size}"/>
<rt_info><attribute name="precise" version="0"/></rt_info>
<output><port id="0" precision="FP32">{dims}</port></output></layer>
<layer id="1" name="result" type="Result" version="opset1">
<input><port id="0" precision="FP32">{dims}</port></input></layer>
</layers><edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/></edges></net>"""


def f32_constant(values: np.ndarray, name: str):
    """An OpenVINO Constant that no weight compression touches, nor any after saving and reading.

    Python cannot set the mark for this in all OpenVINO versions; reading an IR that has it can.
    """
    values = np.ascontiguousarray(values, np.float32)
    xml = _CONSTANT_IR.format(
        name=name + AUDIO_F32,
        shape=",".join(map(str, values.shape)),
        size=values.nbytes,
        dims="".join(f"<dim>{size}</dim>" for size in values.shape),
    )
    model = _core().read_model(xml.encode(), values.tobytes())
    return model.get_results()[0].input_value(0).get_node()


@functools.lru_cache(maxsize=None)  # Python 3.8
def _core():
    """One for all constants: each new one would look for its plugins again."""
    return ov.Core()


def keep_audio_fp32(model) -> None:
    """Exempts the audio constants of Model Optimizer's finished ov.Model from the compression that follows."""
    for node in model.get_ops():
        if is_audio_constant(node):
            for mark in _MARKS:
                node.get_rt_info()[mark] = ""


def is_audio_constant(node) -> bool:
    """Whether an OpenVINO node is a float constant of the lowered audio operations."""
    return node.get_type_name() == "Constant" and node.get_friendly_name().endswith(AUDIO_F32)
