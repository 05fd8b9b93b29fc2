"""SavedModel directories."""

import shutil
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.graphdef.proto import GraphDef, SavedModel
from deepspeech_recipe.graphdef.tensor import to_numpy
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.sources.canonical import canonical_graph
from tests.support import saved_models
from tests.support.source_models import AUDIO, LABELS, N_CONTEXT, graph_bytes, make_graph, make_weights, outcome

needs_tf = pytest.mark.requires_tf


def structure(graph) -> set:
    return {(node.name, node.op, tuple(node.input)) for node in graph.node}


def constants(graph) -> dict[str, np.ndarray]:
    return {node.name: to_numpy(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}


def assert_same_constants(graph, want) -> None:
    got, want = constants(graph), constants(want)
    for name in want.keys() & got.keys():
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def write(path, graph, outputs=("logits",), tags=("serve",), name="saved_model.pb"):
    """A SavedModel written by hand."""
    saved = SavedModel(saved_model_schema_version=1)
    meta = saved.meta_graphs.add(graph_def=graph)
    meta.meta_info_def.tags.extend(tags)
    for output in outputs:
        meta.signature_def["serving_default"].outputs[output.partition(":")[0]].name = output
    path.mkdir(exist_ok=True)
    if name.endswith("txt"):
        (path / name).write_text(str(saved))
    else:
        (path / name).write_bytes(saved.SerializeToString())
    return path


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_frozen_graph_wrapped_by_hand(tmp_path, name):
    source = open_model(write(tmp_path / "m", make_graph(), name=name))
    assert source.kind == "saved_model"
    assert source.graph == make_graph()


def test_without_a_signature_the_known_names_are_the_outputs(tmp_path):
    assert open_model(write(tmp_path / "m", make_graph(), outputs=())).graph == make_graph()


def test_another_model_without_a_signature_is_refused_for_that(tmp_path):
    graph = GraphBuilder()
    graph.const("scores", np.float32(1))
    with pytest.raises(RecipeError, match=r"m: the SavedModel has no signature.*Save it with one: .*signatures=…"):
        open_model(write(tmp_path / "m", graph.graph, outputs=()))


def test_the_graph_tagged_serve_is_taken(tmp_path):
    write(tmp_path / "m", make_graph())
    saved = SavedModel.FromString((tmp_path / "m" / "saved_model.pb").read_bytes())
    builder = GraphBuilder()
    builder.const("logits", np.float32(1))
    train = SavedModel(meta_graphs=[{"meta_info_def": {"tags": ["train"]}, "graph_def": builder.graph}])
    train.MergeFrom(saved)
    (tmp_path / "m" / "saved_model.pb").write_bytes(train.SerializeToString())
    assert open_model(tmp_path / "m").graph == make_graph()


def test_an_input_of_a_signature_whose_name_another_node_has_keeps_its_own(tmp_path):
    """Two nodes of one name would not be a graph."""
    builder = GraphBuilder()
    for name in ("input_node", "x", "y"):
        builder.placeholder(f"import/{name}", FLOAT, (2,))
    builder.node("import/sum", "AddN", ["import/input_node", "import/x", "import/y"], N=3, T=DType(FLOAT))
    write(tmp_path / "m", builder.graph, outputs=("import/sum",))
    saved = SavedModel.FromString((tmp_path / "m" / "saved_model.pb").read_bytes())
    saved.meta_graphs[0].signature_def["serving_default"].inputs["x"].name = "import/y:0"
    (tmp_path / "m" / "saved_model.pb").write_bytes(saved.SerializeToString())
    names = [node.name for node in open_model(tmp_path / "m").graph.node]
    assert sorted(names) == ["input_node", "sum", "x", "y"]


@needs_tf
@pytest.mark.parametrize("scope", ["", "import"])
def test_a_frozen_graph_wrapped_by_tensorflow(tf, tmp_path, scope):
    saved_models.wrap(tf, graph_bytes(), tmp_path / "m", scope=scope)
    source = open_model(tmp_path / "m")
    assert structure(source.graph) == structure(make_graph())
    assert_same_constants(source.graph, make_graph())


@needs_tf
def test_state_variables_stay_variables(tf, deepspeech, tmp_path):
    """v0.5 keeps its state in variables; what loading the SavedModel assigns to them is no part of the model."""
    graph = deepspeech("0.5")
    inputs = ("input_node", "input_lengths")
    saved_models.wrap(
        tf, graph.graph_def, tmp_path / "m", inputs=inputs, outputs=("logits",), initialize="initialize_state"
    )
    frozen = GraphDef.FromString(graph.graph_def)
    source = open_model(tmp_path / "m")
    assert sum(node.op == "VariableV2" for node in source.graph.node) == 2
    assert structure(source.graph) == structure(frozen)


@needs_tf
@pytest.mark.parametrize("resource", [False, True])
def test_weights_in_variables_become_constants(tf, tmp_path, resource):
    names = ("layer_1/weights", "layer_2/bias")
    saved_models.unfrozen(tf, graph_bytes(), tmp_path / "m", names, resource=resource)
    source = open_model(tmp_path / "m")
    assert "2 variables read" in source.notes
    assert not any("Variable" in node.op or node.op == "VarHandleOp" for node in source.graph.node)
    assert set(names) <= constants(source.graph).keys()
    assert_same_constants(source.graph, make_graph())


@needs_tf
def test_variables_are_read_without_tensorflow(tf, tmp_path, monkeypatch):
    saved_models.unfrozen(tf, graph_bytes(), tmp_path / "m", ("layer_1/weights",))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert_same_constants(open_model(tmp_path / "m").graph, make_graph())
    shutil.rmtree(tmp_path / "m" / "variables")
    with pytest.raises(RecipeError, match="has no directory 'variables'"):
        open_model(tmp_path / "m")


@needs_tf
def test_functions_are_written_out(tf, tmp_path, monkeypatch):
    """The outputs' own subgraph comes back node for node, and needs no TensorFlow to be read."""
    saved_models.function(tf, graph_bytes(), tmp_path / "m")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    source = open_model(tmp_path / "m")
    assert "functions written out" in source.notes
    names = {name for name, _, _ in structure(source.graph)}
    assert {*saved_models.INPUTS, *saved_models.OUTPUTS} <= names
    assert structure(source.graph) <= structure(make_graph())
    left_out = {node.name for node in make_graph().node} - names
    assert all(
        n.startswith(("metadata_", "input_samples", "AudioS", "Mfcc", "mfccs", "ExpandDims", "Reshape"))
        for n in left_out
    )
    assert_same_constants(source.graph, make_graph())


@needs_tf
@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_coquis_export_is_rebuilt(tf, tmp_path, sample_rate):
    weights = make_weights()
    saved_models.coqui(tf, weights, tmp_path / "m", sample_rate=sample_rate)
    (tmp_path / "m" / "alphabet.txt").write_bytes(b"\n".join(LABELS))
    source = open_model(tmp_path / "m", n_context=N_CONTEXT, n_steps=12)
    want = canonical_graph(
        weights, n_context=N_CONTEXT, n_steps=12, audio=AUDIO, alphabet=serialize_alphabet(LABELS), beam_width=500
    )
    assert source.kind == "saved_model"
    assert structure(source.graph) == structure(want)
    got, want = constants(source.graph), constants(want)
    assert got["metadata_sample_rate"] == [sample_rate]
    for name in (
        want.keys()
        - {"metadata_sample_rate", "Mfcc/sample_rate", "metadata_feature_win_len"}
        - {"metadata_feature_win_step"}
    ):
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)
    (mfcc,) = [node for node in source.graph.node if node.op == "Mfcc"]
    assert mfcc.attr["upper_frequency_limit"].f == sample_rate / 2
    (spectrogram,) = [node for node in source.graph.node if node.op == "AudioSpectrogram"]
    assert spectrogram.attr["window_size"].i == 256


