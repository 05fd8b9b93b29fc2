from openvino.tools.mo.front.common.replacement import FrontReplacementPattern
from openvino.tools.mo.graph.graph import Graph, Node
from openvino.tools.mo.ops.result import Result

from ...ops.recipe_lstm import RecipeLSTM, RecipeLSTMSequence

from deepspeech_recipe.converters import lowering
from deepspeech_recipe.converters.mo_emitter import MOEmitter, replace_node


class RecipeLowering(FrontReplacementPattern):
    """
    Replaces the plugin's own operations with OpenVINO's:

    RecipeLSTM → Transpose, LSTMSequence, Squeeze, Transpose; RecipeSwapTimeBatch → Transpose;
    RecipeTimeStep → Gather; RecipeUnflattenTime, RecipeReshape → Reshape; RecipePack → Unsqueeze, Concat.

    T and B stay free: what depends on them is read from shapes.
    """

    enabled = True

    def run_before(self):
        from openvino.tools.mo.front.tf.BlockLSTM import BlockLSTM

        return [BlockLSTM]

    def find_and_replace_pattern(self, graph: Graph):
        for node in graph.get_op_nodes(op=RecipeLSTM.op):
            replace_node(graph, node, _lstm(_emitter(node), node, *_sources(node)))
        for op, (lower, attributes) in lowering.SIMPLE.items():
            for node in graph.get_op_nodes(op=op):
                values = [node[name] for name in attributes]
                replace_node(graph, node, [lower(_emitter(node), *_sources(node), *values)])


def _emitter(node: Node) -> MOEmitter:
    name = node.soft_get("name", node.id)
    return MOEmitter(node.graph, name, operations={"lstm_sequence": RecipeLSTMSequence})


def _sources(node: Node) -> list:
    return [port.get_source() for port in node.in_ports().values() if not port.disconnected()]


def _lstm(emit, node: Node, x, hidden, cell, lengths=None) -> list:
    ports, outputs = lowering.lstm(
        emit, x, hidden, cell, lengths, node.weights, hidden_size=node.hidden_size, direction=node.direction
    )
    ports[0].node["steps"] = node.steps
    for port in ports:
        if not node.is_out_port_connected(port.idx):
            # MO numbers the outputs that are used: without the ones before it, an output would become another one. The
            # plugin drops it again (`drop_unused_outputs`).
            Result(node.graph, {"name": f"{port.node.name}/unused_{port.idx}"}).create_node().in_port(0).connect(port)
    return outputs
