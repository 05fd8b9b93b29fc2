from functools import partial

import numpy as np
from openvino.tools.mo.front.common.partial_infer.utils import int64_array
from openvino.tools.mo.front.common.replacement import FrontReplacementPattern
from openvino.tools.mo.front.tf.graph_utils import create_op_with_const_inputs
from openvino.tools.mo.graph.graph import Graph, Node, rename_nodes
from openvino.tools.mo.ops.broadcast import Broadcast
from openvino.tools.mo.ops.Cast import Cast
from openvino.tools.mo.ops.const import Const
from openvino.tools.mo.ops.gather import Gather
from openvino.tools.mo.ops.reshape import Reshape
from openvino.tools.mo.ops.result import Result
from openvino.tools.mo.ops.shape import Shape
from openvino.tools.mo.ops.squeeze import Squeeze
from openvino.tools.mo.ops.transpose import Transpose
from openvino.tools.mo.ops.unsqueeze import Unsqueeze
from openvino.tools.mo.utils.shape import new_shape_node_from_shape_nodes, node_to_get_shape_value_of_indices

from ...ops.recipe_lstm import RecipeLSTMSequence

from deepspeech_recipe.converters.mo_hook import on_finished
from deepspeech_recipe.passes.general_cell import with_general_cell
from deepspeech_recipe.passes.sequence_lengths import gate_sequence

TIME_AND_BATCH = int64_array([1, 0, 2])


class RecipeLSTMLowering(FrontReplacementPattern):
    """
    Replaces RecipeLSTM with Transpose → LSTMSequence → Squeeze → Transpose.

    The sequence lengths are T for each row, taken from the input's shape: T and B stay free. Where rows stop earlier,
    their own lengths stand there until the model is finished; then `passes.sequence_lengths` makes them exact.
    """

    enabled = True

    def run_before(self):
        from openvino.tools.mo.front.tf.BlockLSTM import BlockLSTM

        return [BlockLSTM]

    def find_and_replace_pattern(self, graph: Graph):
        for node in graph.get_op_nodes(op="RecipeLSTM"):
            self.replace(graph, node)

    @staticmethod
    def replace(graph: Graph, node: Node):
        name = node.soft_get("name", node.id)
        sequence = create_op_with_const_inputs(graph, Transpose, {1: TIME_AND_BATCH}, {"name": f"{name}/batch_major"})
        sequence.in_port(0).connect(node.in_port(0).get_source())
        states = []
        for port, what in ((1, "hidden"), (2, "cell")):
            state = create_op_with_const_inputs(
                graph, Unsqueeze, {1: int64_array([1])}, {"name": f"{name}/initial_{what}_state"}
            )
            state.in_port(0).connect(node.in_port(port).get_source())
            states.append(state)
        lengths = _own_lengths(graph, node, name) if node.is_in_port_connected(3) else _all_steps(graph, sequence, name)
        weights = [
            Const(graph, {"name": f"{name}/{letter}", "value": value}).create_node()
            for letter, value in zip("WRB", node.weights)
        ]
        lstm = RecipeLSTMSequence(
            graph,
            {
                "name": f"{name}/lstm",
                "hidden_size": node.hidden_size,
                "steps": node.steps,
                "direction": node.soft_get("direction", "forward"),
            },
        ).create_node()
        for port, source in enumerate((sequence, *states, lengths, *weights)):
            lstm.in_port(port).connect(source.out_port(0))
        peepholes, clip = node.soft_get("peepholes", None), node.soft_get("clip", 0.0)
        if clip or peepholes is not None:
            action = partial(with_general_cell, name=name, peepholes=peepholes, clip=clip)
            on_finished(graph, f"cell of {name}", action)
        _replace_outputs(graph, node, lstm, name)
        rename_nodes([(node, f"{name}/replaced"), (lstm, name)])
        graph.remove_node(node.id)


def _all_steps(graph: Graph, sequence: Node, name: str) -> Node:
    shape = Shape(graph, {"name": f"{name}/shape"}).create_node()
    shape.in_port(0).connect(sequence.out_port(0))
    lengths = Broadcast(graph, {"name": f"{name}/lengths"}).create_node()
    lengths.in_port(0).connect(node_to_get_shape_value_of_indices(shape, [1]).out_port(0))
    lengths.in_port(1).connect(node_to_get_shape_value_of_indices(shape, [0]).out_port(0))
    return lengths


