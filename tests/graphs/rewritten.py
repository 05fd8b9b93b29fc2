"""What tools make of a frozen graph before somebody has it: other operations or names, numbers that are near."""

from collections.abc import Iterable

import numpy as np

from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, GraphBuilder, set_attr
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView, Tensor


def optimised(graph_def: bytes, keep: tuple[str, ...]) -> bytes:
    """TensorFlow's own optimiser (grappler), as for a CPU. keep: the nodes that stay: inputs and outputs."""
    from tests.support.reference import tensorflow

    tf = tensorflow()
    from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    message = tf.compat.v1.GraphDef.FromString(graph_def)
    for node in message.node:
        node.device = "/job:localhost/replica:0/task:0/device:CPU:0"
        node.attr.pop("_class", None)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(message, name="")
        meta = tf.compat.v1.train.export_meta_graph(graph_def=graph.as_graph_def(), graph=graph)
    kept = meta_graph_pb2.CollectionDef()
    kept.node_list.value.extend(keep)
    meta.collection_def["train_op"].CopyFrom(kept)
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.min_graph_nodes = -1
    config.graph_options.rewrite_options.remapping = rewriter_config_pb2.RewriterConfig.AGGRESSIVE
    return tf_optimizer.OptimizeGraph(config, meta).SerializeToString()


def stored(graph_def: bytes, kind: str, least: int = 64) -> bytes:
    """The graph with its weights behind what makes them of something smaller, of parts, or of another order.

    kind: 'half', 'bfloat16', 'MIN_FIRST', 'SCALED' and 'MIN_COMBINED' (quantize_weights and others), 'fake'
    (quantisation-aware training), 'norm' (weight normalisation), 'parts' (partitioned variables), 'packed',
    'turned'. least: constants with fewer numbers stay.
    """
    builder = GraphBuilder()
    builder.graph = graph = parse(GraphDef, graph_def, what="a graph")
    view = GraphView(graph.node)
    for node in [node for node in graph.node if node.op == "Const" and view.nodes[node.name].constant_shape()]:
        value = view.constant(Tensor(node.name))
        if value.dtype == np.float32 and value.ndim <= 2 and value.size >= least:
            _FORMS[kind](builder, node, value)
    return graph.SerializeToString(deterministic=True)


def obfuscated(graph_def: bytes, keep: Iterable[str] = (), first: str = "n") -> bytes:
    """The graph with names that say nothing, but for those of the nodes `keep`; first: what they begin with."""
    graph = parse(GraphDef, graph_def, what="a graph")
    names = {node.name: f"{first}{number * 7 % 10007}" for number, node in enumerate(graph.node)}
    names.update({name: name for name in keep})
    for node in graph.node:
        node.name = names[node.name]
        node.input[:] = [_renamed(reference, names) for reference in node.input]
        for attribute in ("_class", "shared_name"):
            node.attr.pop(attribute, None)
    return graph.SerializeToString(deterministic=True)


def _renamed(reference: str, names: dict[str, str]) -> str:
    mark = "^" if reference.startswith("^") else ""
    name, colon, port = reference.removeprefix("^").partition(":")
    return f"{mark}{names.get(name, name)}{colon}{port}"


def _becomes(node, op: str, inputs: list[str], **attributes) -> None:
    node.op = op
    node.attr.clear()
    node.input[:] = inputs
    for key, each in attributes.items():
        set_attr(node, key, each)


def _half(builder: GraphBuilder, node, value) -> None:
    kind = DType(DATA_TYPES["DT_HALF"])
    stored_as = builder.const(f"{node.name}/stored", value, np.float16)
    _becomes(node, "Cast", [stored_as], SrcT=kind, DstT=DType(FLOAT), Truncate=False)


def _bfloat16(builder: GraphBuilder, node, value) -> None:
    kind = DATA_TYPES["DT_BFLOAT16"]
    stored_as = builder.const(f"{node.name}/stored", (value.view(np.uint32) >> 16).astype(np.uint16))
    const = builder.graph.node[-1].attr
    const["dtype"].type = const["value"].tensor.dtype = kind
    _becomes(node, "Cast", [stored_as], SrcT=DType(kind), DstT=DType(FLOAT), Truncate=False)


