"""Recipes of one's own: found, asked, used by every command; and what is said where they do not fit."""

import importlib.metadata
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openvino
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.conversion.inspect import inspect
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder, turn_into
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.patterns import dynamic_rnn
from deepspeech_recipe.recipes import Model, NoMatch, Tensor, deepspeech, registry, states_of
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.runtime import StatefulModel
from deepspeech_recipe.sources.canonical.nodes import F32
from tests.support.compare import op_counts
from tests.support.limits import assert_close

RECIPE = Path(__file__).parent / "support" / "recipes.py"
HEADER = "from deepspeech_recipe.recipes import *\nNAME = 'mine'\n"


def filter_graph() -> GraphBuilder:
    """y = 0.9 y' + x, with y kept in a variable: a state that is no LSTM's. Needs no TensorFlow."""
    graph = GraphBuilder()
    graph.placeholder("signal", FLOAT, (2, 3))
    graph.node("memory", "VariableV2", shape=(2, 3), dtype=DType(FLOAT))
    graph.node("memory/read", "Identity", ["memory"], **F32)
    graph.node("decay", "Mul", ["memory/read", graph.const("factor", 0.9, np.float32)], **F32)
    graph.node("smooth", "AddV2", ["decay", "signal"], **F32)
    graph.node("update", "Assign", ["memory", "smooth"], **F32)
    graph.node("out", "Neg", ["smooth"], **F32)
    return graph


FILTER = HEADER + (
    "def recognise(view):\n"
    "    if 'memory' not in view.nodes:\n"
    "        raise NoMatch('a memory was looked for')\n"
    "    return Model(inputs={'x': Tensor('signal'), 'y': Tensor('memory')},\n"
    "                 outputs={'negative': Tensor('out'), 'next_y': Tensor('smooth')}, states={'y': 'next_y'})\n"
)


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def filter_pb(tmp_path):
    path = tmp_path / "filter.pb"
    path.write_bytes(filter_graph().graph.SerializeToString())
    return path


@pytest.mark.parametrize("state", ["external", "internal"])
def test_a_recipe_carries_a_state_that_topology_alone_would_not(write, filter_pb, tmp_path, state):
    result = convert(
        filter_pb, tmp_path, name="ir", recipe=write(FILTER), converter="openvino", state=state, verify=False
    )
    assert [each["name"] for each in result.inputs] == (["x", "y"] if state == "external" else ["x"])
    assert [each["name"] for each in result.outputs] == ["negative", *(["next_y"] if state == "external" else [])]
    assert result.metadata["recipe"] == "mine"
    counts = op_counts(ov.Core().read_model(result.files[0]))
    assert ("Assign" in counts) == ("ReadValue" in counts) == (state == "internal")
    run, value = StatefulModel(result.files[0]), np.zeros((2, 3))
    for reset in (False, False, True):
        if reset:
            run.reset()
            value[:] = 0
        x = np.random.default_rng(1).standard_normal((2, 3)).astype(np.float32)
        value = 0.9 * value + x
        assert_close(run({"x": x})["negative"], -value, 5e-7)
        assert_close(run.states["y"], value, 5e-7)


@pytest.mark.parametrize(("begin", "told"), [(0, []), (0.5, ["initial values kept: y 0.5…0.5"])])
def test_what_a_state_begins_with_is_told_if_it_is_not_zeros(write, tmp_path, begin, told):
    graph = filter_graph()
    memory = next(node for node in graph.graph.node if node.name == "memory")
    turn_into(memory, "Const", dtype=DType(FLOAT), value=np.full((2, 3), begin, np.float32))  # as freezing leaves it
    (tmp_path / "frozen.pb").write_bytes(graph.graph.SerializeToString())
    result = convert(tmp_path / "frozen.pb", tmp_path, recipe=write(FILTER), converter="openvino", verify=False)
    said = "; ".join(result.notes).split("; ")
    assert [line for line in said if "initial values" in line] == told


