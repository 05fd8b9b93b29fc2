"""Emits operations that are written once for both converters as Model Optimizer nodes, in its front phase."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from openvino.tools.mo.graph.graph import Graph, Node, rename_nodes
from openvino.tools.mo.ops.activation_ops import Log
from openvino.tools.mo.ops.broadcast import Broadcast
from openvino.tools.mo.ops.Cast import Cast
from openvino.tools.mo.ops.concat import Concat
from openvino.tools.mo.ops.const import Const
from openvino.tools.mo.ops.elementwise import Add, Maximum, Mul, Sqrt
from openvino.tools.mo.ops.gather import Gather
from openvino.tools.mo.ops.MatMul import MatMul
from openvino.tools.mo.ops.range import Range
from openvino.tools.mo.ops.reshape import Reshape
from openvino.tools.mo.ops.shape import Shape
from openvino.tools.mo.ops.split import Split
from openvino.tools.mo.ops.squeeze import Squeeze
from openvino.tools.mo.ops.transpose import Transpose
from openvino.tools.mo.ops.unsqueeze import Unsqueeze

from deepspeech_recipe.ir.precision import AUDIO_F32

_OPS = {
    "add": Add,
    "broadcast": Broadcast,
    "concat": Concat,
    "convert": Cast,
    "gather": Gather,
    "log": Log,
    "matmul": MatMul,
    "maximum": Maximum,
    "multiply": Mul,
    "range": Range,
    "reshape": Reshape,
    "shape_of": Shape,
    "split": Split,
    "sqrt": Sqrt,
    "squeeze": Squeeze,
    "transpose": Transpose,
    "unsqueeze": Unsqueeze,
}
# OpenVINO's attributes of types → Model Optimizer's.
_TYPES = {"output_type": "output_type", "destination_type": "dst_type"}


class MOEmitter:
    """`emit(op, *inputs, **attributes)`, as `ir.ov_emitter` has it, with out-ports in place of outputs.

    operations: op → MO class, for operations of the plugin's own.
    """

    def __init__(self, graph: Graph, prefix: str, operations: Mapping = MappingProxyType({})):
        self._graph, self._prefix = graph, prefix
        self._operations = {**_OPS, **operations}

    def __call__(self, op: str, *inputs, name: str = "", **attributes):
        for key, own in _TYPES.items():
            if key in attributes:
                attributes[own] = {"i64": np.int64}[attributes.pop(key)]
        if op == "concat":
            attributes["in_ports_count"] = len(inputs)
        node = self._operations[op](self._graph, {"name": f"{self._prefix}/{name or op}", **attributes}).create_node()
        for port, value in enumerate(inputs):
            if isinstance(value, (np.ndarray, np.generic)):
                value = self._constant(np.asarray(value), f"{node.name}/{port}")
            node.in_port(port).connect(value)  # in this direction the framework's names stay on the edge
        outputs = list(node.out_ports().values())
        return outputs[0] if len(outputs) == 1 else outputs

    def _constant(self, value, name: str):
        name += AUDIO_F32 if value.dtype == np.float32 else ""
        return Const(self._graph, {"name": name, "value": value}).create_node().out_port(0)


def replace_node(graph: Graph, node: Node, outputs: list) -> None:
    """Puts out-ports where those of a node were; the node of the first one gets its name."""
    name = node.soft_get("name", node.id)
    for port, output in enumerate(outputs):
        if node.is_out_port_connected(port):
            node.out_port(port).get_connection().set_source(output)
    rename_nodes([(node, f"{name}/replaced"), (outputs[0].node, name)])
    graph.remove_node(node.id)
