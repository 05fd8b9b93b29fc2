"""Loops that the plugin leaves as they are, by OpenVINO's own frontend, as `mo` converts them without `--extensions`.

That option selects MO's legacy pipeline, which fails on most loops: those of TensorFlow 2 with its lists of tensors,
and what of TensorFlow 1 is not a plain GRU or LSTM of fixed sizes. So the frontend gets the edited graph, and the
legacy pipeline a graph of one node in its place; at the end what the frontend made takes the place of that one.
"""

from __future__ import annotations

from collections.abc import Iterable

from openvino.tools.mo.graph.graph import Graph

from deepspeech_recipe.converters import mo_graph
from deepspeech_recipe.converters.mo_arguments import Arguments
from deepspeech_recipe.converters.mo_hook import on_finished
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import GraphDef
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.names import stem
from deepspeech_recipe.patterns.while_loop import WHILE_OPS
from deepspeech_recipe.rewrite.edits import Edits, NewNode
from deepspeech_recipe.rewrite.general import General
from deepspeech_recipe.rewrite.reachability import edited_inputs

_LOOPS = ("Enter", "RefEnter", *WHILE_OPS)
_STAND_IN = "recipe_stand_in"


def has_loops(view: GraphView, edits: Edits) -> bool:
    """Whether the edited graph has loops, or the lists of tensors that they write."""
    replaced = {node.name for node in edits.replace}
    nodes = (view.nodes[name] for name in edited_inputs(view, edits) if name in view.nodes and name not in replaced)
    return any(node.op in _LOOPS or node.op.startswith("TensorList") for node in nodes)


def convert(graph: Graph, arguments: Arguments, view: GraphView, general: General) -> bool:
    """Converts an MO graph that was just loaded, and leaves a stand-in; False if it cannot, and nothing has changed."""
    try:
        from deepspeech_recipe.converters.graphdef_edits import apply_edits
        from deepspeech_recipe.converters.openvino import outputs_of, translate_edited
    except ImportError:  # the first releases have no frontend that takes operations of our own
        return False
    edited = apply_edits(_graph_def(graph), view, general.edits, general.ends or outputs_of(view, general))
    try:
        ov_model = translate_edited(edited, arguments.convert_by_frontend)
    except RecipeError:  # `mo` tries its legacy pipeline then
        return False
    for name in list(graph.nodes()):
        graph.remove_node(name)
    stand_in = [NewNode(_STAND_IN, "Placeholder", (), {"shape": (1,)})]
    stand_in.append(NewNode(f"{_STAND_IN}/output", "Identity", (Tensor(_STAND_IN),)))
    mo_graph.apply_edits(graph, Edits(add=stand_in), {})
    for port in ov_model.inputs:  # as the legacy pipeline names them, and users in --mean_values
        port.tensor.add_names({stem(name) for name in port.get_names()})
    on_finished(graph, "frontend", lambda _: ov_model)
    return True


def _graph_def(graph: Graph):
    """The GraphDef that MO's loader read. Its messages are TensorFlow's."""
    graph_def = GraphDef()
    _copy((node["pb"] for _, node in graph.nodes(data=True) if node.get("pb") is not None), graph_def.node)
    for name, own in graph.graph.get("library", {}).items():
        function = graph_def.library.function.add()
        function.signature.name = name
        _copy(own["input_arg"], function.signature.input_arg)
        _copy(own["output_arg"], function.signature.output_arg)
        _copy(own["node_def"], function.node_def)
        function.ret.update(own["ret"])
    return graph_def


def _copy(messages: Iterable, target) -> None:
    for message in messages:
        target.add().ParseFromString(message.SerializeToString())