# What a recipe calls as the graph does another tensor: outputs, and inputs.
EXCHANGED = FILTER.replace("'negative': Tensor('out')", "'decay': Tensor('out'), 'out': Tensor('decay')")
TURNED = FILTER.replace("'x': Tensor('signal'), 'y':", "'memory': Tensor('signal'), 'signal':").replace(
    "{'y'", "{'signal'"
)


@pytest.mark.parametrize("converter", ["openvino", pytest.param("mo", marks=pytest.mark.requires_mo)])
def test_outputs_may_have_each_others_names_in_the_graph(write, filter_pb, tmp_path, converter):
    recipe = write(EXCHANGED)
    result = convert(filter_pb, tmp_path, name="ir", recipe=recipe, converter=converter, verify=False)
    assert [each["name"] for each in result.outputs] == ["decay", "out", "next_y"]
    run, x = StatefulModel(result.files[0]), np.ones((2, 3), np.float32)
    for smooth in (1, 1.9):
        found = run({"x": x})
        assert_close(found["decay"], np.full_like(x, -smooth), 5e-7)
        assert_close(found["out"], np.full_like(x, smooth - 1), 5e-7)
    assert {name: names[0] for name, names in result.metadata["graph"].items()} == {
        "x": "signal", "y": "memory", "decay": "out", "out": "decay", "next_y": "smooth",
    }  # fmt: skip


def test_inputs_may_have_each_others_names_in_the_graph(write, filter_pb, tmp_path):
    result = convert(filter_pb, tmp_path, name="ir", recipe=write(TURNED), converter="openvino", verify=False)
    run = StatefulModel(result.files[0])
    assert (run.inputs, set(run.states)) == (("memory",), {"signal"})
    for smooth in (1, 1.9):
        assert_close(run({"memory": np.ones((2, 3), np.float32)})["negative"], np.full((2, 3), -smooth), 5e-7)


def fused_graph() -> GraphBuilder:
    """A fused LSTM whose states are fed. Needs no TensorFlow."""
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (5, 2, 3))
    for name, value in (("none", np.zeros(4)), ("w", np.ones((7, 16))), ("b", np.ones(16))):
        graph.const(name, value, np.float32)
    graph.const("steps", 5, np.int64)
    for name in ("c", "h"):
        graph.placeholder(name, FLOAT, (2, 4))
    inputs = ["steps", "x", "c", "h", "w", "none", "none", "none", "b"]
    graph.node("lstm", "BlockLSTM", inputs, **F32, forget_bias=1.0, cell_clip=-1.0, use_peephole=False)
    for name, value in (("last", [-1]), ("end", [0]), ("stride", [1])):
        graph.const(name, value, np.int32)
    for name, port in (("new_c", 1), ("new_h", 6)):
        slices = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 1}
        graph.node(name, "StridedSlice", [f"lstm:{port}", "last", "end", "stride"], **F32, **slices)
    return graph


def test_states_that_a_fused_lstm_names_itself_are_told_once(tmp_path):
    graph = fused_graph()
    for node in graph.graph.node:
        if node.name in ("c", "h"):
            turn_into(node, "VariableV2", shape=(2, 4), dtype=DType(FLOAT))
    for name in ("c", "h"):
        graph.node(f"keep_{name}", "Assign", [name, f"new_{name}"], **F32)
    (tmp_path / "fused.pb").write_bytes(graph.graph.SerializeToString())
    found = inspect(tmp_path / "fused.pb")
    assert [state["name"] for state in found["lstms"][0]["states"].values()] == ["c", "h"]
    assert found["states"] == []


def test_a_recipe_finds_the_states_of_a_fused_lstm():
    states = states_of(GraphView(fused_graph().graph.node))
    assert [(state.name, str(state.new[0])) for state in states] == [("c", "new_c:0"), ("h", "new_h:0")]


def test_the_runner_names_its_inputs(write, filter_pb, tmp_path):
    result = convert(filter_pb, tmp_path, recipe=write(FILTER), converter="openvino", verify=False)
    run = StatefulModel(result.files[0])
    assert (run.inputs, run.outputs) == (("x",), ("negative",))
    with pytest.raises(RecipeError, match="takes x; it was given signal"):
        run({"signal": np.zeros((2, 3))})