def test_a_typed_n_steps_is_refused_where_the_graph_has_its_own(tmp_path):
    with pytest.raises(RecipeError, match="only checkpoints need n_steps"):
        open_model(write(tmp_path / "m", make_graph()), n_steps=4)


def call(builder, name, function, inputs):
    builder.node(name, "PartitionedCall", inputs)
    builder.graph.node[-1].attr["f"].func.name = function


def add_function(graph, name, arguments, nodes, returns):
    function = graph.library.function.add()
    function.signature.name = name
    for argument in arguments:
        function.signature.input_arg.add(name=argument)
    for output, reference in returns.items():
        function.signature.output_arg.add(name=output)
        function.ret[output] = reference
    for node_name, op, inputs in nodes:
        function.node_def.add(name=node_name, op=op, input=inputs)
    return function


def test_calls_with_several_outputs_and_name_clashes(tmp_path):
    builder = GraphBuilder()
    builder.const("a", np.float32(1))
    builder.const("cell", np.float32(2))
    call(builder, "first", "inner", ["a", "cell"])
    call(builder, "logits", "inner", ["first:1", "first", "^first"])
    nodes = [("cell", "BlockLSTM", ["x", *8 * "y"]), ("split", "Split", ["x", "cell:h:0", "^cell"])]
    function = add_function(builder.graph, "inner", "xy", nodes, {"p": "split:output:2", "q": "y"})
    function.node_def[1].attr["num_split"].i = 4
    graph = open_model(write(tmp_path / "m", builder.graph, outputs=("logits", "logits:1"))).graph
    assert structure(graph) == {
        ("a", "Const", ()),
        ("cell", "Const", ()),
        ("first/cell", "BlockLSTM", ("a", *8 * ("cell",))),
        ("split", "Split", ("a", "first/cell:6", "^first/cell")),
        ("logits/cell", "BlockLSTM", ("cell", *8 * ("split:2",))),
        ("logits/split", "Split", ("cell", "logits/cell:6", "^logits/cell")),
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: setattr(f.signature, "name", "other"), "function 'inner' is not in the file"),
        (lambda f: f.signature.input_arg.add(name="z"), "wants a function with 1 inputs, but 'inner' has 2"),
        (lambda f: setattr(f.node_def[0], "input", ["z"]), "node 'n' reads 'z', which does not exist"),
        (lambda f: setattr(f.node_def[0].attr["T"], "placeholder", "T"), "is generic, which is not supported"),
        (lambda f: f.ret.update(p="nowhere:output:0"), "it returns 'nowhere:output:0', which does not exist"),
        (lambda f: f.ret.clear(), "it returns ''"),
    ],
)
def test_functions_that_cannot_be_written_out(tmp_path, change, reason):
    builder = GraphBuilder()
    builder.const("a", np.float32(1))
    call(builder, "logits", "inner", ["a"])
    function = add_function(builder.graph, "inner", "x", [("n", "Relu", ["x"])], {"p": "n:y:0"})
    if "reads 'z'" in reason:
        function.node_def[0].input[:] = ["z"]
    else:
        change(function)
    with pytest.raises(RecipeError, match=f"{tmp_path / 'm'}: .*{reason}"):
        open_model(write(tmp_path / "m", builder.graph))


