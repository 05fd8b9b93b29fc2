"""verify: equal IRs pass in every form, broken ones fail at the right check."""

import numpy as np
import pytest

from deepspeech_recipe.ir import runner
from deepspeech_recipe.ir.ov_api import opset, ov
from deepspeech_recipe.verification import activations, verify
from deepspeech_recipe.verification.checks import largest
from deepspeech_recipe.verification.diagnose import diagnose
from deepspeech_recipe.verification.weights import weights_format
from tests.support import verify_models as models

FORMS = {
    "as in the graph": {},
    "dynamic": {"time_steps": "dynamic", "batch": "dynamic"},
    "other sizes": {"time_steps": 5, "batch": 2},
    "internal state": {"state": "internal"},
    "head changed": {"head": "raw"},
    "lengths": {"lengths": "input", "batch": "dynamic"},
    "audio attached": {"audio": "attached"},
    "audio attached, lengths": {"audio": "attached", "lengths": "input", "batch": 4},
    "audio attached, in blocks": {"audio": "attached", "state": "internal", "batch": 1},
    "audio separate": {"audio": "separate"},
    "fp16": {"weights": "fp16"},
}


@pytest.fixture(autouse=True)
def _hear_little(monkeypatch, request):
    if "built_in" not in request.node.name:
        models.hear_little(monkeypatch)


def names(report, passed: bool) -> list[str]:
    return [check.name for check in report.checks if check.passed is passed]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_ir_passes(form):
    report = verify(models.graph("v0.9"), models.ir_file("v0.9", **FORMS[form]))
    assert report.passed, "\n".join(report.lines())
    assert report.exit_code == 0
    kinds = {check.name.split(" after")[0] for check in report.checks}
    assert {"probabilities", "best class", "text"} <= kinds
    assert ({"cell state", "hidden state"} <= kinds) is ("attached" not in form)
    assert ("features" in kinds) is ("separate" in form)
    assert report.weights == ("fp16" if form == "fp16" else "fp32")
    assert all(result.text and result.text == result.expected_text for result in report.recordings if form != "fp16")


def less_exact(monkeypatch) -> None:
    """A device that computes in bf16 unless it is asked for more; what it makes of that is written out here, since not
    every processor has bf16."""
    monkeypatch.setattr(activations, "default_precision", lambda device: "bf16")
    compile_ = runner.compile_model

    def compile_model(model, device, name, config=None):
        if (config or {}).get("INFERENCE_PRECISION_HINT") != "bf16":
            return compile_(model, device, name, config)
        model = model.clone()
        for node in model.get_ops():
            if node.get_type_name() == "MatMul":
                node.input(0).replace_source_output(opset.multiply(node.input_value(0), np.float32(1.01)).output(0))
        return compile_(model, device, name)

    monkeypatch.setattr(runner, "compile_model", compile_model)


@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_what_a_device_computes_by_default_is_said_and_judges_nothing(monkeypatch, weights):
    graph, ir = models.graph("v0.9"), models.ir_file("v0.9", weights=weights)
    assert not any("by default" in note or "unless" in note for note in verify(graph, ir).notes)
    less_exact(monkeypatch)
    report, found = verify(graph, ir), diagnose(graph, ir)
    assert report.passed, "\n".join(report.lines())
    assert found.passed, "\n".join(found.lines())
    for lines, notes in ((report.lines(), report.notes), (found.lines(), found.notes)):
        (note,) = (note for note in notes if note.startswith("CPU computes in bf16 unless a program asks for f32: "))
        assert note in lines
        assert 1e-4 < float(note.split("up to ")[1].split(". Compile")[0]) < 1
        assert note.endswith("Compile with INFERENCE_PRECISION_HINT=f32")


def test_the_built_in_recordings():
    report = verify(models.graph("v0.9"), models.ir_file("v0.9"))
    assert report.passed
    names = [result.name for result in report.recordings]
    assert len(names) == 5
    assert names[2:] == ["made-up speech", "digital silence", "random features"]
    # 8 kHz: the bundled recordings do not fit.
    eight = verify(models.graph("rate_8k"), models.ir_file("rate_8k"))
    assert [result.name for result in eight.recordings] == names[2:]


@pytest.mark.parametrize("name", ["v0.2", "v0.3", "v0.4", "v0.5", "layer_norm", "block_lstm_v2", "steps_open", "bytes"])
def test_every_generation_passes(name):
    report = verify(models.graph(name), models.ir_file(name))
    assert report.passed, "\n".join(report.lines())


