"""A constant is whatever constants alone make: weights of half precision or in parts, sizes that were sliced."""

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, INT32, INT64, DType, GraphBuilder, set_attr
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef, parse
from deepspeech_recipe.graphdef.tensor import from_numpy, to_numpy
from deepspeech_recipe.graphdef.view import MOST_AXES, GraphView, Tensor
from deepspeech_recipe.sources.canonical.nodes import F32, I32
from deepspeech_recipe.verification import verify
from tests.support.bundled import MODEL
from tests.support.reference import run_graph

HALF, BFLOAT16 = DATA_TYPES["DT_HALF"], DATA_TYPES["DT_BFLOAT16"]


def constants() -> GraphBuilder:
    """A node of every kind that folds, by the name of its operation."""
    graph = GraphBuilder()
    rows = graph.const("rows", np.arange(12).reshape(3, 4), np.float32)
    one, two = (graph.const(f"n{number}", number, np.int32) for number in (1, 2))
    sizes = graph.const("sizes", [2, 6], np.int32)
    graph.node("Cast", "Cast", [rows], SrcT=DType(FLOAT), DstT=DType(INT32), Truncate=False)
    for op in ("AddV2", "Sub", "Mul", "Minimum", "Maximum", "RealDiv"):
        graph.node(op, op, [rows, graph.const(f"{op}/y", [3, 1, 4, 1], np.float32)], **F32)
    graph.node("BiasAdd", "BiasAdd", [rows, graph.const("bias", [3, 1, 4, 1], np.float32)], **F32, data_format="NHWC")
    graph.node("ZerosLike", "ZerosLike", [rows], **F32)
    graph.node("Neg", "Neg", [rows], **F32)
    graph.node("Square", "Square", [rows], **F32)
    graph.node("Sqrt", "Sqrt", [rows], **F32)
    graph.node("Rsqrt", "Rsqrt", ["Maximum"], **F32)
    for name, axes, keep in (
        ("Sum", [0, -1], {"keep_dims": False}),
        ("of_columns", [0], {"keep_dims": True}),
        ("of_rows", [1], {}),  # as a graph without default values has it
    ):
        graph.node(name, "Sum", [rows, graph.const(f"{name}/axes", axes, np.int32)], **F32, Tidx=DType(INT32), **keep)
    for name, source, target in (("to_bfloat16", FLOAT, BFLOAT16), ("from_bfloat16", BFLOAT16, FLOAT)):
        node = "RealDiv" if source == FLOAT else "to_bfloat16"
        graph.node(name, "Cast", [node], SrcT=DType(source), DstT=DType(target), Truncate=False)
    graph.node("Transpose", "Transpose", [rows, graph.const("perm", [1, 0], np.int32)], **F32, Tperm=DType(INT32))
    graph.node("Reshape", "Reshape", [rows, sizes], **F32, Tshape=DType(INT32))
    graph.node("ExpandDims", "ExpandDims", [rows, one], **F32, Tdim=DType(INT32))
    graph.node("Squeeze", "Squeeze", ["ExpandDims"], **F32, squeeze_dims=[1])
    graph.node("ConcatV2", "ConcatV2", [rows, "Mul", one], **F32, N=2, Tidx=DType(INT32))
    graph.node("Concat", "Concat", [one, rows, "Mul"], **F32, N=2)
    graph.node("SplitV", "SplitV", [rows, graph.const("parts", [1, -1, 1], np.int64), one], **F32, num_split=3)
    begin, size = graph.const("begin", [1, 0], np.int32), graph.const("size", [2, -1], np.int32)
    graph.node("Slice", "Slice", [rows, begin, size], **F32, Index=DType(INT32))
    graph.node("Pack", "Pack", [one, two, one], **I32, N=3, axis=0)
    graph.node("Unpack", "Unpack", [rows], **F32, num=4, axis=1)
    graph.node("Split", "Split", [one, rows], **F32, num_split=2)
    graph.node("Fill", "Fill", [sizes, graph.const("seven", 7, np.float32)], **F32, index_type=DType(INT32))
    graph.node("Range", "Range", [one, graph.const("nine", 9, np.int32), two], Tidx=DType(INT32))
    masks = dict.fromkeys(("begin_mask", "end_mask", "shrink_axis_mask", "ellipsis_mask", "new_axis_mask"), 0)
    for name, given, begin, end, strides in (
        ("row", {"shrink_axis_mask": 1}, [-1, 0], [0, 3], [1, 2]),
        ("with_axis", {"new_axis_mask": 1, "end_mask": 2}, [0, 1], [0, 0], [1, 1]),
        ("last_column", {"ellipsis_mask": 1, "shrink_axis_mask": 2}, [0, -1], [0, 0], [1, 1]),
    ):
        bounds = [
            graph.const(f"{name}/{part}", value, np.int32)
            for part, value in zip("bes", (begin, end, strides), strict=True)
        ]
        graph.node(name, "StridedSlice", ["Mul", *bounds], **F32, Index=DType(INT32), **{**masks, **given})
    add_quantized(graph, rows)
    return graph