def nested(builder, depth, width, *, innermost):
    """A call of a function that calls the next one `width` times, and so on; the last one calls `innermost`."""
    builder.const("a", np.float32(1))
    call(builder, "logits", "f0", ["a"])
    for level in range(depth):
        function = add_function(builder.graph, f"f{level}", "x", [], {"p": "sum:z:0"})
        for index in range(width):
            node = function.node_def.add(name=f"n{index}", op="PartitionedCall", input=["x"])
            node.attr["f"].func.name = innermost if level == depth - 1 else f"f{level + 1}"
        function.node_def.add(name="sum", op="AddN", input=[f"n{index}:output:0" for index in range(width)])
    add_function(builder.graph, "end", "x", [("y", "Relu", ["x"])], {"p": "y:y:0"})


@pytest.mark.parametrize(
    ("depth", "width", "innermost", "reason"),
    [
        (1, 1, "f0", "the function 'f0' calls itself"),
        (3, 2, "f0", "the function 'f0' calls itself"),
        (200, 1, "end", "functions call functions 101 deep"),
        (40, 2, "end", "nodes with all of its functions written out"),
    ],
)
def test_functions_without_end(tmp_path, depth, width, innermost, reason):
    builder = GraphBuilder()
    nested(builder, depth, width, innermost=innermost)
    with pytest.raises(RecipeError, match=reason):
        open_model(write(tmp_path / "m", builder.graph))


