"""What a graph asks of TensorFlow has an end: the process that runs it has limits of memory and time, and may die."""

import os
import signal

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, GraphBuilder
from deepspeech_recipe.graphdef.proto import DATA_TYPES
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.verification import tensorflow_session
from deepspeech_recipe.verification.tensorflow_session import TensorFlowGraph
from tests.graphs import effects

pytestmark = pytest.mark.requires_tf

X, Y = Tensor("x"), Tensor("y")
GIVEN = np.array([1, 2, 3], np.float32)


def loaded(graph: GraphBuilder) -> TensorFlowGraph:
    return TensorFlowGraph(graph.graph, [Y], [X], "model.pb")


def run(graph: TensorFlowGraph) -> np.ndarray:
    (found,) = graph.run([Y], {X: GIVEN})
    return found


def endless() -> GraphBuilder:
    """y = x + 1 + 1 + 1…"""
    graph = GraphBuilder(producer=1087)
    graph.placeholder("x", FLOAT, (3,))
    effects.add_function(graph.graph, "body", effects.plain("sum"), "sum:z:0")
    condition = GraphBuilder()
    condition.placeholder("x", FLOAT, (3,))
    condition.const("true", True, np.bool_)
    effects.add_function(graph.graph, "cond", condition, "true:output:0")
    graph.graph.library.function[-1].signature.output_arg[0].type = DATA_TYPES["DT_BOOL"]
    effects.call(graph, "y", "StatelessWhile", "", cond="cond", body="body")
    return graph


def large() -> GraphBuilder:
    """y = x + the largest of 2⁴⁰ ones."""
    graph = effects.plain("sum")
    graph.const("size", [2**20, 2**20], np.int32)
    graph.node("ones", "Fill", ["size", "one"], T=DType(FLOAT), index_type=DType(INT32))
    graph.const("axes", [0, 1], np.int32)
    graph.node("largest", "Max", ["ones", "axes"], T=DType(FLOAT), Tidx=DType(INT32))
    graph.node("y", "AddV2", ["x", "largest"], T=DType(FLOAT))
    return graph


def test_memory_has_a_limit():
    with pytest.raises(RecipeError, match=r"^model\.pb: TensorFlow cannot run it \(OOM when allocating tensor"):
        run(loaded(large()))


@pytest.mark.long
def test_a_loop_without_end_is_stopped_and_the_next_graph_runs(monkeypatch):
    other = loaded(effects.plain())
    monkeypatch.setattr(tensorflow_session, "_SECONDS", 3)
    with pytest.raises(RecipeError, match=r"^model\.pb: .*gave no answer to 'run' in 3 seconds and was stopped\)\.$"):
        run(loaded(endless()))
    monkeypatch.undo()
    with pytest.raises(RecipeError, match=r"^model\.pb: .*gave no answer"):
        run(other)
    again = loaded(effects.plain())
    np.testing.assert_array_equal(run(again), GIVEN + 1)
    # A kernel that dies takes nobody with it.
    os.kill(again._process._worker._process.pid, signal.SIGSEGV)
    with pytest.raises(RecipeError, match=r"^model\.pb: .*the worker was ended by signal 11"):
        run(again)


@pytest.mark.long
def test_graphs_live_side_by_side_and_go():
    one, other = loaded(effects.plain()), loaded(effects.plain())
    assert one._process is other._process
    np.testing.assert_array_equal(run(one), run(other))
    sizes = one._process._sizes
    kept = len(sizes)
    del other
    third = loaded(effects.plain())
    assert len(sizes) == kept
    np.testing.assert_array_equal(run(one), run(third))


def test_a_graph_that_goes_in_the_middle_of_a_question_takes_no_answer(monkeypatch):
    """Garbage is collected anywhere; whoever asked then read the other's answer."""
    one, held = loaded(effects.plain()), [loaded(effects.plain())]
    questions = one._process._worker._questions

    class Collecting:
        write = staticmethod(questions.write)

        def flush(self):
            questions.flush()
            held.clear()

    monkeypatch.setattr(one._process._worker, "_questions", Collecting())
    with pytest.raises(RecipeError, match=r"^model\.pb: TensorFlow cannot run it \(Cannot interpret feed_dict key"):
        one.run([Y], {Tensor("absent"): GIVEN})
    assert held == []
    monkeypatch.undo()
    np.testing.assert_array_equal(run(one), GIVEN + 1)


def test_what_tensorflow_refuses_is_one_line():
    graph = effects.plain("sum")
    graph.const("shape", [7], np.int32)
    graph.node("y", "Reshape", ["sum", "shape"], T=DType(FLOAT), Tshape=DType(INT32))
    with pytest.raises(RecipeError, match=r"^model\.pb: TensorFlow cannot run it \(Cannot reshape a tensor"):
        loaded(graph)