def test_without_the_recipe_the_same_graph_is_refused(filter_pb, tmp_path):
    reason = r"variable 'memory' is assigned 'smooth:0'.*would be lost.*--recipe"
    with pytest.raises(RecipeError, match=reason):
        convert(filter_pb, tmp_path, converter="openvino")


def test_a_graph_that_openvino_does_not_take_is_not_sent_to_ovc(tmp_path):
    graph = GraphBuilder()
    graph.placeholder("x", FLOAT, (2, 3))
    graph.node("gamma", "Igamma", ["x", "x"], **F32)
    path = tmp_path / "gamma.pb"
    path.write_bytes(graph.graph.SerializeToString())
    with pytest.raises(RecipeError, match=r"nor any other state to carry\. OpenVINO does not take this file either\."):
        convert(path, tmp_path, converter="openvino")
    with pytest.raises(Exception, match="Igamma"):
        openvino.convert_model(path)


def test_a_variable_that_would_be_lost_is_named(write, tmp_path):
    """Beside a state that is carried, another variable that the graph assigns."""
    graph = filter_graph()
    graph.node("other", "VariableV2", shape=(2, 3), dtype=DType(FLOAT))
    graph.node("other/read", "Identity", ["other"], **F32)
    graph.node("sum", "AddV2", ["other/read", "signal"], **F32)
    graph.node("keep", "Assign", ["other", "sum"], **F32)
    path = tmp_path / "two.pb"
    path.write_bytes(graph.graph.SerializeToString())
    with pytest.raises(RecipeError, match=r"variable 'other' is assigned 'sum:0'.*would be lost.*--recipe"):
        convert(path, tmp_path / "out", recipe=write(FILTER), converter="openvino")


def test_inspect_shows_roles_and_the_nearest_miss(write, filter_pb, capsys):
    assert main(["inspect", str(filter_pb), "--recipe", str(write(FILTER))]) == 0
    printed = capsys.readouterr().out
    assert "mine\n" in printed
    assert "new value: next_y" in printed
    missing = HEADER + "def recognise(view):\n    raise NoMatch('a teapot was looked for', node='pot')\n"
    found = inspect(filter_pb, recipe=write(missing))
    assert found["recipe"] is None
    assert found["misses"]["mine"] == "a teapot was looked for (at 'pot')"
    assert "BlockLSTM" in found["misses"]["deepspeech"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NAME = 'x'\n", "has no recognise. A recipe has NAME and recognise"),
        (
            HEADER + "def pattern(view): ...\n\ndef model(view): ...\n",
            r"has pattern and model, .*Write one function recognise\(view\).*raises NoMatch",
        ),
        ("import teapot\n", "cannot be loaded as a recipe .ModuleNotFoundError"),
        ("def recognise(:\n", "cannot be loaded as a recipe .SyntaxError"),
        (HEADER + "def recognise(view):\n    return view.teapot\n", "AttributeError.*line 4"),
        (HEADER + "def recognise(view): return 7\n", "returned int, not a Model"),
        (
            HEADER + "def recognise(view): return Model({'x': Tensor('teapot')}, {})\n",
            "the input 'x' is 'teapot:0', which the graph does not have",
        ),
        (
            HEADER + "def recognise(view): return Model({}, {}, {'a': 'b'})\n",
            "the state 'a' → 'b' is not both an input and an output",
        ),
        (HEADER + "def recognise(view): return True\n", "returned bool, not a Model"),
        (HEADER + "def recognise(view): return Model({'x': 'signal:0'}, {})\n", "input 'x' is 'signal:0', a str"),
        (HEADER + "def recognise(view): return Model([Tensor('signal')], {})\n", "`inputs` is .*Give a dict"),
        (
            HEADER + "def recognise(view): return Model({'x': Tensor('signal', 2)}, {})\n",
            "the input 'x' is 'signal:2', and a Placeholder has one output",
        ),
        (
            HEADER + "def recognise(view): return Model({'x': Tensor('signal')}, {'x': Tensor('out')})\n",
            "'x' is an input and an output",
        ),
        (
            HEADER + "def recognise(view): return Model({'x': Tensor('signal'), 'y': Tensor('signal')}, {})\n",
            "the inputs 'x' and 'y' are both 'signal:0'",
        ),
        (
            HEADER + "def recognise(view): return Model({'x': Tensor('decay')}, {'y': Tensor('out')})\n",
            "the input 'x' is 'decay:0', which comes from a Mul. An input is a placeholder",
        ),
        (
            HEADER + "def recognise(view): return Model({}, {'y': Tensor('out')}, metadata={'rate': {1, 2}})\n",
            "`metadata` cannot be written as JSON .*set",
        ),
        (FILTER.replace("states={'y': 'next_y'}", "states={'y': 'next_y', 'x': 'next_y'}"), "new value of two states"),
        (
            FILTER.replace("Tensor('smooth')", "Tensor('out')"),
            "which assigns the variable 'memory' not 'out:0' but 'smooth:0'",
        ),
    ],
)
def test_recipes_that_are_wrong(write, filter_pb, tmp_path, text, reason):
    with pytest.raises(RecipeError, match=reason):
        convert(filter_pb, tmp_path / "out", recipe=write(text), converter="openvino")
    assert not (tmp_path / "out").exists()


