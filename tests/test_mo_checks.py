"""Requests of `mo` that the graph cannot fulfil: one line of ours with both sides, before MO acts on them."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from deepspeech_recipe.ir.metadata import read_metadata
from tests.graphs import foreign
from tests.support import compare, contract
from tests.support.compare import compiled, op_counts
from tests.support.limits import assert_close
from tests.support.mo_run import EXTENSIONS, MOError, mo
from tests.support.reference import session

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]

LOOPS = Path(__file__).with_name("fixtures") / "rnn"
CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
OLD_CELL = "lstm_fused_cell"
INTERNAL = ("--transformations_config", str(EXTENSIONS / "internal_state.json"))


def make_stateful(**pairs: str) -> str:
    return f"MakeStateful[param_res_names={{{','.join(f'{name!r}:{new!r}' for name, new in pairs.items())}}}]"


BOTH = {"previous_state_c": "new_state_c", "previous_state_h": "new_state_h"}
CROSSED = {"previous_state_c": "new_state_h", "previous_state_h": "new_state_c"}

# The graphs have windows of 5 frames of 6 features, 11 cells, 7 steps, batch 3.
REFUSED = {
    "features": ("v0.9", ["--input", "input_node[1 16 5 20]"], ["'input_node'", "[1,16,5,20]", "[?,?,5,6]"]),
    "frames": ("v0.4", ["--input_shape", "[1,16,19,6]"], ["'input_node'", "[1,16,19,6]", "[?,?,5,6]"]),
    "bounds": ("v0.9", ["--input", "input_node[1 ? 7..9 6]"], ["'input_node'", "7..9", "[?,?,5,6]"]),
    "rank": ("v0.9", ["--input", "input_node[1 16 30]"], ["'input_node'", "[1,16,30]", "[?,?,5,6]"]),
    "cells": ("v0.9", ["--input", "input_node,previous_state_h[3 2048]"], ["'previous_state_h'", "2048", "[?,11]"]),
    "cells of variables": (
        "v0.4", ["--input", "input_node,previous_state_c/read[3 12],previous_state_h/read[3 11]"],
        ["'previous_state_c'", "[3,12]", "[?,11]"],
    ),
    "rank of a state": ("v0.9", ["--input", "input_node,previous_state_c[11]"], ["_c' was given", "[11]", "[?,11]"]),
    "samples": ("v0.9", ["--input", "input_samples[1 800]"], ["'input_samples' was", "[1,800]", "[?]"]),
    "no steps": ("v0.9", ["--input", "input_node[1 0 5 6]"], ["'input_node'", "[1,0,5,6]", "above zero"]),
    "no batch": ("v0.9", ["--input", "input_node[0 7 5 6]"], ["'input_node'", "[0,7,5,6]", "above zero"]),
    "type": ("v0.9", ["--input", "input_node{f16}"], ["'input_node'", "float16", "float32"]),
    "hidden states": (
        "v0.9", ["--output", f"{CELL}/BlockLSTM:6"],
        [f"{CELL}/BlockLSTM:6'", f"all steps are '{CELL}/BlockLSTM/sequence'", f"cell state is '{CELL}/GatherNd'"],
    ),
    "cell states": ("v0.4", ["--output", f"logits,{OLD_CELL}/BlockLSTM:1"], ["one LSTMSequence", "/sequence'"]),
    "the cell": ("v0.3", ["--output", f"{OLD_CELL}/BlockLSTM"], [f"hidden state is '{OLD_CELL}/Gather"]),
    "an input of the cell": ("v0.9", ["--input", f"2:{CELL}/BlockLSTM[3 11]"], ["'2:cudnn", "one LSTMSequence"]),
    "an assignment": ("v0.4", ["--output", "Assign"], ["'Assign'", "Outputs are logits, new_state_c, new_state_h"]),
    "scale": ("v0.9", ["--scale", "2"], ["--scale 2", "previous_state_c, previous_state_h"]),
    "scales by place": ("v0.4", ["--scale_values", "[2],[2],[2]"], ["Unnamed", "previous_state_c, previous_state_h"]),
    "mean of a state": ("v0.9", ["--mean_values", "previous_state_h[2]"], ["'previous_state_h', which is a state"]),
    "layout of a state": ("v0.9", ["--layout", "new_state_c(nc->cn)"], ["'new_state_c', which is a state"]),
    "frozen state": ("v0.9", ["--freeze_placeholder_with_value", "previous_state_c->0"], ["_c' is a state: frozen"]),
    "one state": ("v0.9", ["--transform", make_stateful(previous_state_c="new_state_c")], [make_stateful(**BOTH)]),
    "exchanged states": ("v0.4", ["--transform", make_stateful(**CROSSED)], [make_stateful(**BOTH)]),
    "no states named": ("v0.9", ["--transform", "MakeStateful"], ["no names", make_stateful(**BOTH)]),
    "open batch": ("v0.9", ["--input", "input_node[? 7 5 6]", "--transform", make_stateful(**BOTH)], ["a fixed batch"]),
    "open batch, by option": ("v0.9", ["--input", "input_node[? 7 5 6]", *INTERNAL], ["fixed batch"]),
    "no state": ("no_state", INTERNAL, ["none to keep inside"]),
    "batch of a constant state": ("no_state", ["--batch", "2"], ["constant state of batch 3", "cannot be 2"]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "texts"), REFUSED.values(), ids=REFUSED)
def test_a_contradiction_is_one_line_with_both_sides(name, arguments, texts):
    with pytest.raises(MOError) as error:
        mo(contract.case(name).path, *arguments)
    for text in texts:
        assert text in str(error.value)
    assert "\n" not in str(error.value)
    assert "INTERNAL ERROR" not in str(error.value)


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["v0.4", "v0.9"])
@pytest.mark.parametrize(
    "arguments",
    [["--transform", make_stateful(**BOTH)], ["--transform", make_stateful(**BOTH) + ",Pruning", *INTERNAL]],
)
def test_make_stateful_is_internal_state_and_says_so(name, arguments):
    each = contract.case(name)
    model, _ = mo(each.path, "--output", "logits", *arguments)
    assert read_metadata(model)["state"] == "internal"
    contract.check_names(model, each, state="internal")
    assert op_counts(model)["ReadValue"] == op_counts(model)["Assign"] == 2
    inside = compiled(model).create_infer_request().query_state()
    assert {state.name for state in inside} == set(BOTH)  # the names by which verify and programs find them
    compare.check_numbers(model, each)


def test_make_stateful_by_the_names_of_the_framework():
    pairs = {"previous_state_c:0": f"{CELL}/GatherNd:0", "previous_state_h": f"{CELL}/GatherNd_1"}
    model, _ = mo(contract.case("v0.9").path, "--transform", make_stateful(**pairs))
    assert read_metadata(model)["state"] == "internal"


def test_an_output_that_the_graph_does_not_have_is_left_to_mo_to_name():
    with pytest.raises(MOError, match="No node with name teapot"):
        mo(contract.case("v0.9").path, "--output", "logits,teapot")


@pytest.mark.long
def test_the_windows_may_be_scaled():
    for name, arguments in (("v0.9", ["--scale_values", "input_node[2]"]), ("no_state", ["--scale", "2"])):
        each = contract.case(name)
        model, _ = mo(each.path, *arguments)
        compare.check_close(compare.run(model, 2 * each.chunks), each.want)


@pytest.mark.parametrize("arguments", [["--input", "input_samples[800]"], ["--output", "mfccs"]])
def test_the_feature_part_is_asked_for_by_its_input_or_by_its_output(arguments):
    model, printed = mo(contract.case("v0.9").path, *arguments)
    assert "only its feature part, input_samples:0 → mfccs:0" in printed
    assert "input_samples" in model.input().get_names()
    assert "mfccs" in model.output().get_names()


def test_the_name_for_the_hidden_states_holds_them():
    each = contract.case("v0.9")
    model, _ = mo(each.path, "--output", f"{CELL}/BlockLSTM/sequence")
    zeros = np.zeros((3, 11), np.float32)
    feeds = {"input_node": each.chunks[0], "previous_state_c": zeros, "previous_state_h": zeros}
    found = compiled(model)(feeds)[0]
    with session(each.path.read_bytes()) as run:
        feeds = {f"{name}:0": value for name, value in feeds.items()} | {"input_lengths:0": np.full(3, 7)}
        expected = run(f"{CELL}/BlockLSTM:6", feeds)
    assert_close(found, expected, 1e-6)


@pytest.fixture(scope="module")
def stacked(tmp_path_factory):
    graph = foreign.stacked_language_model()
    return graph, graph.save(tmp_path_factory.mktemp("stacked") / "model.pb")


def test_contradictions_in_other_models(stacked):
    graph, path = stacked
    state, cell = graph.states[0], "lm/layer_0/BlockLSTM"
    pairs = {name: f"new_{name}" for name in graph.states}
    for arguments, text in (
        (["--scale", "2"], f"--scale 2 would divide the states too ({state}, "),
        (["--scale_values", f"{state}[2]"], f"'{state}', which is a state"),
        (["--input", f"lm/input,{state}[2 99]"], f"'{state}' was given the shape [2,99], but the graph takes [?,10]"),
        (["--output", f"{cell}:6"], f"The hidden states of all steps are '{cell}/sequence'"),
        (["--output", "lm/layer_0/Assign"], "Outputs are lm/scores, "),
        (["--transform", make_stateful(**{state: f"new_{state}"})], make_stateful(**pairs)),
    ):
        with pytest.raises(MOError, match=re.escape(text)):
            mo(path, *arguments)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("6 2 9", "a sequence of 9 features, and its weights are for 7"),
        ("6 3 7", "a batch of 3 sequences and a state of batch 2"),
    ],
)
def test_sizes_that_an_lstm_of_another_model_does_not_take(stacked, shape, text):
    with pytest.raises(MOError, match=text):
        mo(stacked[1], "--input", f"lm/input[{shape}]")


def test_what_turned_time_round_is_not_in_the_converted_graph():
    reversal = "net/bidirectional_rnn/bw/ReverseSequence"
    with pytest.raises(MOError, match=f"'{reversal}' is not in the converted graph"):
        mo(LOOPS / "both.pb", "--output", reversal)


def test_make_stateful_of_another_model(stacked):
    graph, path = stacked
    model, _ = mo(path, "--transform", make_stateful(**{name: f"new_{name}" for name in graph.states}))
    metadata = read_metadata(model)
    assert metadata["state"] == "internal"
    assert set(metadata["states"]) == set(graph.states)
    request = compiled(model).create_infer_request()
    with session(graph.graph_def) as run:
        run(graph.reset)
        for seed in range(4):
            feeds = graph.feeds(seed)
            request.infer(feeds)
            assert_close(request.get_output_tensor(0).data, run(graph.outputs[0], feeds), 1e-6)


def test_only_the_cells_of_a_state_have_a_size_before_the_batch_is_known():
    from deepspeech_recipe.converters.mo_plugin import _state_sizes

    states = (("variable", (3, 2, 8)), ("variable", (5,)), ("variable", ()), ("constant", (3, 8)))
    found = [SimpleNamespace(name=f"s{number}", kind=kind, shape=shape) for number, (kind, shape) in enumerate(states)]
    assert _state_sizes(SimpleNamespace(all_states=found)) == {"s0": (-1, -1, 8), "s1": (5,)}