def _own_lengths(graph: Graph, node: Node, name: str) -> Node:
    lengths = Cast(graph, {"name": f"{name}/lengths", "dst_type": np.int64}).create_node()
    lengths.in_port(0).connect(node.in_port(3).get_source())
    on_finished(graph, f"lengths of {name}", partial(gate_sequence, name=name))
    return lengths


def _replace_outputs(graph: Graph, node: Node, lstm: Node, name: str):
    def squeezed(port: int, what: str):
        squeeze = create_op_with_const_inputs(graph, Squeeze, {1: int64_array([1])}, {"name": f"{name}/{what}"})
        squeeze.in_port(0).connect(lstm.out_port(port))
        return squeeze

    if not node.out_port(0).disconnected():
        hidden = create_op_with_const_inputs(graph, Transpose, {1: TIME_AND_BATCH}, {"name": f"{name}/time_major"})
        hidden.in_port(0).connect(squeezed(0, "hidden_states").out_port(0))
        node.out_port(0).get_connection().set_source(hidden.out_port(0))
    else:
        _occupy(graph, lstm, 0, name)
    for port, what in ((1, "last_hidden_state"), (2, "last_cell_state")):
        if not node.out_port(port).disconnected():
            node.out_port(port).get_connection().set_source(squeezed(port, what).out_port(0))
        else:
            _occupy(graph, lstm, port, name)


def _occupy(graph: Graph, lstm: Node, port: int, name: str):
    """MO numbers the outputs that are used: without the ones before it, an output would become another one. The plugin
    drops it again (`passes.unused`)."""
    Result(graph, {"name": f"{name}/unused_{port}"}).create_node().in_port(0).connect(lstm.out_port(port))


class RecipeSplitTimeLowering(FrontReplacementPattern):
    """
    Replaces RecipeSplitTime with a Reshape whose T and B are read from its second input.
    """

    enabled = True

    def find_and_replace_pattern(self, graph: Graph):
        for node in graph.get_op_nodes(op="RecipeSplitTime"):
            name = node.soft_get("name", node.id)
            shape = Shape(graph, {"name": f"{name}/reference_shape"}).create_node()
            shape.in_port(0).connect(node.in_port(1).get_source())
            time_and_batch = node_to_get_shape_value_of_indices(shape, [0, 1])
            features = Const(graph, {"name": f"{name}/features", "value": int64_array([node.features])}).create_node()
            reshape = Reshape(graph, {"name": f"{name}/reshape"}).create_node()
            reshape.in_port(0).connect(node.in_port(0).get_source())
            reshape.in_port(1).connect(new_shape_node_from_shape_nodes([time_and_batch, features]).out_port(0))
            node.out_port(0).get_connection().set_source(reshape.out_port(0))
            rename_nodes([(node, f"{name}/replaced"), (reshape, name)])
            graph.remove_node(node.id)


class RecipeExchangeLowering(FrontReplacementPattern):
    """
    Replaces RecipeExchange with a Transpose.
    """

    enabled = True

    def find_and_replace_pattern(self, graph: Graph):
        for node in graph.get_op_nodes(op="RecipeExchange"):
            _replace_one(graph, node, Transpose, {1: TIME_AND_BATCH})


class RecipeStepLowering(FrontReplacementPattern):
    """
    Replaces RecipeStep with a Gather.
    """

    enabled = True

    def find_and_replace_pattern(self, graph: Graph):
        for node in graph.get_op_nodes(op="RecipeStep"):
            _replace_one(graph, node, Gather, {1: np.int64(node.step), 2: np.int64(0)})


def _replace_one(graph: Graph, node: Node, operation, constants: dict):
    name = node.soft_get("name", node.id)
    new = create_op_with_const_inputs(graph, operation, constants, {"name": f"{name}/lowered"})
    new.in_port(0).connect(node.in_port(0).get_source())
    node.out_port(0).get_connection().set_source(new.out_port(0))
    rename_nodes([(node, f"{name}/replaced"), (new, name)])
    graph.remove_node(node.id)
