"""Emits operations that are written once for both converters as OpenVINO nodes."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.ir.ov_api import opset
from deepspeech_recipe.ir.precision import f32_constant


class OpenVINOEmitter:
    """`emit(op, *inputs, **attributes)` adds one operation, named as in OpenVINO's Python opset.

    Inputs are outputs of nodes, or numpy arrays, which become constants. Returns the operation's output, or a list if
    it has several. Friendly names are the prefix and `name`, by default the operation's and a number. Float constants,
    which are those of audio, stay FP32 whatever is done to weights (`ir.precision`).
    """

    def __init__(self, prefix: str):
        self._prefix = prefix
        self._count = 0

    def __call__(self, op: str, *inputs, name: str = "", **attributes):
        self._count += 1
        name = f"{self._prefix}/{name or f'{op}_{self._count}'}"
        values = [
            self._constant(value, f"{name}/{port}") if isinstance(value, (np.ndarray, np.generic)) else value
            for port, value in enumerate(inputs)
        ]
        node = opset.concat(values, **attributes) if op == "concat" else getattr(opset, op)(*values, **attributes)
        node.set_friendly_name(name)
        outputs = node.outputs()
        return outputs[0] if len(outputs) == 1 else outputs

    def _constant(self, value, name: str):
        if value.dtype == np.float32:
            return f32_constant(value, name)
        node = opset.constant(value)
        node.set_friendly_name(name)
        return node