@pytest.mark.parametrize("name", ["no_lengths_v0.3", "no_lengths_v0.5"])
def test_a_graph_without_lengths_is_run_in_whole_calls(name):
    # 5 windows a call in the IR, 7 in the graph: both states are known together after 35.
    report = verify(models.graph(name), models.ir_file(name, time_steps=5))
    assert report.passed, "\n".join(report.lines())
    assert [result.chunks for result in report.recordings] == [2, 1, 3]


@pytest.mark.parametrize("options", [{}, {"audio": "attached"}])
def test_a_graph_without_state_passes(options):
    report = verify(models.graph("no_state"), models.ir_file("no_state", **options))
    assert report.passed, "\n".join(report.lines())
    assert not [check for check in report.checks if "state" in check.name]


# What is broken → (graph, options of convert, how, the checks that must fail).
STATES = {"cell state after 1 chunk", "hidden state after 1 chunk"}
BROKEN = {
    "names of the new states swapped": ("v0.9", {}, lambda m: models.swap_names(m, "new"), STATES),
    "names of the previous states swapped": (
        "v0.9", {}, lambda m: models.swap_names(m, "previous"), {"probabilities after 2 chunks"},
    ),
    "initial states swapped": ("v0.9", {}, models.swap_initial_states, {"probabilities after 2 chunks"}),
    "initial states swapped, internal": (
        "v0.9", {"state": "internal"}, models.swap_initial_states, {"probabilities after 2 chunks"},
    ),
    "gates permuted": ("v0.9", {}, models.permute_gates, {"probabilities after 1 chunk", *STATES, "text"}),
    "gates permuted, v0.3": ("v0.3", {}, models.permute_gates, {"probabilities after 1 chunk", *STATES}),
    "gates permuted, with lengths": (
        "v0.9", {"lengths": "input"}, models.permute_gates, {"probabilities after 1 chunk", *STATES},
    ),
    "forget bias missing, v0.2": ("v0.2", {}, models.without_forget_bias, {"probabilities after 1 chunk", *STATES}),
    "forget bias missing, v0.5": ("v0.5", {}, models.without_forget_bias, {"probabilities after 1 chunk", *STATES}),
    "other upper frequency": (
        "v0.9", {"audio": "attached"}, models.other_upper_frequency,
        {"probabilities after 1 chunk", "probabilities on average"},
    ),
    "lengths ignored": (
        "v0.9", {"lengths": "input"}, models.ignore_lengths,
        {"cell state after 2 chunks", "hidden state after 2 chunks"},
    ),
    "lengths of samples ignored": (
        "v0.9", {"audio": "attached", "lengths": "input", "batch": 4}, models.ignore_lengths,
        {"probabilities on average"},
    ),
    "other upper frequency, in blocks": (
        "v0.9", {"audio": "attached", "state": "internal", "batch": 1}, models.other_upper_frequency,
        {"probabilities after 1 chunk", "probabilities on average"},
    ),
    "head not what the metadata says": (
        "v0.9", {}, lambda m: models.with_metadata(m, head="raw"),
        {"probabilities after 1 chunk", "probabilities on average"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_ir_fails(what):
    name, options, damage, expected = BROKEN[what]
    report = verify(models.graph(name), damage(models.ir(name, **options)))
    assert report.exit_code == 1
    assert expected <= set(names(report, passed=False)), "\n".join(report.lines())


@pytest.mark.parametrize("more", [1, -1])
def test_a_frame_that_begins_a_sample_late_or_early_is_one_too_many_or_too_few(more):
    """Of most lengths there are as many frames as there should be."""
    model = models.ir("v0.9", audio="attached")
    samples = model.input("samples")
    (shape,) = (port.get_node() for port in samples.get_target_inputs() if port.get_node().get_type_name() == "ShapeOf")
    (count,) = (port.get_node() for port in shape.output(0).get_target_inputs())
    (reader,) = count.output(0).get_target_inputs()
    reader.replace_source_output(opset.add(count, np.int64(more)).output(0))
    assert names(verify(models.graph("v0.9"), model), passed=False) == ["number of windows"]
    assert diagnose(models.graph("v0.9"), model).first == "frames"


def test_what_is_wrong_after_the_first_chunk_alone_passes_there():
    report = verify(models.graph("v0.9"), models.swap_initial_states(models.ir("v0.9")))
    assert report.check("probabilities after 1 chunk").passed
    assert not report.check("probabilities after 2 chunks").passed


def test_a_wrong_separate_feature_model_fails_the_check_of_features(tmp_path):
    whole = models.ir_file("v0.9", audio="separate")
    features = ov.Core().read_model(whole.with_suffix(".audio.xml"))
    ov.save_model(ov.Core().read_model(whole), tmp_path / "m.xml", compress_to_fp16=False)
    ov.save_model(models.other_upper_frequency(features), tmp_path / "m.audio.xml", compress_to_fp16=False)
    report = verify(models.graph("v0.9"), tmp_path / "m.xml")
    assert report.exit_code == 1
    assert names(report, passed=False) == ["features"]


def test_fp16_weights_do_not_hide_a_broken_lstm(tmp_path):
    broken = models.permute_gates(models.ir("v0.9"))
    ov.save_model(broken, tmp_path / "m.xml", compress_to_fp16=True)
    report = verify(models.graph("v0.9"), tmp_path / "m.xml")
    assert report.weights == "fp16"
    assert "probabilities after 1 chunk" in names(report, passed=False)


def test_fp16_figures_would_fail_as_fp32():
    report = verify(models.graph("v0.9"), models.ir_file("v0.9", weights="fp16"))
    figure = max(check.figure for check in report.checks if check.name.startswith("probabilities after"))
    assert 2e-5 < figure <= 1e-2


def test_another_model_of_the_same_sizes_fails():
    report = verify(models.graph("v0.9"), models.ir_file("block_lstm_v2"))
    assert report.passed  # the same weights, in another op
    model = models.ir("v0.9")
    models.scale_weights(model, (14, 15))
    assert not verify(models.graph("v0.9"), model).passed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_infinitely_wrong(value):
    assert largest(np.array([0.0, value]), np.zeros(2)) == np.inf
    assert largest(np.array([value]), np.array([value])) == np.inf


def test_the_report_says_what_was_compared():
    report = verify(models.graph("v0.9"), models.ir_file("v0.9"), reference="numpy")
    assert report.reference == "numpy, float64"
    assert report.form == "state external, T 7, batch 3, head probabilities"
    assert {result.name for result in report.recordings} >= {"made-up speech", "random features"}
    lines = report.lines()
    assert lines[-1] == f"all {len(report.checks)} checks passed"
    assert sum(line.startswith("✓") for line in lines) == len(report.checks)
    assert report.as_dict()["passed"] is True


@pytest.mark.requires_mo
@pytest.mark.parametrize("name", ["v0.2", "v0.9"])
def test_the_irs_of_mo_pass_and_are_diagnosed(name):
    from tests.support.mo_run import mo

    model, _ = mo(models.graph(name))
    report = verify(models.graph(name), model)
    assert report.passed, "\n".join(report.lines())
    assert report.reference.startswith("TensorFlow")
    assert diagnose(models.graph(name), model).first is None
    assert diagnose(models.graph(name), models.permute_gates(model)).first == "lstm"


def compressed(model, dtype, shapes):
    """The weights of these shapes stored as another type, and converted back at run time."""
    for node in model.get_ops():
        if node.get_type_name() == "Constant" and tuple(node.output(0).get_shape()) in shapes:
            readers = node.output(0).get_target_inputs()
            stored = opset.convert(opset.constant(node.get_data().astype(dtype)), "f32")
            for reader in readers:
                reader.replace_source_output(stored.output(0))
    return model


RECURRENT, ALL_GATES = (1, 44, 11), {(1, 44, 15), (1, 44, 11)}


@pytest.mark.parametrize(
    ("dtype", "shapes", "expected"),
    [
        (np.int8, ALL_GATES, "int8"),
        (np.int8, {RECURRENT}, "int8"),
        (np.float16, ALL_GATES, "fp16"),
        (np.int8, {(12, 10), (10, 12)}, "fp32"),  # too small to say anything
    ],
)
def test_the_weight_format_is_read_from_the_constants(dtype, shapes, expected):
    model = compressed(models.ir("v0.9"), dtype, shapes)
    assert weights_format(model) == expected
    if expected == "int8":
        looped = models.with_loop(models.ir("v0.9"), product_outside=False)
        assert weights_format(looped) == "fp32"
        body = next(node for node in looped.get_ops() if node.get_type_name() == "TensorIterator").get_function()
        compressed(body, dtype, {shape[1:] for shape in shapes})
        assert weights_format(looped) == "int8"


def test_weights_that_are_not_what_the_metadata_says_are_noted():
    model = compressed(models.with_metadata(models.ir("v0.9"), weights="fp32"), np.float16, ALL_GATES)
    report = verify(models.graph("v0.9"), model, reference="numpy")
    assert report.notes == ("the metadata says weights fp32, the IR has fp16",)
    assert report.passed
