"""What a state begins with: told by the graph, kept in the metadata, used by everything that runs an IR."""

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.initial_state import first_state, initial_state_json, initial_states
from deepspeech_recipe.patterns.state import initial_state
from deepspeech_recipe.recipes.summary import span
from deepspeech_recipe.runtime import Recognizer
from tests.support import runtime_models
from tests.support.limits import assert_close
from tests.support.runtime_models import KINDS, ONE_THREAD, expected, rounded, speech

F32 = {"T": DType(FLOAT)}
VALUES = np.float32([[0.1, -0.25, 3]])


def graph(write) -> GraphView:
    """x and the frozen variable 'state', read through a copy; write(builder) adds who writes to it."""
    builder = GraphBuilder()
    builder.placeholder("x", FLOAT, (1, 3))
    builder.const("state", VALUES)
    builder.node("state/read", "Identity", ["state"], **F32)
    builder.node("new", "Add", ["state/read", "x"], **F32)
    builder.const("zeros", np.zeros((1, 3), np.float32))
    builder.const("shape", np.int32([1, 3]))
    builder.node("noise", "RandomUniform", ["shape"], dtype=DType(FLOAT))
    builder.node("file", "PlaceholderWithDefault", ["zeros"], dtype=DType(FLOAT))
    builder.placeholder("setter", FLOAT, (1, 3))
    builder.node("restored", "RestoreV2", ["file", "zeros", "zeros"])
    write(builder)
    return GraphView.of(builder.graph)


WRITERS = {
    "assigned": ("Assign", "state", "new", True),
    "assigned an input": ("Assign", "state", "x", True),
    "a resource variable": ("AssignVariableOp", "state", "new", True),
    "through a copy": ("Assign", "state/read", "new", True),
    "added to": ("AssignAdd", "state", "x", True),
    "set from outside": ("AssignVariableOp", "state", "setter", False),
    "begun anew": ("Assign", "state", "zeros", False),
    "initialised": ("Assign", "state", "noise", False),
    "restored": ("Assign", "state", "restored", False),
}


@pytest.mark.parametrize(("op", "target", "value", "carried"), WRITERS.values(), ids=WRITERS)
def test_a_constant_that_a_call_changes_is_a_variable(op, target, value, carried):
    view = graph(lambda builder: builder.node("write", op, [target, value], **F32))
    node = view.nodes["state"]
    assert view.is_variable(node) == carried
    assert (view.value(Tensor("state/read")) is None) == carried
    assert [each.name for each in view.writers(node)] == ["write"]
    assert [each.name for each in view.variables()] == (["state"] if carried else [])
    np.testing.assert_array_equal(initial_state(view, node), VALUES)
    assert view.shape(node) == (1, 3)


def test_a_constant_that_another_node_is_assigned_is_no_variable():
    view = graph(lambda builder: builder.node("write", "Assign", ["zeros", "state/read"], **F32))
    assert not view.is_variable(view.nodes["state"])


def test_values_from_beside_the_graph():
    """As Model Optimizer has those of a directory of checkpoints: variables that no call changes are constants."""
    builder = GraphBuilder()
    for name in ("weights", "state"):
        builder.node(name, "VariableV2", shape=(1, 3), dtype=DType(FLOAT))
    builder.node("new", "Add", ["state", "weights"], **F32)
    builder.node("write", "Assign", ["state", "new"], **F32)
    view = GraphView(builder.graph.node, values={"weights": VALUES, "state": VALUES})
    assert [node.name for node in view.variables()] == ["state"]
    np.testing.assert_array_equal(view.value(Tensor("weights")), VALUES)
    np.testing.assert_array_equal(initial_state(view, view.nodes["state"]), VALUES)
    assert len(GraphView(builder.graph.node).variables()) == 2


def test_metadata_keeps_every_bit():
    values = np.random.default_rng(1).standard_normal((3, 40)).astype(np.float32)
    states = {"rows": values, "row": values[[0, 0, 0]], "full": np.float32(0.1), "zeros": values * 0, "open": None}
    metadata = initial_state_json(states)
    assert list(metadata["initial_state"]) == ["rows", "row", "full"]
    assert metadata["initial_state"]["full"] == 0.1
    found = initial_states(metadata)
    np.testing.assert_array_equal(found["rows"], values)
    np.testing.assert_array_equal(found["row"], values[:1])
    assert found["row"].dtype == np.float32
    assert initial_state_json({"zeros": values * 0}) == {}


def test_rows_of_a_batch():
    rows = np.float32([[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(first_state(rows[:1], (4, 2), "s"), rows[[0, 0, 0, 0]])
    np.testing.assert_array_equal(first_state(rows, (2, 2), "s"), rows[:2])
    np.testing.assert_array_equal(first_state(np.float32(0.5), (2, 2), "s"), np.full((2, 2), 0.5))
    np.testing.assert_array_equal(first_state(None, (2, 2), "s"), np.zeros((2, 2)))
    with pytest.raises(RecipeError, match="begins with 3 rows of its own, so a batch of 4 does not know"):
        first_state(rows, (4, 2), "s")
    with pytest.raises(RecipeError, match=r"has the shape \[1, 5\], but what it begins with has \[1, 2\]"):
        first_state(rows, (1, 5), "s")


def test_zeros_are_called_so_when_they_are():
    assert span(np.zeros(4)) == "zeros"
    assert span(np.float32([[0, -0.25], [0.5, 0]])) == "-0.25…0.5"
    assert span(None) == "unknown"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("no state")])
def test_every_kind_of_ir_begins_with_it(kind):
    begin = {"previous_state_c": 0.5, "previous_state_h": 0.5}
    model = runtime_models.model(kind, initial_state=begin)
    recognizer = Recognizer(model, config=ONE_THREAD)
    wanted = expected(speech(), int8=rounded(kind), initial=0.5)
    for _ in range(2):
        assert_close(recognizer.features(speech()), wanted, 8e-7)
    assert np.abs(wanted - expected(speech(), int8=rounded(kind))).max() > 1e-3


def test_streams_that_share_calls_begin_with_it():
    begin = {"previous_state_c": [[0.5] * runtime_models.HIDDEN], "previous_state_h": 0.5}
    recognizer = Recognizer(runtime_models.model("windows, open", initial_state=begin), config=ONE_THREAD, max_batch=2)
    session = recognizer.session(5)
    for _ in range(2):
        found = np.concatenate([*session.feed(speech()), *session.finish()])
        assert_close(found, expected(speech(), initial=0.5), 8e-7)
        session.reset()
