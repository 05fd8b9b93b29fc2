"""Of a graph, only what computes is run: no effect, wherever it is hidden, and every ordinary network as before."""

import numpy as np
import pytest

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.graphdef.proto import DATA_TYPES, NodeDef
from deepspeech_recipe.graphdef.pure import NotPure, NotRepeatable, check_operation, pure_graph
from deepspeech_recipe.graphdef.pure_ops import PURE_OPS, RANDOM_OPS
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.processes.programs.plain_session import plain_session
from deepspeech_recipe.verification.tensorflow_session import TensorFlowGraph
from tests.graphs import effects

X, Y = Tensor("x"), Tensor("y")
GIVEN = np.array([1, 2, 3], np.float32)


def run(graph, fetches=(Y,), feeds=None):
    feeds = {X: GIVEN} if feeds is None else feeds
    return TensorFlowGraph(graph, fetches, feeds, "model.pb").run(fetches, feeds)


def plainly(tf, graph, fetch="y:0"):
    """As TensorFlow runs the file: everything that a fetched node depends on."""
    with tf.Graph().as_default() as loaded:
        tf.compat.v1.import_graph_def(tf.compat.v1.GraphDef.FromString(graph.SerializeToString()), name="")
    with plain_session(loaded) as session:
        return session.run(fetch, {"x:0": GIVEN})


by_op = pytest.mark.parametrize("effect", effects.EFFECTS, ids=lambda effect: effect.op)


@pytest.mark.sampled
@pytest.mark.requires_tf
@by_op
def test_an_effect_behind_a_control_edge_is_left_out(tf, effect, tmp_path):
    file = tmp_path / "effect"
    graph = effects.behind_a_control_edge(effect, str(file))
    np.testing.assert_array_equal(run(graph)[0], GIVEN + 1)
    assert not list(tmp_path.iterdir())
    # The case is a true one: TensorFlow by itself writes the file, or looks for it.
    if effect.writes:
        plainly(tf, graph)
        assert list(tmp_path.iterdir())
    else:
        with pytest.raises(tf.errors.NotFoundError):
            plainly(tf, graph, "effect")


@by_op
def test_an_effect_that_the_output_needs_is_refused_by_its_name(effect, tmp_path):
    graph = GraphBuilder()
    graph.node("y", "Identity", [effect.write(graph, str(tmp_path / "effect"))], T=DType(FLOAT))
    with pytest.raises(NotPure, match=rf"need {effect.op}, .*nothing of the graph is run\. Node at fault: 'effect'"):
        pure_graph(graph.graph, [Y])


def _called(op: str, effect, file: str, *, needed: bool) -> GraphBuilder:
    """y calls a function with an effect in it, which its result needs or not."""
    body = GraphBuilder()
    body.placeholder("x", FLOAT, (3,))
    effect.write(body, file)
    body.const("one", 1.0, np.float32)
    body.node("sum", "AddV2", ["x", "effect" if needed else "one"], T=DType(FLOAT))
    if not needed:
        body.graph.node[-1].input.append("^effect")
    graph = GraphBuilder(producer=1087)
    graph.placeholder("x", FLOAT, (3,))
    effects.add_function(graph.graph, "inner", body, "sum:z:0", control=() if needed else ("effect",))
    outer = GraphBuilder()
    outer.placeholder("x", FLOAT, (3,))
    effects.call(outer, "called", "PartitionedCall", "inner")
    outer.graph.node[-1].input[:] = ["x"]
    effects.add_function(graph.graph, "outer", outer, "called:output:0")
    small = GraphBuilder()
    small.const("most", 4.0, np.float32)
    small.const("axis", [0], np.int32)
    small.node("max", "Max", ["x", "axis"], T=DType(FLOAT), Tidx=DType(DATA_TYPES["DT_INT32"]))
    small.node("less", "Less", ["max", "most"], T=DType(FLOAT))
    effects.add_function(graph.graph, "less", small, "less:z:0")
    graph.graph.library.function[-1].signature.output_arg[0].type = DATA_TYPES["DT_BOOL"]
    if op.endswith("If"):
        graph.const("true", True, np.bool_)
        effects.call(graph, "y", op, "", ("true", "x"), then_branch="outer", else_branch="inner")
    elif op.endswith("Case"):
        graph.const("zero", 0, np.int32)
        effects.call(graph, "y", op, "", ("zero", "x"))
        graph.graph.node[-1].attr.pop("f")
        for name in ("outer", "inner"):
            graph.graph.node[-1].attr["branches"].list.func.add(name=name)
    elif op.endswith("While"):
        effects.call(graph, "y", op, "", cond="less", body="outer")
    else:
        effects.call(graph, "y", op, "outer")
    return graph