def test_functions_in_functions_are_written_out(tmp_path):
    builder = GraphBuilder()
    nested(builder, 6, 2, innermost="end")
    graph = open_model(write(tmp_path / "m", builder.graph)).graph
    assert sum(node.op == "Relu" for node in graph.node) == 64


def choice(builder, op, name, functions, inputs):
    """A node that calls one of several functions."""
    builder.node(name, op, inputs)
    node = builder.graph.node[-1]
    node.attr["Tin"].list.type.extend([FLOAT] * (len(inputs) - 1))
    node.attr["Tout"].list.type.append(FLOAT)
    if "If" in op:
        for branch, function in zip(("then_branch", "else_branch"), functions, strict=True):
            node.attr[branch].func.name = function
    else:
        for function in functions:
            node.attr["branches"].list.func.add(name=function)
    return node


@pytest.mark.parametrize("op", ["If", "StatelessIf", "Case", "StatelessCase"])
@pytest.mark.parametrize("called", [True, False])
def test_the_functions_of_all_branches_stay(tmp_path, op, called):
    """called: the choice stands in a function that is written out."""
    builder, inner = GraphBuilder(), GraphBuilder()
    builder.const("index", np.int32(1))
    builder.const("a", np.float32(1))
    branches = ["first", "second"] if "If" in op else ["first", "second", "third"]
    for number, branch in enumerate(branches):
        function = add_function(builder.graph, branch, "x", [("n", "PartitionedCall", ["x"])], {"p": "n:output:0"})
        function.node_def[0].attr["f"].func.name = f"within{number}"
        add_function(builder.graph, f"within{number}", "x", [("y", "Relu", ["x"])], {"p": "y:y:0"})
    add_function(builder.graph, "unused", "x", [("y", "Relu", ["x"])], {"p": "y:y:0"})
    if called:
        node = choice(inner, op, "chosen", branches, ["i", "x"])
        add_function(builder.graph, "outer", "ix", [], {"p": "chosen:output:0"}).node_def.append(node)
        call(builder, "logits", "outer", ["index", "a"])
    else:
        choice(builder, op, "logits", branches, ["index", "a"])
    graph = open_model(write(tmp_path / "m", builder.graph)).graph
    kept = {function.signature.name for function in graph.library.function}
    assert kept == {*branches, *(f"within{number}" for number in range(len(branches)))}


@pytest.mark.parametrize("op", ["If", "StatelessCase", "Case"])
def test_a_branch_that_calls_itself_is_refused(tmp_path, op):
    builder, inner = GraphBuilder(), GraphBuilder()
    builder.const("index", np.int32(1))
    builder.const("a", np.float32(1))
    node = choice(inner, op, "again", ["end", "first"], ["i", "x"])
    nodes = [("i", "Const", [])]
    function = add_function(builder.graph, "first", "x", nodes, {"p": "again:output:0"})
    function.node_def[0].attr["value"].tensor.CopyFrom(builder.graph.node[0].attr["value"].tensor)
    node.input[0] = "i:output:0"
    function.node_def.append(node)
    add_function(builder.graph, "end", "x", [("y", "Relu", ["x"])], {"p": "y:y:0"})
    choice(builder, op, "logits", ["end", "first"], ["index", "a"])
    with pytest.raises(RecipeError, match=f"{tmp_path / 'm'}: the function 'first' calls itself"):
        open_model(write(tmp_path / "m", builder.graph))


def test_a_branch_takes_what_the_choice_is_given(tmp_path):
    builder = GraphBuilder()
    builder.const("index", np.int32(1))
    builder.const("a", np.float32(1))
    add_function(builder.graph, "one", "x", [("y", "Relu", ["x"])], {"p": "y:y:0"})
    add_function(builder.graph, "two", "xz", [("y", "Relu", ["x"])], {"p": "y:y:0"})
    choice(builder, "Case", "logits", ["one", "two"], ["index", "a"])
    with pytest.raises(RecipeError, match="'logits' \\(Case\\) wants a function with 1 inputs, but 'two' has 2"):
        open_model(write(tmp_path / "m", builder.graph))


