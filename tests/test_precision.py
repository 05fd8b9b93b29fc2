"""In what the network computes: asked of the device, told to the network alone, refused by name."""

import pytest

from deepspeech_recipe.benchmarking.run import benchmark
from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir import runner
from deepspeech_recipe.ir.options import FULL_PRECISION
from deepspeech_recipe.runtime import Recognizer, recognizer
from tests.support.bundled import bundled_ir, transcripts

AUDIO = next(iter(transcripts()))


@pytest.fixture
def knows(monkeypatch):
    """Lets every device have these capabilities."""
    return lambda *names: monkeypatch.setattr(runner, "_capabilities", lambda device: [*names])


@pytest.mark.parametrize(("precision", "capability"), [("bf16", "BF16"), ("f16", "FP16")])
def test_a_device_is_asked_whether_it_can(knows, precision, capability):
    knows("FP32", capability)
    runner.check_precision("CPU", precision)
    knows("FP32", "INT8")
    runner.check_precision("CPU", FULL_PRECISION)
    reason = (
        rf"^CPU does not compute in {precision} on this machine \(OpenVINO says FP32, INT8\)\. Leave --precision out: "
        r"that is f32\.$"
    )
    with pytest.raises(RecipeError, match=reason):
        runner.check_precision("CPU", precision)


def test_there_is_no_other():
    with pytest.raises(RecipeError, match=r"^The precision must be one of f32, bf16, f16, not 'f64'\.$"):
        runner.check_precision("CPU", "f64")


def test_the_network_computes_in_it_and_the_mfccs_do_not(knows, monkeypatch):
    asked = {}

    def compile_model(model, device, name, config, precision):
        inputs = {name for port in model.inputs for name in port.get_names()}
        asked["network" if "previous_state_c" in inputs else "features"] = precision
        return runner.compile_model(model, device, name, config)

    knows("BF16")
    monkeypatch.setattr(recognizer, "compile_model", compile_model)
    found = Recognizer(bundled_ir(), precision="bf16")
    found.stream().finish()
    assert asked == {"network": "bf16", "features": FULL_PRECISION}


def test_audio_that_is_one_with_the_network_stays_in_f32(knows):
    knows("BF16")
    reason = "its audio part, which needs f32, is one with the network: bf16 is not possible"
    with pytest.raises(RecipeError, match=reason):
        Recognizer(bundled_ir("attached"), precision="bf16")


@pytest.mark.parametrize("command", ["transcribe", "evaluate"])
def test_the_commands_take_it(knows, tmp_path, capsys, command):
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"wav_filename,wav_filesize,transcript\n{AUDIO},1,words\n")
    knows("FP32")
    what = AUDIO if command == "transcribe" else manifest
    assert main([command, str(what), "--model", str(bundled_ir()), "--precision", "bf16"]) == 2
    assert capsys.readouterr().err.count("CPU does not compute in bf16 on this machine") == 1


@pytest.mark.long
def test_a_benchmark_has_a_further_contender_for_it(knows):
    knows("BF16")
    report = benchmark([bundled_ir()], scenarios=["chunk"], rounds=1, threads=1, precision=["bf16"])
    assert [each["name"] for each in report.contenders] == ["bundled", "bundled, bf16"]
    knows("FP32")
    with pytest.raises(RecipeError, match="CPU does not compute in bf16"):
        benchmark([bundled_ir()], scenarios=["chunk"], precision=["bf16"])
