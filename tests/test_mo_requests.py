"""What the user types for `mo` wins; what was left out is filled in; what contradicts itself is refused."""

import json

import numpy as np
import pytest

from tests.support.compare import (
    F32,
    check_close,
    check_conversion,
    check_numbers,
    compiled,
    op_counts,
    run,
)
from tests.support.limits import assert_close
from tests.support.mo_run import EXTENSIONS, MOError, mo
from tests.support.reference import random_chunks, run_chunks

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]

NEW_CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"


def shapes(ports) -> dict[str, str]:
    return {min(port.get_names(), key=len): str(port.get_partial_shape()) for port in ports}


def documented(batch: int = 1) -> list[str]:
    """The command of OpenVINO's documentation, every name typed."""
    inputs = (
        f"input_node[{batch} 16 7 11],input_lengths->[16],previous_state_h[{batch} 32],previous_state_c[{batch} 32]"
    )
    return ["--input", inputs, "--output", f"{NEW_CELL}/GatherNd_1,{NEW_CELL}/GatherNd,logits"]


SIZES = {
    "time steps": (["--input", "input_node[3 32 7 11]"], 3, 32),
    "dynamic time": (["--input", "input_node[1 ? 7 11]"], 1, None),
    "dynamic time and batch": (["--input", "input_node[? ? 7 11]"], None, None),
    "shape alone": (["--input_shape", "[2,24,7,11]"], 2, 24),
    "name and shape": (["--input", "input_node", "--input_shape", "[2,24,7,11]"], 2, 24),
    "batch": (["--batch", "5"], 5, 16),
    "lengths frozen": (["--freeze_placeholder_with_value", "input_lengths->[16 16 16]"], 3, 16),
    "lengths frozen with the shape": (["--input", "input_node[3 8 7 11],input_lengths->[8]"], 3, 8),
}


@pytest.mark.sampled
@pytest.mark.parametrize(("arguments", "batch", "steps"), SIZES.values(), ids=SIZES)
def test_sizes_that_the_user_gives(deepspeech, graph_file, arguments, batch, steps):
    model, printed = mo(graph_file(), *arguments)
    b, t = batch or "?", steps or "?"
    assert shapes(model.inputs) == {
        "input_node": f"[{b},{t},7,11]",
        "previous_state_c": f"[{b},32]",
        "previous_state_h": f"[{b},32]",
    }
    assert shapes(model.outputs) == {"logits": f"[{t},{b},29]", "new_state_c": f"[{b},32]", "new_state_h": f"[{b},32]"}
    assert f"T = {steps or 'dynamic'}, batch {batch or 'dynamic'}" in printed
    check_conversion(model, deepspeech(batch=batch or 2, n_steps=steps or 13), count=3, relative=True)


@pytest.mark.sampled
@pytest.mark.parametrize("version", ["0.3", "0.5", "0.9"])
def test_one_ir_serves_any_time_length(deepspeech, graph_file, version):
    """The documented recipe's result cannot be reshaped; this one can."""
    model, _ = mo(graph_file(version))
    for steps in (1, 5, 40):
        model.reshape({"input_node": [3, steps, 7, 11]})
        check_numbers(model, deepspeech(version, n_steps=steps), count=2, relative=True)


def test_documented_command_gives_the_numbers_of_mo_alone(deepspeech, graph_file):
    graph = deepspeech(batch=1)
    path, chunks = graph_file(batch=1), random_chunks(graph)
    with_plugin, _ = mo(path, *documented())
    alone, _ = mo(path, *documented(), plugin=False)
    for model in (with_plugin, alone):
        names = [port.get_names() for port in model.outputs]
        assert [f"{NEW_CELL}/GatherNd" in each or f"{NEW_CELL}/GatherNd:0" in each for each in names][1]
    for output, name in zip(alone.outputs, ("new_state_h", "new_state_c", "logits"), strict=True):
        output.add_names({name})
    check_close(run(with_plugin, chunks), run(alone, chunks), 1e-6, relative=True)
    check_numbers(with_plugin, graph, relative=True)


def test_documented_command_of_the_old_releases(deepspeech, graph_file):
    """Variables named at their reads, shapes apart."""
    arguments = [
        "--input", "input_node,previous_state_h/read,previous_state_c/read",
        "--input_shape", "[1,16,7,11],[1,32],[1,32]",
        "--freeze_placeholder_with_value", "input_lengths->[16]",
        "--output", "lstm_fused_cell/GatherNd_1,lstm_fused_cell/GatherNd,logits",
    ]  # fmt: skip
    model, _ = mo(graph_file("0.4", batch=1), *arguments)
    check_numbers(model, deepspeech("0.4", batch=1), relative=True)


@pytest.mark.sampled
@pytest.mark.parametrize("version", ["0.4", "0.9"])
@pytest.mark.parametrize("outputs", ["raw_logits,new_state_c", "new_state_c", "new_state_h", "logits"])
def test_outputs_that_the_user_names(deepspeech, graph_file, version, outputs):
    model, _ = mo(graph_file(version), "--output", outputs)
    assert list(shapes(model.outputs)) == outputs.split(",")
    assert list(shapes(model.inputs)) == ["input_node", "previous_state_c", "previous_state_h"]
    graph = deepspeech(version)
    chunks = random_chunks(graph, 1)
    expected = run_chunks(graph, chunks)
    values = {"raw_logits": expected.raw_logits, "logits": expected.logits}
    values |= {"new_state_c": expected.c, "new_state_h": expected.h}
    request = _first_call(model, chunks[0])
    for name in outputs.split(","):
        assert_close(request.get_tensor(name).data, values[name][0], F32)


