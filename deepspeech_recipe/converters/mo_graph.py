"""Edits on Model Optimizer's graph as its loader leaves it: nodes and edges, no ports yet."""

from openvino.tools.mo.front.common.partial_infer.utils import dynamic_dimension_value, shape_array
from openvino.tools.mo.front.tf.extractor import create_tf_edge
from openvino.tools.mo.graph.graph import Graph, Node
from openvino.tools.mo.ops.elementwise import Add
from openvino.tools.mo.ops.identity import Identity
from openvino.tools.mo.ops.parameter import Parameter

from deepspeech_recipe.graphdef.check import check_nodes
from deepspeech_recipe.graphdef.node import Function
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.rewrite.edits import Edits, NewNode


def view_of(graph: Graph) -> GraphView:
    """The recogniser's view of a graph that was just loaded: every node still has its NodeDef.

    What a directory of checkpoints (--input_checkpoint DIR) says of variables lies beside the graph.
    Raises RecipeError if nodes lack what their operations need (`graphdef.check`)."""
    nodes = [node["pb"] for _, node in graph.nodes(data=True) if node.get("pb") is not None]
    functions = {}
    for name, function in graph.graph.get("library", {}).items():
        arguments, outputs = ([arg.name for arg in function[key]] for key in ("input_arg", "output_arg"))
        results = tuple(function["ret"][output] for output in outputs)
        functions[name] = Function(tuple(arguments), results, tuple(function["node_def"]))
    check_nodes(nodes, functions)
    return GraphView(nodes, functions, graph.graph.get("variables_values"))


def apply_edits(graph: Graph, edits: Edits, operations: dict) -> None:
    """Applies edits. operations: op name → MO operation class, for the ops of our own."""
    for node in edits.add:
        graph.add_node(node.name)
        _fill(graph, node, operations)
    for old, new in edits.redirect.items():
        _redirect(graph, old, new)
    for node in edits.replace:
        graph.remove_edges_from(list(graph.in_edges(node.name, keys=True)))
        graph.node[node.name].clear()
        _fill(graph, node, operations)
    for node in (*edits.replace, *edits.add):
        for port, tensor in enumerate(node.inputs):
            graph.add_edges_from([_edge(tensor, node.name, port)])
    for name in edits.remove:
        _remove(graph, name)
    for node in edits.add:
        if node.op == "Identity":
            _keep_name_as_output(graph, node.name)


def exchange_terms(graph: Graph, name: str) -> None:
    """W · x + b → b + W · x for a vector b: MO's own pattern of an LSTM cell knows the one order only."""
    node = Node(graph, name)
    if node.soft_get("type") == "BiasAdd":
        Add.update_node_stat(node, {"data_type": node.soft_get("data_type", None)})
    for _, _, attributes in graph.in_edges(name, data=True):
        if "in" in attributes:
            attributes["in"] = 1 - attributes["in"]


def _fill(graph: Graph, node: NewNode, operations: dict) -> None:
    attributes = {"name": node.name, **node.attributes}
    if node.op == "Placeholder":
        sizes = [dynamic_dimension_value if size < 0 else size for size in node.attributes["shape"]]
        attributes["shape"] = shape_array(sizes)
    operation = {"Identity": Identity, "Placeholder": Parameter, **operations}[node.op]
    graph.node[node.name]["name"] = node.name
    if len(node.inputs) > 1 and node.op in operations:
        attributes["in_ports_count"] = len(node.inputs)
    operation.update_node_stat(Node(graph, node.name), attributes)


def _edge(source: Tensor, target: str, port: int):
    return create_tf_edge(f"{source.node}:{source.port}" if source.port else source.node, target, port)


def _remove(graph: Graph, name: str) -> None:
    """Removes a node and the loader's dummies behind it, which keep output names."""
    for _, dummy in list(graph.out_edges(name)):
        if graph.node[dummy].get("needs_removal"):
            graph.remove_node(dummy)
    graph.remove_node(name)


def _redirect(graph: Graph, old: Tensor, new: Tensor) -> None:
    for source, target, key, attributes in list(graph.out_edges(old.node, data=True, keys=True)):
        if attributes["out"] == old.port:
            graph.remove_edge(source, target, key)
            graph.add_edges_from([_edge(new, target, attributes["in"])])


def _keep_name_as_output(graph: Graph, name: str) -> None:
    """The loader puts a dummy behind every output, whose edge carries the tensor's name to the Result."""
    dummy = graph.unique_id(name)
    graph.add_node(
        dummy,
        name=dummy,
        identity=True,
        kind="op",
        op="Identity",
        infer=None,
        needs_removal=True,
        symbol_dict={"op": "Identity"},
    )
    graph.add_edges_from([create_tf_edge(name, dummy, 0)])