FED = HEADER + (
    "def recognise(view):\n"
    "    inputs = {'x': Tensor('x'), 'state_c': Tensor('c'), 'state_h': Tensor('h')}\n"
    "    outputs = {'next_c': Tensor('new_c'), 'next_h': Tensor('new_h')}\n"
    "    return Model(inputs, outputs, {'state_c': 'next_c', 'state_h': 'next_h'})\n"
)


def exchanged(text: str, one: str, other: str) -> str:
    return text.replace(one, "…").replace(other, one).replace("…", other)


@pytest.mark.parametrize(
    ("one", "other"), [("('c')", "('h')"), ("('new_c')", "('new_h')"), (": 'next_c'", ": 'next_h'")]
)
def test_states_that_are_exchanged_are_the_recipes_fault(write, one, other):
    view = GraphView(fused_graph().graph.node)
    assert registry.load(write(FED)).recognise(view).states == {"state_c": "next_c", "state_h": "next_h"}
    reason = (
        r"^[^\n]*mine\.py: the state 'state_c' → .* in which 'new_.:0' is the new value of 'state_h'\. Give each input"
    )
    with pytest.raises(RecipeError, match=reason):
        registry.load(write(exchanged(FED, one, other))).recognise(view)


def test_states_that_topology_does_not_tell_are_the_recipes_to_pair(write):
    graph = fused_graph()
    graph.placeholder("before", FLOAT, (2, 4))
    graph.node("sum", "AddV2", ["before", "new_h"], **F32)
    text = FED.replace("Tensor('x')", "Tensor('x'), 'last': Tensor('before')")
    text = text.replace("Tensor('new_h')", "Tensor('new_h'), 'next': Tensor('new_h')").replace(
        "{'state_c'", "{'last': 'next', 'state_c'"
    )
    model = registry.load(write(text)).recognise(GraphView(graph.graph.node))
    assert model.states["last"] == "next"


def test_what_was_looked_for_and_found_can_be_compared():
    view = GraphView(filter_graph().graph.node)
    with pytest.raises(NoMatch) as miss:
        view.match(Tensor("out"), "MatMul", "Add")
    assert (miss.value.wanted, miss.value.found, miss.value.node) == (("MatMul", "Add"), "Neg", "out")
    with pytest.raises(NoMatch) as miss:
        view.match(Tensor("nothing"), "MatMul")
    assert miss.value.found is None
    with pytest.raises(NoMatch) as miss:
        deepspeech.recognise(view)
    assert (miss.value.wanted, miss.value.found) == (1, 0)


def test_a_recipe_that_was_named_must_fit(write, filter_pb, tmp_path, capsys):
    text = HEADER + "def recognise(view):\n    raise NoMatch('a teapot was looked for, 3 were found')\n"
    path = write(text)
    assert main(["convert", str(filter_pb), "-o", str(tmp_path / "out"), "--recipe", str(path)]) == 2
    printed = capsys.readouterr().err
    assert "The recipe 'mine'" in printed
    assert "a teapot was looked for, 3 were found" in printed
    assert not (tmp_path / "out").exists()


