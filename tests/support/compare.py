"""The one way to compare a conversion with TensorFlow: `check_conversion(convert(converter, source, request), source)`.

It runs both over chained calls and looks at the structure; `check_structure` and `check_numbers` do one of the two.
What a test makes in another way, by a command for one, is checked like that too. `check_call` is for one call of an IR
that has tensors of its own.
"""

import collections
from pathlib import Path

import numpy as np

from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.recipes.recognition import recognise
from tests.support.limits import assert_close
from tests.support.reference import random_chunks, run_chunks

F32 = 1e-5
F16 = 1e-3
EXACT = 1e-6  # of a few layers; measured: 3e-7
# What an exact conversion leaves none of.
LOOPS = {
    *("Loop", "TensorIterator", "If", "LSTMCell", "GRUSequence", "RNNSequence", "ReverseSequence", "Reverse"),
    "GatherND",  # of the last state
}
_CORE = ov.Core()


def check_conversion(model, source, **options) -> None:
    """The structure of an ov.Model, and its numbers over chained calls.

    source: what it was made from: a `contract.Case`, with TensorFlow's committed numbers, or a graph of
    tests.graphs.deepspeech, which runs in TensorFlow here. options: of `check_numbers`.
    """
    check_structure(model)
    check_numbers(model, source, **options)


def convert(converter: str, source, request: Options | None = None, folder: Path | None = None):
    """The ov.Model of the contract, by "openvino" or "mo" in this process. folder: what "mo" writes into."""
    data = source.graph_def if hasattr(source, "graph_def") else source.path.read_bytes()
    graph = parse(GraphDef, data, what="the graph")
    view = GraphView.of(graph)
    recognition = recognise(view)
    if converter == "openvino":
        from deepspeech_recipe.converters import openvino

        return openvino.prepare(graph, view, recognition, request or Options()).convert()
    from deepspeech_recipe.converters.mo import options
    from tests.support.mo_run import mo

    path = source.save(folder / "graph.pb") if hasattr(source, "graph_def") else source.path
    return mo(path, *options(recognition.acoustic, request or Options(), folder))[0]


def check_structure(model, sequences: int = 1, backwards: int = 0, *, without: set[str] = LOOPS) -> None:
    """That many LSTMSequences, that many of which run backwards, and none of the slow or inexact forms."""
    assert not op_counts(model).keys() & without, op_counts(model)
    lstms = [node for node in model.get_ops() if node.get_type_name() == "LSTMSequence"]
    directions = sorted(str(node.get_attributes()["direction"]) for node in lstms)
    assert directions == ["forward"] * (sequences - backwards) + ["reverse"] * backwards


def check_numbers(model, source, *, count: int = 8, lengths: bool = False, tolerance: float = F32, **options) -> None:
    """Chained calls of the IR against TensorFlow's. count: of the chunks of a graph that runs here; a case has its own.
    lengths: the case's unequal ones. options: of `check_close`."""
    if hasattr(source, "graph_def"):
        chunks = random_chunks(source, count)
        want, used = vars(run_chunks(source, chunks)), None
    else:
        chunks, want, used = source.chunks, source.want, None
        if lengths:
            used = want["lengths"]
            want = {name: want[f"unequal_{name}"] for name in ("logits", "c", "h")}
    check_close(run(model, chunks, used), want, tolerance, **options)


def compiled(model):
    """On the CPU, in plain FP32: reduced precision would hide errors of the conversion."""
    return _CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})


def outputs_of(request) -> dict[str, np.ndarray]:
    """Copies: OpenVINO's are views on memory that the next call overwrites."""
    named = ("logits", "new_state_c", "new_state_h")
    found = {}
    for port in request.model_outputs:
        name = next(name for name in named if name in port.get_names())
        found[name] = request.get_tensor(port).data.copy()
    return found


def run(model, chunks, lengths=None) -> dict[str, np.ndarray]:
    """Chained calls from zero state: chunks [K, B, T, …] → logits [K, T, B, classes], c and h [K, B, H]."""
    request = compiled(model).create_infer_request()
    names = {name for port in request.model_inputs for name in port.get_names()}
    batch, hidden = chunks.shape[1], None
    state = {}
    if "previous_state_c" in names:
        hidden = model.input("previous_state_c").get_partial_shape()[1].get_length()
        state = {f"previous_state_{role}": np.zeros((batch, hidden), np.float32) for role in "ch"}
    rows = []
    for index, chunk in enumerate(chunks):
        feeds = {"input_node": chunk, **state}
        if lengths is not None:
            feeds["lengths"] = np.asarray(lengths[index], np.int64)
        request.infer(feeds)
        found = outputs_of(request)
        state = {f"previous_state_{role}": found[f"new_state_{role}"] for role in "ch"} if state else {}
        rows.append([found[name] for name in ("logits", "new_state_c", "new_state_h") if name in found])
    return dict(zip(("logits", "c", "h"), map(np.stack, zip(*rows, strict=True)), strict=False))


def check_close(found: dict, want: dict, tolerance: float = F32, *, relative: bool = False) -> None:
    """Every tensor that was found, against TensorFlow's. relative: to the largest value, if that is above 1."""
    for name, values in found.items():
        scale = max(1, np.abs(want[name]).max()) if relative else 1
        assert_close(values / scale, want[name] / scale, tolerance, name)
    assert np.ptp(want["logits"], axis=-1).max() > 0.05, "the numbers to compare with say nothing"


def check_call(model, feeds: dict, expected: dict, tolerance: float = EXACT) -> None:
    """One call. feeds, expected: tensor name ('x:0') → value."""
    network = compiled(model)
    found = network({port: value for port in network.inputs for name, value in feeds.items() if name in port.names})
    for name, want in expected.items():
        assert_close(found[name], want, tolerance, name)


def op_counts(model) -> collections.Counter:
    return collections.Counter(op.get_type_name() for op in model.get_ops())


def runtime_info(node, key: str) -> str:
    """What the plugin says of a node of its runtime model."""
    value = node.get_rt_info()[key]
    return value if isinstance(value, str) else value.get()
