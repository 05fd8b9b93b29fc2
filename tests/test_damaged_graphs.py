"""Graphs that no TensorFlow wrote: each kind of damage is one line, wherever it is met first."""

import re
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe import limits
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.conversion.inspect import inspect
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import DType, GraphBuilder
from deepspeech_recipe.graphdef.check import check_graph
from deepspeech_recipe.graphdef.ops import OPS
from deepspeech_recipe.graphdef.proto import GraphDef
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.sources.frozen import read_binary
from tests.support.bundled import MODEL

FIXTURES = Path(__file__).parent / "fixtures"


def small() -> GraphBuilder:
    builder = GraphBuilder()
    builder.placeholder("x", 1, (2, 3))
    builder.const("axis", np.int32(1))
    builder.node("parts", "Split", ["axis", "x"], num_split=3)
    builder.node("sum", "AddV2", ["parts:0", "parts:2"], T=DType(1))
    builder.const("zeros", np.zeros((2, 1), np.float32))
    builder.node("joined", "ConcatV2", ["sum", "zeros", "axis"], N=2)
    return builder


def node(builder: GraphBuilder, name: str):
    return next(each for each in builder.graph.node if each.name == name)


def tensor(builder: GraphBuilder, name: str):
    return node(builder, name).attr["value"].tensor


def refused(builder: GraphBuilder, path) -> str:
    path.write_bytes(builder.graph.SerializeToString())
    with pytest.raises(RecipeError) as caught:
        open_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_the_graph_itself_is_sound():
    check_graph(small().graph, "a graph")


def called(builder: GraphBuilder) -> None:
    builder.node("called", "PartitionedCall", ["x"])
    node(builder, "called").attr["f"].func.name = "f"
    node(builder, "called").attr["Tin"].list.type.extend([1, 1])


def calls(op: str, attribute: str, inputs: int, **types: int):
    """Adds a node that calls a function of two arguments and one result; types: how long its lists of types are."""

    def change(builder: GraphBuilder) -> None:
        function = builder.graph.library.function.add()
        function.signature.name = "f"
        for name in ("a", "b"):
            function.signature.input_arg.add(name=name, type=1)
        function.signature.output_arg.add(name="r", type=1)
        function.node_def.add(name="n", op="AddV2", input=["a", "b"])
        function.ret["r"] = "n:z:0"
        builder.node("called", op, ["x"] * inputs)
        for name in OPS[op].required:
            node(builder, "called").attr[name].func.name = "f" if name == attribute else "missing"
        for name, count in types.items():
            node(builder, "called").attr[name].list.type.extend([1] * count)

    return change