def test_somebody_names_an_installed_recipe(filter_pb, tmp_path, monkeypatch):
    module = SimpleNamespace(NAME="filter")
    exec(FILTER, vars(module))
    point = SimpleNamespace(name="filter", value="package.module", load=lambda: module)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    registry.installed.cache_clear()
    try:
        result = convert(filter_pb, tmp_path, recipe="mine", converter="openvino", verify=False)
        with pytest.raises(RecipeError, match=r"no such file.*the name of an installed one \(mine\)"):
            convert(filter_pb, tmp_path, recipe="teapot", converter="openvino")
    finally:
        registry.installed.cache_clear()
    assert result.metadata["recipe"] == "mine"


def test_what_only_speech_models_have_is_refused_for_a_recipes_model(write, filter_pb, tmp_path):
    given = {"recipe": write(FILTER), "converter": "openvino"}
    with pytest.raises(RecipeError, match="--sample-rate and --language: only a DeepSpeech model has that"):
        convert(filter_pb, tmp_path / "out", sample_rate=8000, language="cy", **given)
    with pytest.raises(RecipeError, match="The batch cannot be 7: the graph leaves no input's first axis open"):
        convert(filter_pb, tmp_path / "out", batch=7, **given)
    assert not (tmp_path / "out").exists()


def test_a_recipe_that_is_not_there(filter_pb, tmp_path):
    with pytest.raises(RecipeError, match=r"no such file\. Give a recipe"):
        convert(filter_pb, tmp_path, recipe=tmp_path / "teapot.py")


def test_a_recipe_refuses_in_its_own_words(write, filter_pb, tmp_path, capsys):
    text = HEADER + "def recognise(view): raise Refusal('Too hot', node='out', remedy='Wait')\n"
    assert main(["convert", str(filter_pb), "-o", str(tmp_path), "--recipe", str(write(text))]) == 2
    assert "Too hot. Node at fault: 'out'. Wait." in capsys.readouterr().err


def test_installed_recipes_are_asked_after_deepspeech(monkeypatch):
    asked = []
    module = SimpleNamespace(NAME="installed", recognise=lambda view: asked.append(view) or Model({}, {}))
    point = SimpleNamespace(name="installed", value="package.module", load=lambda: module)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == registry.GROUP else [])
    registry.installed.cache_clear()
    try:
        assert [recipe.name for recipe in registry.recipes()] == ["deepspeech", "deepspeech-0.1", "installed"]
        found = recognise(GraphView(filter_graph().graph.node))
    finally:
        registry.installed.cache_clear()
    assert found.model.recipe == "installed"
    assert asked
    assert list(found.misses) == ["deepspeech", "deepspeech-0.1"]


def test_a_graph_is_walked_once_whoever_asks(monkeypatch):
    """v0.1's recipe looks for loops of LSTM cells, and so does what comes after it, and another recipe."""
    walks = []
    find_loops = dynamic_rnn.find_loops
    monkeypatch.setattr(dynamic_rnn, "find_loops", lambda view: walks.append(view) or find_loops(view))
    view = GraphView(filter_graph().graph.node)
    for _ in range(2):
        assert (
            recognise(view).misses["deepspeech-0.1"] == "DeepSpeech v0.1 has two loops of LSTM cells, this graph has 0"
        )
    assert len(walks) == 1


def test_an_installed_recipe_that_is_broken_is_said_and_skipped(monkeypatch):
    def load():
        raise ImportError("no teapot")

    point = SimpleNamespace(name="broken", value="package.module", load=load)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    registry.installed.cache_clear()
    try:
        found = recognise(GraphView(filter_graph().graph.node))
        assert "the installed recipe 'broken' (package.module) cannot be loaded" in found.misses["broken"]
        assert "ImportError: no teapot" in found.misses["broken"]
        (recipe,) = registry.installed()
        assert recipe.broken == found.misses["broken"]
    finally:
        registry.installed.cache_clear()