def _first_call(model, chunk):
    request = compiled(model).create_infer_request()
    zeros = np.zeros((chunk.shape[0], 32), np.float32)
    request.infer({"input_node": chunk, "previous_state_c": zeros, "previous_state_h": zeros})
    return request


def test_a_dense_layer_as_output_needs_no_state(graph_file):
    model, _ = mo(graph_file(), "--output", "Minimum_2")
    assert shapes(model.inputs) == {"input_node": "[3,16,7,11]"}
    assert "LSTMSequence" not in op_counts(model)


REFUSED = {
    "fewer steps": (["--freeze_placeholder_with_value", "input_lengths->[12 12 12]"], ["[12, 12, 12]", "16 time"]),
    "unequal": (["--freeze_placeholder_with_value", "input_lengths->[16 16 8]"], ["[16, 16, 8]", "16 time"]),
    "other shape": (["--input", "input_node[3 32 7 11],input_lengths->[16]"], ["[16]", "32 time steps"]),
    "dynamic": (["--input", "input_node[3 ? 7 11],input_lengths->[16]"], ["[16]", "dynamic"]),
    "kept": (
        ["--input", "input_lengths,input_node,previous_state_c,previous_state_h"],
        ["'input_lengths' cannot stay an input", "Remove it from --input"],
    ),
    "two batches": (["--input", "input_node[4 16 7 11],previous_state_c[3 32]"], ["batch of 3", "one of 4"]),
    "no integers": (["--freeze_placeholder_with_value", "input_lengths->[many]"], ["not a list of integers"]),
}


@pytest.mark.parametrize(("arguments", "texts"), REFUSED.values(), ids=REFUSED)
def test_contradictions_are_refused_with_both_numbers(graph_file, arguments, texts):
    with pytest.raises(MOError) as error:
        mo(graph_file(), *arguments)
    for text in texts:
        assert text in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize("options", [{"peephole": True}, {"cell_consumer": "output"}])
def test_a_near_miss_is_an_error_of_mo(graph_file, options):
    with pytest.raises(MOError, match="Node at fault"):
        mo(graph_file(**options))


@pytest.mark.parametrize("version", ["0.4", "0.9"])
def test_internal_state_by_transformations_config(deepspeech, graph_file, version):
    model, _ = mo(graph_file(version), "--transformations_config", str(EXTENSIONS / "internal_state.json"))
    assert shapes(model.inputs) == {"input_node": "[3,16,7,11]"}
    assert list(shapes(model.outputs)) == ["logits"]
    assert op_counts(model)["ReadValue"] == op_counts(model)["Assign"] == 2
    graph = deepspeech(version)
    chunks = random_chunks(graph)
    check_numbers(model, graph, relative=True)
    without_state = run_chunks(graph, chunks[1:2]).logits[0]
    assert np.abs(run_chunks(graph, chunks).logits[1] - without_state).max() > 100 * F32


def test_raw_head_by_transformations_config(deepspeech, graph_file):
    model, _ = mo(graph_file(), "--transformations_config", str(EXTENSIONS / "raw_head.json"))
    graph = deepspeech()
    chunks = random_chunks(graph)
    assert_close(run(model, chunks)["logits"], run_chunks(graph, chunks).raw_logits, F32)
    assert "raw_logits" in model.outputs[0].get_names()


def test_options_that_are_not_known_are_refused(graph_file, tmp_path):
    for custom, text in (({"stat": "internal"}, "'stat' is not an option"), ({"state": "both"}, "not one of external")):
        config = tmp_path / "config.json"
        config.write_text(
            json.dumps([{"id": "deepspeech_recipe", "match_kind": "general", "custom_attributes": custom}])
        )
        with pytest.raises(MOError, match=text):
            mo(graph_file(), "--transformations_config", str(config))


def test_metadata_is_in_the_ir(graph_file):
    from deepspeech_recipe.ir.metadata import alphabet_labels, read_metadata

    labels = tuple(bytes([value]) for value in range(1, 256))
    model, _ = mo(graph_file(alphabet=labels, sample_rate=8000, language="cy"))
    metadata = read_metadata(model)
    assert metadata["sample_rate"] == 8000
    assert metadata["language"] == "cy"
    assert metadata["upper_frequency"] == 4000.0
    assert metadata["time_steps"] == 16
    assert metadata["state"] == "external"
    assert metadata["head"] == "probabilities"
    assert tuple(alphabet_labels(metadata["alphabet"])) == labels


def test_renamed_graph_comes_out_with_the_names_of_the_contract(deepspeech, tmp_path):
    from deepspeech_recipe.graphdef import proto

    graph = deepspeech("0.9")
    message = proto.parse(proto.GraphDef, graph.graph_def, what="the graph")
    for node in message.node:
        node.name = f"speech/{node.name}"
        for index, name in enumerate(node.input):
            node.input[index] = f"^speech/{name[1:]}" if name.startswith("^") else f"speech/{name}"
    path = tmp_path / "renamed.pb"
    path.write_bytes(message.SerializeToString())
    model, _ = mo(path)
    check_numbers(model, graph, relative=True)
    assert "speech/new_state_c:0" in model.output("new_state_c").get_names()
