"""Emits the lowered audio operations as OpenVINO nodes."""

import numpy as np

from deepspeech_recipe.ir.ov_api import opset
from deepspeech_recipe.ir.precision import f32_constant


class OpenVINOEmitter:
    """emit(op, *inputs, **attributes) for deepspeech_recipe.audio.lowering; friendly names get a prefix."""

    def __init__(self, prefix: str = "audio"):
        self._prefix = prefix
        self._count = 0

    def __call__(self, op: str, *inputs, **attributes):
        self._count += 1
        name = f"{self._prefix}/{op}_{self._count}"
        inputs = [
            self._constant(value, f"{name}/{port}") if isinstance(value, np.ndarray | np.generic) else value
            for port, value in enumerate(inputs)
        ]
        node = getattr(opset, op)(*inputs, **attributes)
        node.set_friendly_name(name)
        outputs = node.outputs()
        return outputs[0] if len(outputs) == 1 else outputs

    def _constant(self, value, name: str):
        if value.dtype == np.float32:
            return f32_constant(value, name)
        node = opset.constant(value)
        node.set_friendly_name(name)
        return node