DAMAGE = {
    "a call with too few inputs": (
        calls("PartitionedCall", "f", 1, Tin=1, Tout=1),
        "node 'called' (PartitionedCall) wants a function with 1 inputs, but 'f' has 2",
    ),
    "a call for more results": (
        calls("PartitionedCall", "f", 2, Tin=2, Tout=3),
        "node 'called' (PartitionedCall) wants a function with 3 results, but 'f' has 1",
    ),
    "a branch with too many inputs": (
        calls("StatelessIf", "else_branch", 4, Tin=3, Tout=1),
        "node 'called' (StatelessIf) wants a function with 3 inputs, but 'f' has 2",
    ),
    "a branch for more results": (
        calls("If", "then_branch", 3, Tin=2, Tout=2),
        "node 'called' (If) wants a function with 2 results, but 'f' has 1",
    ),
    "a loop's body for more results": (
        calls("While", "body", 2, T=2),
        "node 'called' (While) wants a function with 2 results, but 'f' has 1",
    ),
    "a loop's condition with too many inputs": (
        calls("StatelessWhile", "cond", 3, T=3),
        "node 'called' (StatelessWhile) wants a function with 3 inputs, but 'f' has 2",
    ),
    "too few inputs": (lambda b: node(b, "sum").input.pop(), "node 'sum' (AddV2) has 1 inputs instead of 2"),
    "too many inputs": (lambda b: node(b, "sum").input.append("x"), "node 'sum' (AddV2) has 3 inputs instead of 2"),
    "no input at all": (lambda b: b.node("left", "Exit"), "node 'left' (Exit) has 0 inputs instead of 1"),
    "no value at all": (lambda b: b.node("merge", "Merge"), "node 'merge' (Merge) has 0 inputs instead of at least 1"),
    "control inputs are not counted": (
        lambda b: b.node("copy", "Identity", ["^x"]),
        "node 'copy' (Identity) has 0 inputs instead of 1",
    ),
    "another number than N": (
        lambda b: node(b, "joined").input.pop(0),
        "node 'joined' (ConcatV2) has 2 inputs instead of 3",
    ),
    "another number than T": (called, "node 'called' (PartitionedCall) has 1 inputs instead of 2"),
    "an output that is not there": (
        lambda b: b.node("more", "Identity", ["parts:3"]),
        "reads 'parts:3', but 'parts' (Split) has 3 outputs",
    ),
    "a port that is no number": (lambda b: b.node("more", "Identity", ["parts:²"]), "reads 'parts:²', which does not"),
    "an attribute of another kind": (
        lambda b: setattr(node(b, "parts").attr["num_split"], "s", b"3"),
        "node 'parts' (Split) has an attribute 'num_split' of another kind than i",
    ),
    "a value of another kind": (
        lambda b: setattr(node(b, "axis").attr["value"], "i", 1),
        "node 'axis' (Const) has an attribute 'value' of another kind than tensor",
    ),
    "a list of another kind": (
        lambda b: b.node("squeezed", "Squeeze", ["x"]) and node(b, "squeezed").attr["squeeze_dims"].list.s.append(b"0"),
        "node 'squeezed' (Squeeze) has an attribute 'squeeze_dims' of another kind than list",
    ),
    "no value": (lambda b: node(b, "axis").attr.pop("value"), "node 'axis' (Const) has no attribute 'value'"),
    "an attribute without a value": (
        lambda b: node(b, "parts").attr["num_split"].Clear(),
        "node 'parts' (Split) has no attribute 'num_split'",
    ),
    "a loop without a name": (
        lambda b: b.node("in", "Enter", ["x"]),
        "node 'in' (Enter) has no attribute 'frame_name'",
    ),
    "bytes are missing": (
        lambda b: setattr(tensor(b, "zeros"), "tensor_content", b"1234"),
        "node 'zeros': A constant of shape [2, 1] holds 4 bytes instead of 8",
    ),
    "values are too many": (
        lambda b: tensor(b, "zeros").ClearField("tensor_content") or tensor(b, "zeros").float_val.extend([1] * 3),
        "node 'zeros': A constant of shape [2, 1] holds 3 values",
    ),
    "a size below zero": (
        lambda b: setattr(tensor(b, "zeros").tensor_shape.dim[0], "size", -2),
        "node 'zeros': A constant has no fixed shape",
    ),
    "many axes": (
        lambda b: [tensor(b, "zeros").tensor_shape.dim.add(size=1) for _ in range(60)],
        "node 'zeros': A constant has 62 axes",
    ),
    "two types": (
        lambda b: setattr(tensor(b, "zeros"), "dtype", 7),
        "node 'zeros': A constant is of another type than its node says",
    ),
    "one value for terabytes": (
        lambda b: (
            tensor(b, "zeros").ClearField("tensor_content") or tensor(b, "zeros").tensor_shape.dim.add(size=2**40)
        ),
        "take 8796093022208 bytes. The limit is 67108864. For a file that you trust, set DEEPSPEECH_RECIPE_LIMITS=",
    ),
    "a copy of itself": (lambda b: b.node("self", "Identity", ["self"]), "node 'self' waits for its own output"),
    "a circle": (
        lambda b: b.node("a", "Tanh", ["b"]) and b.node("b", "Tanh", ["c"]) and b.node("c", "AddV2", ["a", "x"]),
        "node 'a' waits for its own output, outside of any loop",
    ),
    "a circle of control": (
        lambda b: b.node("a", "Tanh", ["x", "^b"]) and b.node("b", "Tanh", ["a"]),
        "node 'a' waits for its own output, outside of any loop",
    ),
    "a circle that is no loop": (
        lambda b: b.node("a", "Merge", ["x", "b"], N=2) and b.node("b", "Identity", ["a"]),
        "node 'a' waits for its own output, outside of any loop",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(tmp_path, damage):
    change, reason = DAMAGE[damage]
    builder = small()
    change(builder)
    assert reason in refused(builder, tmp_path / "model.pb")


@pytest.mark.parametrize("damage", ["too few inputs", "a circle", "an attribute of another kind", "bytes are missing"])
def test_damage_inside_of_functions_is_named(tmp_path, damage):
    change, reason = DAMAGE[damage]
    builder = small()
    change(builder)
    outer = GraphBuilder()
    outer.const("a", np.float32(1))
    function = outer.graph.library.function.add()
    function.signature.name = "f"
    for each in builder.graph.node:
        copy = function.node_def.add()
        copy.CopyFrom(each)
        copy.input[:] = [text if ":" not in text else text.replace(":", ":output:") for text in each.input]
    assert f"function 'f': {reason}" in refused(outer, tmp_path / "model.pb")


@pytest.mark.parametrize(("port", "fits"), [(0, True), (1, False)])
def test_outputs_of_nodes_inside_of_functions_have_names_and_no_numbers(tmp_path, port, fits):
    """'switch:1' of a graph is 'switch:output_true:0' there."""
    inner = GraphBuilder()
    x, right = inner.const("x", np.float32(1)), inner.const("right", True)
    inner.node("switch", "Switch", [f"{x}:output:0", f"{right}:output:0"], T=DType(1))
    inner.node("y", "Identity", [f"switch:output_true:{port}"], T=DType(1))
    outer = GraphBuilder()
    outer.const("a", np.float32(1))
    function = outer.graph.library.function.add()
    function.signature.name = "f"
    function.node_def.extend(inner.graph.node)
    if fits:
        check_graph(outer.graph, "model.pb")
    else:
        reason = "function 'f': node 'y' reads 'switch:output_true:1', but 'switch' (Switch) has 1 outputs"
        assert reason in refused(outer, tmp_path / "model.pb")


def test_a_loop_is_no_circle(tmp_path):
    builder = small()
    builder.node("enter", "Enter", ["x"], frame_name="loop")
    builder.node("merge", "Merge", ["enter", "next"], N=2)
    builder.node("test", "LoopCond", ["merge:1"])
    builder.node("switch", "Switch", ["merge", "test"])
    builder.node("next", "NextIteration", ["switch:1"])
    builder.node("exit", "Exit", ["switch"])
    check_graph(builder.graph, "a graph")


def test_a_loop_that_begins_with_its_own_end(tmp_path):
    """A circle that shows when the loop is one node: OpenVINO's frontend went round in it for ever."""
    graph = GraphDef.FromString((FIXTURES / "rnn" / "layers.pb").read_bytes())
    ends = [each.name for each in graph.node if each.op == "Exit"]
    begin = next(each for each in graph.node if each.op == "ConcatV2" and "ZeroState_1/" in each.name)
    for end in ends:
        begin.input[-1] = end
        (tmp_path / "model.pb").write_bytes(graph.SerializeToString())
        with pytest.raises(RecipeError, match=r"model\.pb: (?s:.*)"):
            convert(tmp_path / "model.pb", tmp_path / "out", converter="openvino", verify=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("factor", "fits"), [("1", False), ("3", True), ("2.5", True), ("0", None), ("x", None)])
def test_limits_are_the_users(tmp_path, monkeypatch, factor, fits):
    """Half of what the limit allows twice over."""
    builder = GraphBuilder()
    builder.const("zeros", np.float32(0))
    tensor(builder, "zeros").ClearField("tensor_content")
    tensor(builder, "zeros").tensor_shape.dim.add(size=2**25)
    monkeypatch.setenv("DEEPSPEECH_RECIPE_LIMITS", factor)
    if fits:
        check_graph(builder.graph, "a graph")
    else:
        with pytest.raises(RecipeError, match="set DEEPSPEECH_RECIPE_LIMITS=" if fits is False else "must be a number"):
            check_graph(builder.graph, "a graph")


def test_too_many_nodes(tmp_path):
    builder = GraphBuilder()
    for number in range(100_001):
        builder.graph.node.add(name=str(number), op="NoOp")
    assert "has 100001 nodes. The limit is 100000" in refused(builder, tmp_path / "model.pb")


@pytest.mark.requires_tf
def test_the_table_is_tensorflows():
    """Every operation as TensorFlow registers it; what older releases had fewer of is a range here."""
    from tensorflow.python.framework import op_def_registry

    kinds = {"type": "type", "shape": "shape", "tensor": "tensor", "func": "func", "string": "s", "bool": "b"}
    kinds |= {
        "float": "f",
        "int": "i",
        "list(type)": "list(type)",
        "list(int)": "list(i)",
        "list(func)": "list(func)",
        "list(shape)": "list(shape)",
    }
    for name, op in OPS.items():
        registered = op_def_registry.get(name)
        for arguments, count in ((registered.input_arg, op.inputs), (registered.output_arg, op.outputs)):
            lists = [arg.number_attr or arg.type_list_attr for arg in arguments]
            if count.attribute:
                assert [each for each in lists if each] == [count.attribute], name
                assert len(arguments) - 1 == count.extra, name
            else:
                assert not any(lists), name
                assert count.least <= len(arguments) == count.most, name
        attributes = {attr.name: attr for attr in registered.attr}
        assert all(not attributes[each].HasField("default_value") for each in op.required), name
        for attribute in attributes.keys() & op.attributes.keys():
            assert kinds[attributes[attribute].type] == op.attributes[attribute], f"{name}.{attribute}"


def ladder(builder: GraphBuilder, op: str, depth: int, start: str, *more: str, twice=None) -> str:
    """Nodes that read the one before twice: 2 ** depth ways lead through them."""
    for number in range(depth):
        inputs = twice(start) if twice else [start, start, *more]
        start = builder.node(
            f"{op}_{number}_{start[:1]}", op, inputs, **({"N": 2} if op in ("Pack", "ConcatV2") else {})
        )
    return start


def cell(builder: GraphBuilder, gates: str, hidden: str = "h", state: str = "c", name: str = "") -> str:
    """σ(o) · tanh(c · σ(f) + σ(i) · tanh(j)) of four parts of a tensor."""
    builder.const(f"{name}axis", np.int32(1))
    builder.node(f"{name}split", "Split", [f"{name}axis", gates], num_split=4)
    for port, op in enumerate(("Sigmoid", "Tanh", "Sigmoid", "Sigmoid")):
        builder.node(f"{name}g{port}", op, [f"{name}split:{port}"])
    builder.node(f"{name}kept", "Mul", [state, f"{name}g2"])
    builder.node(f"{name}added", "Mul", [f"{name}g0", f"{name}g1"])
    builder.node(f"{name}new_c", "AddV2", [f"{name}kept", f"{name}added"])
    builder.node(f"{name}tanh", "Tanh", [f"{name}new_c"])
    return builder.node(f"{name}new_h", "Mul", [f"{name}tanh", f"{name}g3"])


def recurrent() -> GraphBuilder:
    builder = GraphBuilder()
    builder.placeholder("x", 1, (2, 3))
    for name in "ch":
        builder.placeholder(name, 1, (2, 4))
    builder.const("kernel", np.ones((7, 16), np.float32))
    builder.const("one", np.int32(1))
    return builder


def sums(builder: GraphBuilder) -> None:
    """The gates are a sum of sums of themselves."""
    builder.node("joined", "ConcatV2", ["x", "h", "one"], N=2)
    cell(builder, ladder(builder, "AddV2", 60, builder.node("product", "MatMul", ["joined", "kernel"])))


def joins(builder: GraphBuilder) -> None:
    """Outputs that are joined from a last state over and over."""
    builder.node("joined", "ConcatV2", ["x", "h", "one"], N=2)
    last = cell(builder, builder.node("product", "MatMul", ["joined", "kernel"]))
    ladder(builder, "ConcatV2", 60, last, "one")
    ladder(builder, "Pack", 60, "new_c")


def choices(builder: GraphBuilder) -> None:
    """Values that only rows within their length get, chosen from choices."""
    builder.placeholder("lengths", 3, (2,))
    builder.node("past", "GreaterEqual", ["one", "lengths"])
    ladder(builder, "Select", 1100, "x", twice=lambda value: ["past", value, value])


def clips(builder: GraphBuilder) -> None:
    """A projection, clipped over and over."""
    builder.node("joined", "ConcatV2", ["x", "h", "one"], N=2)
    last = cell(builder, builder.node("product", "MatMul", ["joined", "kernel"]))
    builder.const("projection", np.ones((4, 4), np.float32))
    builder.node("projected", "MatMul", [last, "projection"])
    start = "projected"
    for number in range(60):
        builder.node(f"copy_{number}", "Identity", [start])
        start = builder.node(f"clip_{number}", "Minimum", [start, f"copy_{number}"])


def steps(builder: GraphBuilder) -> None:
    """A loop whose condition, and the bound in it, are ladders."""
    builder.const("zero", np.int32(0))
    for name in ("one", "h", "c"):
        builder.node(f"in_{name}", "Enter", ["zero" if name == "one" else name], frame_name="loop")
        builder.node(f"merge_{name}", "Merge", [f"in_{name}", f"next_{name}"], N=2)
        builder.node(f"switch_{name}", "Switch", [f"merge_{name}", "test"])
        builder.node(f"out_{name}", "Exit", [f"switch_{name}"])
    builder.node("count", "AddV2", ["switch_one:1", "one"])
    builder.const("indices", np.arange(2, dtype=np.int32))
    builder.node("array", "TensorArrayV3", ["one"])
    builder.node("scattered", "TensorArrayScatterV3", ["array", "indices", "x", "array:1"])
    builder.node("handle", "Enter", ["array"], frame_name="loop")
    builder.node("flow", "Enter", ["scattered"], frame_name="loop")
    builder.node("step", "TensorArrayReadV3", ["handle", "switch_one:1", "flow"])
    builder.node("joined", "ConcatV2", ["step", "switch_h:1", "one"], N=2)
    last = cell(builder, builder.node("product", "MatMul", ["joined", "kernel"]), state="switch_c:1")
    for name, value in (("one", "count"), ("h", last), ("c", "new_c")):
        builder.node(f"next_{name}", "NextIteration", [value])
    limit = ladder(builder, "Minimum", 1100, "one")
    builder.node("less", "Less", ["merge_one", limit])
    builder.node("test", "LoopCond", [ladder(builder, "LogicalAnd", 60, "less")])


def copies(builder: GraphBuilder) -> None:
    """A chain of copies, each with a reader: to walk all of it for each takes hours."""
    start = "x"
    for number in range(20_000):
        start = builder.node(f"copy_{number}", "Identity", [start])
        builder.node(f"reader_{number}", "Reshape", [start, "one"])


@pytest.mark.parametrize("shape", [sums, joins, choices, clips, steps, copies])
def test_graphs_with_very_many_ways_are_walked_in_time(tmp_path, shape):
    """Would take for ever, or exceed Python's recursion, if a walk went every way there is."""
    builder = recurrent()
    shape(builder)
    (tmp_path / "model.pb").write_bytes(builder.graph.SerializeToString())
    assert inspect(tmp_path / "model.pb")["deepspeech"] is None


@pytest.mark.parametrize("op", ["If", "While"])
def test_conditions_and_loops_that_stand_for_too_much(tmp_path, monkeypatch, op):
    """A branch that asks twice, and so on; a body that many loops share."""
    monkeypatch.setenv(limits.VARIABLE, "0.2")
    builder = recurrent()
    names = ("then_branch", "else_branch") if op == "If" else ("body", "cond")
    for level in range(18 if op == "If" else 1):
        function = builder.graph.library.function.add()
        function.signature.name = f"f{level}"
        function.signature.input_arg.add(name="a")
        function.signature.output_arg.add(name="r")
        function.ret["r"] = "a"
        for number in range(2 if op == "If" else 3000):
            inner = function.node_def.add(name=f"n{number}", op="If" if op == "If" else "Neg", input=["a"])
            if op == "If":
                inner.input.append("a")
                for name in names:
                    inner.attr[name].func.name = f"f{level + 1}"
    for number in range(1 if op == "If" else 100):
        outer = builder.graph.node.add(name=f"n{number}", op=op, input=["x", "x"] if op == "If" else ["x"])
        for name in names:
            outer.attr[name].func.name = "f0"
    (tmp_path / "model.pb").write_bytes(builder.graph.SerializeToString())
    with pytest.raises(RecipeError, match=r"nodes with their .* written out.*DEEPSPEECH_RECIPE_LIMITS"):
        inspect(tmp_path / "model.pb")


@pytest.mark.parametrize(
    ("op", "name", "value", "reason"),
    [
        ("AudioSpectrogram", "window_size", 2**40, "window_size is 1099511627776"),
        ("Mfcc", "filterbank_channel_count", 2**40, "filterbank_channel_count is 1099511627776"),
        ("Mfcc", "upper_frequency_limit", np.inf, "must lie below upper_frequency_limit (inf Hz)"),
        ("Mfcc", "lower_frequency_limit", np.nan, "lower_frequency_limit (nan Hz) must not be negative"),
    ],
)
def test_audio_settings_that_no_audio_has(tmp_path, op, name, value, reason):
    graph = read_binary(MODEL)
    attribute = next(each for each in graph.node if each.op == op).attr[name]
    setattr(attribute, "i" if isinstance(value, int) else "f", value)
    (tmp_path / "m.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(RecipeError, match=re.escape(reason)):
        convert(tmp_path / "m.pb", tmp_path / "ir", converter="openvino", verify=False, audio="separate")


@pytest.mark.parametrize(
    ("shape", "numbers"), [((1, 2**40, 19, 26), "543"), ((1, 16, 19, 0), "304 numbers, 0 features")]
)
def test_windows_that_no_call_has(tmp_path, shape, numbers):
    graph = read_binary(MODEL)
    placeholder = next(each for each in graph.node if each.name == "input_node")
    for dim, size in zip(placeholder.attr["shape"].shape.dim, shape, strict=True):
        dim.size = size
    (tmp_path / "m.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(RecipeError, match=f"The windows of one call are {numbers}"):
        inspect(tmp_path / "m.pb")


@pytest.mark.requires_mo
@pytest.mark.parametrize("damage", ["too few inputs", "an attribute of another kind", "a circle"])
def test_mo_graphs_are_checked_too(damage):
    """The plugin reads the messages that Model Optimizer's loader keeps."""
    from openvino.tools.mo.graph.graph import Graph

    from deepspeech_recipe.converters.mo_graph import view_of

    change, reason = DAMAGE[damage]
    builder, graph = small(), Graph()
    change(builder)
    for each in builder.graph.node:
        graph.add_node(each.name, pb=each)
    with pytest.raises(RecipeError, match=re.escape(reason)):
        view_of(graph)
