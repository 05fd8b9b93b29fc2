"""Model Optimizer with the plugin runs nothing of a file that does more than to compute."""

import contextlib
import os
import threading

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.converters import mo as mo_process
from deepspeech_recipe.converters.mo_safety import check_import, check_outputs
from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, GraphBuilder
from deepspeech_recipe.graphdef.pure import NotPure
from tests.graphs import effects, foreign
from tests.support.mo_run import MOError, mo


def saved(graph, path):
    path.write_bytes(graph.SerializeToString())
    return path


def debugged(file: str) -> GraphBuilder:
    """y = x + 1 through an operation that Model Optimizer does not know, and that writes its input to a file."""
    graph = effects.plain("sum")
    graph.node("effect", "DebugIdentity", ["sum"], T=DType(FLOAT), tensor_name="value:0", device_name="")
    graph.graph.node[-1].attr["debug_urls"].list.s.append(f"file://{file}".encode())
    graph.node("y", "AddV2", ["effect", "one"], T=DType(FLOAT))
    return graph


def shaped_by_a_file(file: str) -> GraphBuilder:
    """x in a shape that is read from a file."""
    graph = effects.plain("sum")
    effects.EFFECTS[[effect.op for effect in effects.EFFECTS].index("ReadFile")].write(graph, file)
    graph.node("shape", "DecodeRaw", ["effect"], out_type=DType(INT32), little_endian=True)
    graph.node("y", "Reshape", ["x", "shape"], T=DType(FLOAT), Tshape=DType(INT32))
    return graph


@pytest.mark.requires_mo
def test_an_operation_that_mo_does_not_know_is_not_run(tmp_path):
    written = tmp_path / "written"
    path = saved(debugged(str(written)).graph, tmp_path / "model.pb")
    with pytest.raises(MOError, match=r"would run DebugIdentity to see its shape, .*Node at fault: 'effect'"):
        mo(path)
    assert not written.exists()
    # The case is a true one.
    with pytest.raises(MOError):
        mo(path, plugin=False)
    assert written.exists()


@pytest.mark.requires_mo
def test_nothing_is_read_while_the_graph_is_loaded(tf, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    opened = []

    def answer():
        # Opening waits for a reader, who may be gone again before there is anything to read.
        with contextlib.suppress(BrokenPipeError), open(pipe, "wb", buffering=0) as file:
            opened.append(True)
            file.write(np.array([3], np.int32).tobytes())

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    path = saved(shaped_by_a_file(str(pipe)).graph, tmp_path / "model.pb")
    with pytest.raises(MOError, match=r"The outputs need ReadFile, .*Node at fault: 'effect'"):
        mo(path)
    assert not opened
    text = tmp_path / "model.pbtxt"
    text.write_text(str(shaped_by_a_file(str(pipe)).graph))
    with pytest.raises(MOError, match=r"The outputs need ReadFile, .*Node at fault: 'effect'"):
        mo(text, "--input_model_is_text")
    assert not opened
    # The case is a true one: to import the graph is enough.
    with tf.Graph().as_default():
        tf.import_graph_def(tf.compat.v1.GraphDef.FromString(path.read_bytes()), name="")
    thread.join(10)
    assert opened


@pytest.mark.requires_tf
def test_a_function_of_constants_runs_as_a_whole_and_is_refused(tmp_path):
    graph = GraphBuilder()
    body = GraphBuilder()
    body.placeholder("x", FLOAT, (3,))
    effects.EFFECTS[0].write(body, str(tmp_path / "file"))
    body.const("one", 1.0, np.float32)
    body.node("sum", "AddV2", ["x", "one", "^effect"], T=DType(FLOAT))
    effects.add_function(graph.graph, "f", body, "sum:z:0")
    graph.const("x", [1.0, 2.0, 3.0], np.float32)
    effects.call(graph, "y", "PartitionedCall", "f")
    with pytest.raises(NotPure, match=r"need WriteFile, .*'effect' in the function 'f'"):
        check_import(graph.graph)
    graph.graph.node[0].op = "Placeholder"
    check_import(graph.graph)


@pytest.mark.requires_tf
def test_what_training_left_in_a_graph_may_stay(tmp_path):
    """Nothing of it is run, so nothing of it is refused."""
    graph = effects.plain()
    effects.EFFECTS[0].write(graph, str(tmp_path / "file"))
    effects.text(graph, "tag", "loss")
    graph.node("ScalarSummary", "ScalarSummary", ["tag", "one"], T=DType(FLOAT))
    graph.node("MergeSummary", "MergeSummary", ["ScalarSummary"], N=1)
    graph.node("w", "VariableV2", dtype=DType(FLOAT), shape=(), container="", shared_name="")
    graph.node("train", "ApplyGradientDescent", ["w", "one", "one"], T=DType(FLOAT))
    graph.const("frozen", 1.0, np.float32)
    graph.node("Assign", "Assign", ["frozen", "one"], T=DType(FLOAT))
    graph.node("queue", "FIFOQueueV2")
    graph.node("taken", "QueueDequeueV2", ["queue"])
    graph.node("decoded", "DecodeJpeg", ["taken"])
    graph.node("filename", "ShardedFilename", ["tag", "one", "one"])
    check_import(graph.graph)
    check_outputs(graph.graph, None)


@pytest.mark.requires_mo
@pytest.mark.requires_tf
def test_convert_refuses_before_mo_is_started(tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("mo was started")

    monkeypatch.setattr(mo_process, "run", never)
    lstm = foreign.embedding_lstm()
    source = GraphBuilder()
    source.graph.ParseFromString(lstm.graph_def)
    (output,) = lstm.outputs
    effects.text(source, "file", str(tmp_path / "file"))
    source.node("joined", "PyFunc", [output.removesuffix(":0")], token="pyfunc_0")
    path = saved(source.graph, tmp_path / "model.pb")
    with pytest.raises(NotPure, match=r"The outputs need PyFunc, .*Node at fault: 'joined'"):
        convert(path, tmp_path / "out", converter="mo")
    assert not (tmp_path / "out").exists()