def add_quantized(graph: GraphBuilder, rows: str) -> None:
    """Numbers of 8 bits and what makes floats of them, in every mode."""
    numbers = np.array([[0, 1, 17, 128, 255], [200, 3, 64, 127, 129], [5, 90, 250, 33, 2]])
    for kind, dtype in (("DT_QUINT8", np.uint8), ("DT_QINT8", np.int8), ("DT_QINT16", np.int16)):
        value = (numbers + np.iinfo(dtype).min // 2 * (dtype == np.int16)).astype(dtype)
        stored = graph.const(kind, value)
        node, number = graph.graph.node[-1], DATA_TYPES[kind]
        node.attr["dtype"].type = node.attr["value"].tensor.dtype = number
        for mode in ("MIN_FIRST", "SCALED", "MIN_COMBINED"):
            ends = [graph.const(f"{kind}/{mode}/{end}", end, np.float32) for end in (-0.37, 1.9)]
            graph.node(f"{kind}/{mode}", "Dequantize", [stored, *ends], T=DType(number), mode=mode)
        ends = [graph.const(f"{kind}/axis/{end[0]}", end, np.float32) for end in ([-0.5, -2, -6], [1.5, 1, 7])]
        attributes = {"T": DType(number), "mode": "SCALED", "axis": 0, "narrow_range": dtype != np.uint8}
        graph.node(f"{kind}/axis", "Dequantize", [stored, *ends], **attributes)
    ends = [graph.const(f"fake/{end}", end, np.float32) for end in (0.7, 9.6)]
    graph.node("fake", "FakeQuantWithMinMaxVars", [rows, *ends], num_bits=4, narrow_range=True)
    columns = [
        graph.const(f"fakes/{name}", value, np.float32)
        for name, value in (("least", [0, -3, 2, 0]), ("most", [9, 8, 7, 0]))
    ]
    graph.node("fakes", "FakeQuantWithMinMaxVarsPerChannel", [rows, *columns])
    graph.node("fake_arguments", "FakeQuantWithMinMaxArgs", [rows], min=-1.3, max=7.7)


@pytest.mark.requires_tf
def test_each_operation_makes_what_tensorflow_makes():
    graph = constants().graph
    view = GraphView.of(graph)
    ports = {"Unpack": 4, "Split": 2, "SplitV": 3}
    tensors = [Tensor(node.name, port) for node in graph.node for port in range(ports.get(node.op, 1))]
    wanted = run_graph(graph.SerializeToString(), {}, [str(tensor) for tensor in tensors])
    for tensor, value in zip(tensors, wanted, strict=True):
        if tensor.node.startswith("to_"):
            value = value.astype(np.float32)  # numpy has no such type of its own
        if tensor.node.startswith(("fake", "Rsqrt")):  # TensorFlow's compiler multiplies and adds in one step
            np.testing.assert_array_max_ulp(view.value(tensor), value, maxulp=2)
        else:
            np.testing.assert_array_equal(view.value(tensor), value, err_msg=str(tensor))
        assert view.constant(tensor).dtype == value.dtype
        assert view.constant_shape(tensor) == value.shape


def packed(kind: str) -> GraphDef:
    """The bundled model with its weights stored in another way; the same numbers but for their rounding."""
    builder = GraphBuilder()
    builder.graph = graph = parse(GraphDef, MODEL.read_bytes(), what="the bundled model")
    view = GraphView.of(graph)
    for node in [node for node in graph.node if node.op == "Const" and view.nodes[node.name].constant_shape()]:
        value = view.constant(Tensor(node.name))
        if value.ndim != 2 or value.dtype != np.float32:
            continue
        name = f"{node.name}/stored"
        if kind == "half":
            builder.const(name, value, np.float16)
            inputs, op, attributes = [name], "Cast", {"SrcT": DType(HALF), "DstT": DType(FLOAT), "Truncate": False}
        elif kind == "parts":
            parts = [builder.const(f"{name}_{number}", part) for number, part in enumerate(np.array_split(value, 3))]
            inputs = [*parts, builder.const(f"{name}/axis", 0, np.int32)]
            op, attributes = "ConcatV2", {**F32, "N": 3, "Tidx": DType(INT32)}
        else:
            scale = np.abs(value).max() / 127
            builder.const(name, np.round(value / scale), np.int8)
            cast = {"SrcT": DType(DATA_TYPES["DT_INT8"]), "DstT": DType(FLOAT), "Truncate": False}
            builder.node(f"{name}/cast", "Cast", [name], **cast)
            inputs, op, attributes = [f"{name}/cast", builder.const(f"{name}/scale", scale, np.float32)], "Mul", F32
        node.op = op
        node.attr.clear()
        node.input[:] = inputs
        for key, each in attributes.items():
            set_attr(node, key, each)
    return graph


@pytest.mark.parametrize("kind", ["half", "parts", "8 bits"])
def test_weights_that_are_stored_in_another_way(kind, tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(packed(kind).SerializeToString())
    result = convert(path, tmp_path / "out", converter="openvino", verify=False)
    assert result.metadata["recipe"] == "deepspeech"
    report = verify(path, result.files[0], reference="numpy")
    assert report.passed, report.as_dict()


def test_what_does_not_fit_together_is_not_a_constant():
    graph = GraphBuilder()
    rows = graph.const("rows", np.zeros((3, 4)), np.float32)
    graph.node("sum", "AddV2", [rows, graph.const("other", np.zeros(5), np.float32)], **F32)
    graph.node("shaped", "Reshape", [rows, graph.const("sizes", [5, 5], np.int32)], **F32)
    graph.node("circle", "AddV2", ["circle", rows], **F32)
    huge = graph.const("huge", [2**20, 2**20], np.int32)
    graph.node("filled", "Fill", [huge, graph.const("zero", 0, np.float32)], **F32)
    graph.placeholder("x", FLOAT, (3, 4))
    graph.node("fed", "AddV2", ["sum", "x"], **F32)
    view = GraphView.of(graph.graph)
    for name in ("sum", "shaped", "circle", "filled", "fed"):
        assert view.value(Tensor(name)) is None
        assert view.constant_shape(Tensor(name)) is None


def test_a_state_that_is_assigned_is_no_constant():
    """Frozen with its variable, the graph still says that it changes."""
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (2,))
    graph.const("state", [1, 2], np.float32)
    graph.node("twice", "AddV2", ["state", "state"], **F32)
    graph.node("new", "AddV2", ["twice", "x"], **F32)
    graph.node("keep", "Assign", ["state", "new"], **F32)
    assert GraphView.of(graph.graph).value(Tensor("twice")) is None


def test_constants_that_grow_without_end_are_refused():
    """A few bytes of a file stand for as many as it likes."""
    graph = GraphBuilder()
    column, row = graph.const("column", np.zeros((1024, 1)), np.float32), graph.const("row", np.zeros(1024), np.float32)
    graph.placeholder("x", FLOAT, (1, 1024))
    for number in range(40):
        graph.node(f"table_{number}", "Mul", [row, column], **F32)
        graph.node(f"product_{number}", "MatMul", ["x", f"table_{number}"], **F32)
    view = GraphView.of(graph.graph)
    with pytest.raises(RecipeError, match=r"computes from constants takes \d+ bytes more than 16 times these"):
        [view.constant_shape(node.inputs[1]) for node in view.of_op("MatMul")]


def test_the_last_value_that_is_stored_stands_for_the_rest():
    tensor = from_numpy(np.zeros(0, np.float32))
    tensor.tensor_shape.dim[0].size = 5
    tensor.ClearField("tensor_content")
    tensor.float_val.extend([3, 7])
    assert to_numpy(tensor).tolist() == [3, 7, 7, 7, 7]
    del tensor.float_val[1]
    assert to_numpy(tensor).tolist() == [3] * 5


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(4, [4]), ([4, -1], [4, -1]), ([[4, -1]], None), (4.0, None), (np.arange(64), [*range(64)])],
)
def test_whole_numbers_are_a_scalar_or_a_list(value, wanted):
    graph = GraphBuilder()
    graph.const("x", value)
    assert GraphView(graph.graph.node).integers(Tensor("x")) == (wanted if np.size(value) <= MOST_AXES else None)


@pytest.mark.parametrize(("limit", "step", "count"), [(7, 2, 4), (2**40, 2**39, 2), (2**40, 1, None), (5, 0, None)])
def test_a_range_of_any_step_but_not_of_any_number(limit, step, count):
    graph = GraphBuilder()
    bounds = [graph.const(name, each, np.int64) for name, each in (("start", 0), ("limit", limit), ("step", step))]
    graph.node("x", "Range", bounds, Tidx=DType(INT64))
    found = GraphView(graph.graph.node).value(Tensor("x"))
    assert found is None if count is None else found.tolist() == [step * number for number in range(count)]


def test_a_slice_without_masks_is_what_it_says():
    graph = GraphBuilder()
    x = graph.const("x", [[1, 2, 3], [4, 5, 6]], np.int32)
    edges = [graph.const(name, each, np.int32) for name, each in (("b", [1, 0]), ("e", [2, 3]), ("s", [1, 2]))]
    graph.node("y", "StridedSlice", [x, *edges], T=DType(INT32), Index=DType(INT32))
    assert GraphView(graph.graph.node).value(Tensor("y")).tolist() == [[4, 6]]
