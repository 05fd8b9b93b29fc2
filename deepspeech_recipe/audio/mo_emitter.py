"""Emits the lowered audio operations as Model Optimizer nodes, front phase."""

import numpy as np
from openvino.tools.mo.ops.activation_ops import Log
from openvino.tools.mo.ops.const import Const
from openvino.tools.mo.ops.elementwise import Add, Maximum, Mul, Sqrt
from openvino.tools.mo.ops.gather import Gather
from openvino.tools.mo.ops.MatMul import MatMul
from openvino.tools.mo.ops.range import Range
from openvino.tools.mo.ops.shape import Shape
from openvino.tools.mo.ops.split import Split
from openvino.tools.mo.ops.transpose import Transpose
from openvino.tools.mo.ops.unsqueeze import Unsqueeze

from deepspeech_recipe.ir.precision import AUDIO_F32

_OPS = {
    "add": Add,
    "gather": Gather,
    "log": Log,
    "matmul": MatMul,
    "maximum": Maximum,
    "multiply": Mul,
    "range": Range,
    "shape_of": Shape,
    "split": Split,
    "sqrt": Sqrt,
    "transpose": Transpose,
    "unsqueeze": Unsqueeze,
}


class MOEmitter:
    """emit(op, *inputs, **attributes) for deepspeech_recipe.audio.lowering; node names get a prefix.

    Inputs and outputs are out-ports.
    """

    def __init__(self, graph, prefix: str):
        self._graph, self._prefix = graph, prefix

    def __call__(self, op: str, *inputs, **attributes):
        if attributes.get("output_type") == "i64":
            attributes["output_type"] = np.int64
        name = f"{self._prefix}/{op}"
        node = _OPS[op](self._graph, {"name": name, **attributes}).create_node()
        for port, value in enumerate(inputs):
            if isinstance(value, (np.ndarray, np.generic)):
                value = self._constant(np.asarray(value), f"{node.name}/{port}")
            value.connect(node.in_port(port))
        outputs = [node.out_port(port) for port in range(attributes.get("num_splits", 1))]
        return outputs[0] if len(outputs) == 1 else outputs

    def _constant(self, value, name: str):
        name += AUDIO_F32 if value.dtype == np.float32 else ""
        return Const(self._graph, {"name": name, "value": value}).create_node().out_port(0)