CALLERS = (
    *("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile", "Case"),
    "StatelessCase",
)


@pytest.mark.requires_tf
@pytest.mark.parametrize("op", CALLERS)
def test_an_effect_in_a_function_is_left_out(tf, op, tmp_path):
    file = tmp_path / "effect"
    graph = _called(op, effects.EFFECTS[0], str(file), needed=False).graph
    # The largest number is 4 after one round of the loop, which ends it.
    np.testing.assert_array_equal(run(graph)[0], GIVEN + 1)
    assert not file.exists()
    np.testing.assert_array_equal(plainly(tf, graph), GIVEN + 1)
    assert file.exists()


@pytest.mark.parametrize("op", CALLERS)
@by_op
def test_an_effect_that_a_function_needs_is_refused(op, effect, tmp_path):
    graph = _called(op, effect, str(tmp_path / "effect"), needed=True).graph
    with pytest.raises(NotPure, match=rf"need {effect.op}, .*Node at fault: 'effect' in the function 'inner'"):
        pure_graph(graph, [Y])


@pytest.mark.parametrize("op", ["MapDefun", "SymbolicGradient", "RemoteCall", "BatchFunction", "XlaLaunch", "For"])
def test_other_callers_of_functions_are_refused(op):
    graph = _called("PartitionedCall", effects.EFFECTS[0], "f", needed=False).graph
    graph.node[-1].op = op
    with pytest.raises(NotPure, match=f"need {op}, "):
        pure_graph(graph, [Y])


UNKNOWN = (
    *(
        "writefile",
        "WRITEFILE",
        "WriteFile ",
        " Add",
        "Add\u200b",
        "Аdd",
        "Add;WriteFile",
        "Add\n",
        "_Send",
        "_Recv",
        "",
    ),
    *("Print", "PyFunc", "PyFuncStateless", "EagerPyFunc", "FIFOQueueV2", "QueueDequeueV2", "MergeSummary", "Abort"),
    *("DebugIdentityV2", "DebugNumericSummary", "Copy", "ReadVariableOp", "VariableV2", "RpcCall", "Assert", "NoOp"),
    *(
        "TPUExecute",
        "XlaLaunch",
        "_XlaRun",
        "DecodeProtoV2",
        "EncodeProto",
        "OneShotIterator",
        "TensorDataset",
        "Stage",
    ),
    *("MatchingFiles", "LookupTableFindV2", "HashTableV2", "AssignVariableOp", "Assign", "RegisterDataset", "Bitcast2"),
)


@pytest.mark.parametrize("op", UNKNOWN)
def test_whatever_is_not_on_the_list_is_refused(op):
    graph = effects.plain("sum")
    graph.node("y", op, ["sum"], T=DType(FLOAT))
    with pytest.raises(NotPure) as refused:
        pure_graph(graph.graph, [Y])
    assert f"need {op}, " in str(refused.value)
    assert "'y'" in str(refused.value)


@pytest.mark.parametrize(
    ("tensor", "op", "attributes"),
    [
        (Tensor("x", 1), "Split", {"T": DType(FLOAT)}),
        (X, "NoOp", {}),
        (X, "Placeholder", {"dtype": DType(DATA_TYPES["DT_RESOURCE"])}),
        (X, "Identity", {"T": DType(DATA_TYPES["DT_VARIANT"])}),
    ],
)
def test_what_cannot_stand_for_numbers_cannot_be_fed(tensor, op, attributes):
    graph = GraphBuilder()
    graph.node("x", op, **attributes)
    graph.node("y", "Identity", [str(tensor)], T=DType(FLOAT))
    with pytest.raises(Refusal, match=f"'{tensor}' cannot be fed"):
        pure_graph(graph.graph, [Y], [tensor])


def test_of_a_node_of_the_graph_itself_no_function_is_named():
    with pytest.raises(NotPure) as caught:
        check_operation(NodeDef(name="n", op="WriteFile"))
    assert caught.value.node == "n"


@pytest.mark.parametrize("op", sorted(RANDOM_OPS))
def test_random_numbers_are_no_reference(op):
    graph = effects.plain("sum")
    graph.node("y", op, ["sum"], T=DType(FLOAT))
    with pytest.raises(NotRepeatable, match=rf"random numbers \({op}\).*'y'"):
        pure_graph(graph.graph, [Y])