@pytest.mark.requires_mo
@pytest.mark.requires_tf
@pytest.mark.parametrize("state", ["external", "internal"])
def test_plain_mo_finds_the_file_in_its_configuration(tmp_path, state):
    from tests.graphs import stateful
    from tests.support.mo_run import mo

    graph = stateful.keyword_spotter()
    options = tmp_path / "options.json"
    attributes = {"recipe": str(RECIPE), "state": state}
    options.write_text(
        json.dumps([{"id": "deepspeech_recipe", "match_kind": "general", "custom_attributes": attributes}])
    )
    model, printed = mo(graph.save(tmp_path / "model.pb"), "--transformations_config", str(options))
    assert "keyword: one frame → scores of keywords" in printed
    metadata = read_metadata(model)
    assert (metadata["recipe"], metadata["classes"]) == ("keyword", ["yes", "no", "silence"])
    run = StatefulModel(model)
    assert (run.inputs, run.outputs) == (("frame",), ("scores",))
    assert set(run.states) == {"state_c", "state_h"}


@pytest.mark.requires_tf
def test_verify_finds_the_right_and_the_wrong(tmp_path, capsys):
    from tests.graphs import stateful

    path = stateful.keyword_spotter().save(tmp_path / "model.pb")
    arguments = ["convert", str(path), "-o", str(tmp_path), "--name", "ir", "--recipe", str(RECIPE)]
    assert main([*arguments, "--converter", "openvino", "--verify"]) == 0
    assert "✓ state 'state_h'" in capsys.readouterr().out
    ir = tmp_path / "ir.xml"
    values = np.fromfile(ir.with_suffix(".bin"), np.float32)
    (values * np.float32(1.01)).tofile(ir.with_suffix(".bin"))
    assert main(["verify", str(path), str(ir)]) == 1
    assert "✗" in capsys.readouterr().out


@pytest.mark.requires_tf
def test_diagnose_finds_the_first_tensor_that_differs(tmp_path, capsys):
    from tests.graphs import stateful

    graph = stateful.keyword_spotter()
    path = graph.save(tmp_path / "model.pb")
    ir = convert(path, tmp_path, name="ir", recipe=RECIPE, converter="openvino", verify=False).files[0]
    assert main(["diagnose", str(path), str(ir)]) == 0
    assert "✓ state_c" in capsys.readouterr().out
    view = GraphView(parse(GraphDef, graph.graph_def, what="the graph").node)
    (add,) = (node for node in view.of_op("AddV2") if getattr(view.value(node.inputs[1]), "shape", None) == (3,))
    bias = view.value(add.inputs[1])
    weights = ir.with_suffix(".bin").read_bytes()
    assert weights.count(bias.tobytes()) == 1
    ir.with_suffix(".bin").write_bytes(weights.replace(bias.tobytes(), (bias + np.float32([0, 0.1, 0])).tobytes()))
    assert main(["diagnose", str(path), str(ir)]) == 1
    printed = capsys.readouterr().out
    assert f"first difference: {add.name}" in printed
    assert "✓ state_c" in printed


@pytest.mark.requires_tf
def test_verify_refuses_another_graph(tmp_path):
    from deepspeech_recipe.verification import verify
    from tests.graphs import stateful

    path = stateful.keyword_spotter().save(tmp_path / "model.pb")
    other = stateful.stacked_states().save(tmp_path / "other.pb")
    result = convert(path, tmp_path, recipe=RECIPE, converter="openvino", verify=False)
    with pytest.raises(RecipeError, match=r"is not made of .*other\.pb"):
        verify(other, result.files[0])


def test_what_is_compared_is_what_the_recipe_says(write, tmp_path, monkeypatch):
    """Not what would be recognised without it."""
    from deepspeech_recipe.conversion import convert as module

    asked = []
    monkeypatch.setattr(module, "compare", lambda source, ir, **options: asked.append(options))
    (tmp_path / "filter.pb").write_bytes(filter_graph().graph.SerializeToString())
    recipe = write(FILTER)
    convert(tmp_path / "filter.pb", tmp_path / "out", recipe=recipe, converter="openvino", verify=True)
    assert asked == [{"recipe": str(recipe)}]