def _norm(builder: GraphBuilder, node, value) -> None:
    """tf.nn.l2_normalize(v, 0) · g, as WeightNormLSTMCell has it."""
    plain, name = {"T": DType(FLOAT)}, node.name
    v, g = (builder.const(f"{name}/{what}", each) for what, each in (("v", value), ("g", value[:1] * 0 + 1.5)))
    axis, least = builder.const(f"{name}/axis", [0], np.int32), builder.const(f"{name}/least", 1e-12, np.float32)
    squares = builder.node(f"{name}/Square", "Square", [v], **plain)
    total = builder.node(f"{name}/Sum", "Sum", [squares, axis], **plain, Tidx=DType(INT32), keep_dims=True)
    bounded = builder.node(f"{name}/Maximum", "Maximum", [total, least], **plain)
    length = builder.node(f"{name}/Rsqrt", "Rsqrt", [bounded], **plain)
    normal = builder.node(f"{name}/Mul", "Mul", [v, length], **plain)
    _becomes(node, "Mul", [normal, g], T=DType(FLOAT))


def _quantised(mode: str):
    def write(builder: GraphBuilder, node, value) -> None:
        least, most = np.float32(min(value.min(), 0)), np.float32(max(value.max(), 0))
        if mode == "SCALED":
            kind, most = "DT_QINT8", np.abs(value).max()
            least, numbers = -most, np.round(value / most * 127).astype(np.int8)
        else:
            kind, numbers = "DT_QUINT8", np.round((value - least) / (most - least) * 255).astype(np.uint8)
        number = DATA_TYPES[kind]
        stored_as = builder.const(f"{node.name}_quantized_const", numbers)
        const = builder.graph.node[-1].attr
        const["dtype"].type = const["value"].tensor.dtype = number
        ends = [builder.const(f"{node.name}_quantized_{name}", end) for name, end in (("min", least), ("max", most))]
        _becomes(node, "Dequantize", [stored_as, *ends], T=DType(number), mode=mode)

    return write


def _fake(builder: GraphBuilder, node, value) -> None:
    ends = [value.min(axis=-2), value.max(axis=-2)] if value.ndim == 2 else [value.min(), value.max()]
    inputs = [
        builder.const(f"{node.name}/{name}", end)
        for name, end in zip(("kernel", "min", "max"), (value, *ends), strict=True)
    ]
    op = "FakeQuantWithMinMaxVars" + ("PerChannel" if value.ndim == 2 else "")
    _becomes(node, op, inputs, num_bits=8, narrow_range=True)


def _parts(builder: GraphBuilder, node, value) -> None:
    parts = [builder.const(f"{node.name}/part_{number}", part) for number, part in enumerate(np.array_split(value, 3))]
    copies = [builder.node(f"{part}/read", "Identity", [part], T=DType(FLOAT)) for part in parts]
    axis = builder.const(f"{node.name}/concat/axis", 0, np.int32)
    _becomes(node, "ConcatV2", [*copies, axis], T=DType(FLOAT), N=3, Tidx=DType(INT32))


def _packed(builder: GraphBuilder, node, value) -> None:
    rows = [builder.const(f"{node.name}/row_{number}", row) for number, row in enumerate(value)]
    _becomes(node, "Pack", rows, T=DType(FLOAT), N=len(rows), axis=0)


def _turned(builder: GraphBuilder, node, value) -> None:
    """A slice of something larger, in another shape and order."""
    larger = np.stack([value * 0 - 1, value]).reshape(2, -1)
    name = builder.const(f"{node.name}/larger", np.ascontiguousarray(larger.T))
    order = builder.const(f"{node.name}/perm", [1, 0], np.int32)
    turned = builder.node(f"{node.name}/turned", "Transpose", [name, order], T=DType(FLOAT), Tperm=DType(INT32))
    bounds = [builder.const(f"{node.name}/{part}", [at], np.int32) for part, at in (("b", 1), ("e", 2), ("s", 1))]
    masks = {"shrink_axis_mask": 1, "begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0}
    kinds = {"T": DType(FLOAT), "Index": DType(INT32)}
    row = builder.node(f"{node.name}/row", "StridedSlice", [turned, *bounds], **kinds, **masks)
    sizes = builder.const(f"{node.name}/sizes", value.shape, np.int32)
    _becomes(node, "Reshape", [row, sizes], T=DType(FLOAT), Tshape=DType(INT32))


_FORMS = {
    "half": _half,
    "bfloat16": _bfloat16,
    "norm": _norm,
    **{mode: _quantised(mode) for mode in ("MIN_FIRST", "SCALED", "MIN_COMBINED")},
    "fake": _fake,
    "parts": _parts,
    "packed": _packed,
    "turned": _turned,
}