def test_a_choice_of_tensorflow_1_computes_as_before(tf, tmp_path):
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        index, x = tf1.placeholder(tf.int32, [], name="index"), tf1.placeholder(tf.float32, [3], name="x")
        y = tf.switch_case(index, [lambda: x + 1, lambda: tf.cond(x[0] > 0, lambda: 2 * x, lambda: -x), lambda: x * x])
        y = tf.identity(y, name="y")
        tf1.saved_model.simple_save(session, str(tmp_path / "saved"), {"index": index, "x": x}, {"y": y})
    graph = open_model(tmp_path / "saved").graph
    assert any(node.op in ("Case", "StatelessCase") for node in graph.node)
    with tf.Graph().as_default(), tf1.Session() as session:
        tf.import_graph_def(tf1.GraphDef.FromString(graph.SerializeToString()), name="")
        given = np.float32([2, -3, 5])
        for number, want in enumerate((given + 1, 2 * given, given * given)):
            np.testing.assert_array_equal(session.run("y:0", {"index:0": number, "x:0": given}), want)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "holds no graph"), (b"\xff\xff\xff", "cannot be read"), (b"\x08\x01", "holds no graph")],
)
def test_damaged_directories(tmp_path, content, reason):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "saved_model.pb").write_bytes(content)
    with pytest.raises(RecipeError, match=f"{tmp_path / 'm'}.*{reason}"):
        open_model(tmp_path / "m")


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_files_open_or_are_refused(tmp_path_factory, data):
    path = write(tmp_path_factory.mktemp("fuzz") / "m", make_graph())
    content = bytearray((path / "saved_model.pb").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (path / "saved_model.pb").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    result = outcome(lambda: open_model(path))
    assert isinstance(result, LoadedModel) or str(path) in str(result)


def test_weights_that_branches_read_become_constants(tf, tmp_path):
    module = tf.Module()
    module.weight, module.other = tf.Variable([2.0, 3.0, 5.0]), tf.Variable([7.0, 11.0, 13.0])

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="index"), tf.TensorSpec([3], name="x")])
    def run(index, x):
        branches = [lambda: x * module.weight, lambda: x + module.other, lambda: module.weight - x]
        return {"y": tf.switch_case(index, branches)}

    module.run = run
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=run)
    graph = open_model(tmp_path / "saved").graph
    tf1, x = tf.compat.v1, np.float32([1, -2, 4])
    expected = [run(tf.constant(index), tf.constant(x))["y"].numpy() for index in range(3)]
    with tf.Graph().as_default(), tf1.Session() as session:
        tf.import_graph_def(tf1.GraphDef.FromString(graph.SerializeToString()), name="")
        for index in range(3):
            found = session.run("y:0", {"index:0": index, "x:0": x})
            np.testing.assert_array_equal(found, expected[index])


@pytest.mark.parametrize("control", ["loop", "condition", "choice"])
@pytest.mark.parametrize("inside", [True, False])
def test_a_state_in_a_loop_or_a_condition_is_not_lost(tf, tmp_path, control, inside):
    """inside: where the variable is assigned; it is read there in any case."""
    module = tf.Module()
    module.state, module.weight = tf.Variable(tf.zeros([3])), tf.Variable(tf.ones([3]))

    def step(x):
        y = tf.tanh(module.weight * x + module.state)
        if inside:
            module.state.assign(y)
        return y

    @tf.function(input_signature=[tf.TensorSpec([3], name="x")])
    def run(x):
        if control == "loop":
            y = tf.while_loop(lambda time, _: time < 2, lambda time, y: (time + 1, step(y)), (0, x))[1]
        elif control == "choice":
            y = tf.switch_case(tf.cast(x[0], tf.int32), [lambda: step(x), lambda: -x, lambda: x])
        else:
            y = tf.cond(x[0] > 0, lambda: step(x), lambda: x)
        if not inside:
            module.state.assign(y)
        return {"y": y}

    module.run = run
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=run)
    reason = (
        r"is changed inside of a loop or of a condition \(AssignVariableOp\)" if inside else "the handle of a state"
    )
    with pytest.raises(RecipeError, match=reason):
        open_model(tmp_path / "saved")
