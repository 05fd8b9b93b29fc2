"""`--model` takes a model file of any kind: converted once, kept by its content, options and versions."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import main
from deepspeech_recipe.conversion import model_cache
from deepspeech_recipe.conversion.model_cache import ir_of, models_directory
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.ov_api import ov
from tests.support.bundled import MODEL, bundled_ir, transcripts
from tests.support.command_line import one_error
from tests.support.limits import assert_close
from tests.support.pbmm_writer import write_pbmm

FIRST, SECOND = list(transcripts())[:2]
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "deepspeech-recipe" / "models"


@pytest.fixture
def model(tmp_path) -> Path:
    return Path(shutil.copy(MODEL, tmp_path / "model.pb"))


def kept(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/model.xml"))


def test_converted_at_first_use_and_said_in_one_line(capsys, cache, model):
    arguments = ["transcribe", str(FIRST), "--model", str(model)]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out == f"{transcripts()[FIRST]}\n"
    (xml,) = kept(cache)
    assert err.startswith(f"{model}: converted in ")
    assert err.endswith(f" s and kept as {xml}\n")
    assert main(arguments) == 0
    assert capsys.readouterr() == (f"{transcripts()[FIRST]}\n", "")
    metadata = IR(xml).metadata
    assert (metadata["time_steps"], metadata["batch"], metadata["state"]) == ("dynamic", "dynamic", "external")


def test_kept_by_content_options_and_versions(cache, model, monkeypatch, tmp_path):
    first = ir_of(model)
    os.utime(model)
    assert ir_of(Path(shutil.copy(model, tmp_path / "other"))).parent.parent == first.parent.parent == cache
    content = model.read_bytes()
    assert len({ir_of(model), ir_of(model, weights="fp32")}) == 1
    assert IR(ir_of(model, weights="int8")).metadata["weights"] == "int8"
    alphabet = tmp_path / "alphabet.txt"
    alphabet.write_text("".join(f"{letter}\n" for letter in " zabcdefghijklmnopqrstuvwxy'"))
    assert IR(ir_of(model, alphabet=alphabet)).metadata["alphabet"]["labels"][1] == "z"
    monkeypatch.setattr(model_cache, "__version__", "0.0.1")
    assert ir_of(model) != first
    assert len(kept(cache)) == 4
    model.write_bytes(content[: len(content) // 2])
    with pytest.raises(deepspeech_recipe.RecipeError):
        ir_of(model)
    assert len(list(cache.iterdir())) == 4  # nothing is left of what failed


def test_every_kind_of_model_file(tmp_path, cache):
    from deepspeech_recipe.graphdef.proto import GraphDef

    package = tmp_path / "model.pbmm"
    write_pbmm(GraphDef.FromString(MODEL.read_bytes()), package)
    archive = shutil.make_archive(str(tmp_path / "model"), "zip", MODEL.parent, MODEL.name)
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(FIXTURES / "exporter" / "plain" / "checkpoint", checkpoint)
    found = [ir_of(each) for each in (package, archive, checkpoint)]
    assert all(IR(each).metadata["recipe"] == "deepspeech" for each in found)
    assert ir_of(checkpoint) == found[2]
    (checkpoint / "notes.txt").write_text("not of the model")
    assert ir_of(checkpoint) == found[2]
    (checkpoint / "flags.txt").write_text("--export_language=xx\n")
    again = ir_of(checkpoint)
    assert (again != found[2], IR(again).metadata["language"]) == (True, "xx")


def test_an_ir_a_folder_with_one_and_a_model_in_memory(tmp_path, capsys):
    """For every command that takes an IR."""
    assert ir_of(bundled_ir()) == bundled_ir()
    loaded = ov.Core().read_model(bundled_ir())
    assert ir_of(loaded) is loaded
    folder = tmp_path / "ir"
    deepspeech_recipe.convert(MODEL, folder, name="bundled", converter="openvino", audio="separate", verify=False)
    assert (folder / "bundled.audio.xml").exists()  # a part, which is not meant
    assert ir_of(folder) == folder / "bundled.xml"
    assert main(["transcribe", str(FIRST), "--model", str(folder)]) == 0
    assert main(["verify", str(MODEL), str(folder), "--reference", "numpy"]) == 0
    assert main(["diagnose", str(MODEL), str(folder)]) == 0
    assert main(["inspect", str(folder)]) == 0
    capsys.readouterr()
    shutil.copy(bundled_ir(), folder / "second.xml")
    for arguments in (["transcribe", str(FIRST), "--model", str(folder)], ["inspect", str(folder)]):
        assert main(arguments) == 2
        assert "holds 2 IRs (bundled.xml, second.xml). Name one." in one_error(capsys.readouterr())


def test_features_and_evaluate_take_it_too(tmp_path, model, capsys):
    pytest.importorskip("jiwer")
    (tmp_path / "m.csv").write_text(f"wav_filename,transcript\n{FIRST},{transcripts()[FIRST]}\n")
    assert main(["evaluate", str(tmp_path / "m.csv"), "--model", str(model), "--quiet"]) == 0
    assert "0.00%" in capsys.readouterr().out
    assert main(["features", str(FIRST), "--model", str(model), "-o", str(tmp_path / "o.npy")]) == 0
    expected = deepspeech_recipe.features(FIRST, bundled_ir())
    assert_close(np.load(tmp_path / "o.npy"), expected, 1e-6)


def test_v0_1_keeps_its_batch(tmp_path):
    """Its graph begins each call with a constant state; it gives features, of recordings of any length."""
    path = FIXTURES / "old_tensorflow" / "v0.1.pb"
    assert IR(ir_of(path)).metadata["time_steps"] == "dynamic"


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").exists(), reason="needs /proc")
def test_a_cache_that_cannot_be_written_is_not_a_reason_to_stop(monkeypatch, model):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    assert isinstance(ir_of(model), ov.Model)
    found = deepspeech_recipe.transcribe(FIRST, model)
    assert [result.text for result in found] == [transcripts()[FIRST]]


@pytest.mark.parametrize("finished", [True, False])
def test_a_conversion_that_is_given_up_leaves_what_another_one_has_kept(cache, model, monkeypatch, finished):
    """Two programs that begin with the same model; one is interrupted."""

    def interrupted(job, directory, name, **options):
        if finished:  # meanwhile, by the other
            for suffix in (".xml", ".bin"):
                (directory / name).with_suffix(suffix).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(model_cache, "write_irs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ir_of(model)
    assert len(kept(cache)) == finished
    assert bool(list(cache.iterdir())) == finished


def test_what_is_not_a_model_is_one_line(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    for reason, model, options in (
        ("does not exist", tmp_path / "none.pb", []),
        ("is a directory without a model", tmp_path / "empty", []),
        ("is a sound file; give the acoustic model", FIRST, []),
        ("--weights is for model files", bundled_ir(), ["--weights", "int8"]),
        ("is not a model that recognises speech", FIXTURES / "rnn" / "layers.pb", []),
        ("is not an IR", tmp_path / "text.xml", []),
    ):
        (tmp_path / "text.xml").write_text("text")
        assert main(["transcribe", str(SECOND), "--model", str(model), *options]) == 2
        assert reason in one_error(capsys.readouterr())
    assert not models_directory().exists()


def test_doctor_shows_the_cache(model, cache):
    from deepspeech_recipe.self_test.packages import kept_models

    assert f"none in {cache}" in kept_models().line()
    ir_of(model)
    assert f"1 in {cache}, 2 MB. To empty it: rm -r {cache}" in kept_models().line()


def test_inspect_says_what_an_ir_says_of_itself(capsys, tmp_path):
    found = deepspeech_recipe.inspect(bundled_ir())
    assert found["file"]["kind"] == "ir"
    assert found["ir"]["metadata"] == IR(bundled_ir()).metadata
    assert [each["name"] for each in found["ir"]["outputs"]] == ["logits", "new_state_c", "new_state_h"]
    assert main(["inspect", str(bundled_ir())]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for wanted in (
        "weights stored as fp32", "input input_node [1, ?, 19, 26] f32", "sample_rate 16000", "time_steps dynamic",
        "alphabet 28 labels: ␣ a b c d e f g h i j k l m n o p q r s t u v w x y z '",
    ):  # fmt: skip
        assert wanted in lines
    from tests.support.small_irs import model as small

    ov.save_model(small(3), tmp_path / "foreign.xml")
    assert main(["inspect", str(tmp_path / "foreign.xml")]) == 0
    assert "no metadata: another program made it" in capsys.readouterr().out


def test_a_table_fits_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["inspect", str(bundled_ir())]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[1:])) <= 60
    assert "filterbank_channel_count" in "".join(lines)