def test_attributes_that_say_where_and_how_to_run_are_left_out():
    graph = effects.plain()
    effects.add_function(graph.graph, "f", effects.plain("sum"), "sum:z:0")
    effects.call(graph, "z", "PartitionedCall", "f")
    function = graph.graph.library.function[0]
    function.attr["_XlaMustCompile"].b = True
    function.attr["api_implements"].s = b"other"
    for node in (*graph.graph.node, *function.node_def):
        node.device = "/job:elsewhere/task:7/device:GPU:0"
        node.attr["_XlaMustCompile"].b = True
        node.attr["_grappler_do_not_remove"].b = True
    graph.graph.node[-1].attr["config_proto"].s = b"\x32\x02\x01\x01"
    graph.graph.node[-1].attr["executor_type"].s = b"OTHER"
    pure = pure_graph(graph.graph, [Tensor("z")])
    assert [node.name for node in pure.node] == ["z", "x"]
    (function,) = pure.library.function
    assert not function.attr
    for node in (*pure.node, *function.node_def):
        assert not node.device
        assert not [name for name in node.attr if name.startswith("_") or name in ("config_proto", "executor_type")]


def test_a_function_may_not_stand_in_for_an_operation():
    graph = effects.plain()
    effects.add_function(graph.graph, "AddV2", effects.plain("sum"), "sum:z:0")
    with pytest.raises(NotPure, match=r"function of the graph has the name of an operation, 'AddV2'.*'y'"):
        pure_graph(graph.graph, [Y])


def test_a_function_that_is_not_there_is_refused():
    graph = effects.plain()
    effects.call(graph, "z", "PartitionedCall", "WriteFile")
    with pytest.raises(Refusal, match=r"'WriteFile' is not in the file.*'z'"):
        pure_graph(graph.graph, [Tensor("z")])


def test_functions_that_nothing_calls_and_gradients_are_left_out():
    graph = effects.plain()
    effects.add_function(graph.graph, "f", effects.plain("sum"), "sum:z:0")
    gradient = b"\x12\x06\x0a\x01f\x12\x01f"  # GradientDef f → f
    graph.graph.library.ParseFromString(graph.graph.library.SerializeToString() + gradient)
    assert graph.graph.library.SerializeToString().endswith(gradient)
    pure = pure_graph(graph.graph, [Y])
    assert pure.library.SerializeToString() == b""


@pytest.mark.parametrize("kind", ["DT_RESOURCE", "DT_VARIANT"])
def test_constants_are_numbers(kind):
    graph = effects.plain()
    graph.graph.node[1].attr["value"].tensor.dtype = DATA_TYPES[kind]
    with pytest.raises(NotPure, match=r"A constant holds a (resource|variant) in place of numbers.*'one'"):
        pure_graph(graph.graph, [Y])


@pytest.mark.requires_tf
def test_a_variable_is_fed_and_nothing_is_assigned(tf):
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (3,))
    graph.node("state", "VariableV2", dtype=DType(FLOAT), shape=(3,), container="", shared_name="")
    graph.node("state/read", "Identity", ["state"], T=DType(FLOAT))
    graph.node("sum", "AddV2", ["x", "state/read"], T=DType(FLOAT))
    graph.node("Assign", "Assign", ["state", "sum"], T=DType(FLOAT))
    graph.node("y", "Identity", ["sum", "^Assign"], T=DType(FLOAT))
    state = Tensor("state")
    assert {node.op for node in pure_graph(graph.graph, [Y], [X, state]).node} == {"Placeholder", "AddV2", "Identity"}
    for _ in range(2):
        np.testing.assert_array_equal(run(graph.graph, feeds={X: GIVEN, state: GIVEN})[0], 2 * GIVEN)


def test_a_read_that_waits_for_an_assignment_is_refused():
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (3,))
    graph.node("state", "VarHandleOp", dtype=DType(FLOAT), shape=(3,))
    graph.node("Assign", "AssignVariableOp", ["state", "x"], dtype=DType(FLOAT))
    graph.node("y", "ReadVariableOp", ["state", "^Assign"], dtype=DType(FLOAT))
    with pytest.raises(Refusal, match=r"'state' is read after it was assigned.*'y'"):
        pure_graph(graph.graph, [Y], [X, Tensor("state")])


@pytest.mark.requires_tf
def test_the_list_is_of_stateless_operations_and_of_what_ends_with_the_call(tf):
    from tensorflow.python.framework import op_def_registry

    known = {name: op_def_registry.get(name) for name in PURE_OPS | RANDOM_OPS}
    assert not [name for name, definition in known.items() if definition is None]
    stateful = {name for name in PURE_OPS if known[name].is_stateful}
    arrays = {name for name in PURE_OPS if name.startswith("TensorArray")}
    assert stateful == arrays | {"Case", "CheckNumerics", "If", "StatefulPartitionedCall", "While"}
    # No operation of the list takes a resource or a variable's reference but these.
    handles = {
        name
        for name in PURE_OPS
        if any(each.is_ref or each.type == DATA_TYPES["DT_RESOURCE"] for each in known[name].input_arg)
    }
    assert handles == arrays - {"TensorArrayV3"}
