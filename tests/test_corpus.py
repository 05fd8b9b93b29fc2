"""Folders of recordings: every one is done or named, files are whole, and a run goes on where it was stopped."""

import json
import os
import sys

import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import main
from deepspeech_recipe.corpus import engine
from deepspeech_recipe.corpus.outcome import Outcome
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.result import Texts
from tests.support.bundled import bundled_ir, transcripts
from tests.support.command_line import one_error
from tests.support.recordings_folder import BAD, FIRST, SECOND, TEXTS, write_folder

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

pytestmark = pytest.mark.anywhere


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("recordings"))


def transcribe(*arguments) -> int:
    return main(["transcribe", *map(str, arguments), "--model", str(bundled_ir())])


def files_of(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def errors(err: str) -> list[str]:
    return [line for line in err.splitlines() if "error: " in line]


def test_a_folder_becomes_files_that_mirror_it(capsys, tmp_path, folder):
    """And each bad recording is one line."""
    out = tmp_path / "new" / "out"
    assert transcribe(folder, "--recursive", "-o", out, "--format", "txt,srt,vtt,json") == 1
    stems = [name.rsplit(".", 1)[0] for name in TEXTS]
    assert files_of(out) == sorted(f"{stem}.{form}" for stem in stems for form in ("txt", "srt", "vtt", "json"))
    for name, text in TEXTS.items():
        written = out / name.rsplit(".", 1)[0]
        assert written.with_suffix(".txt").read_text() == f"{text}\n"
        document = json.loads(written.with_suffix(".json").read_text())
        assert (document["file"], document["text"]) == (str(folder / name), text)
        words = [word["text"] for word in document["words"]]
        assert " ".join(words) == text
        for form in ("srt", "vtt"):
            lines = written.with_suffix(f".{form}").read_text().splitlines()
            assert all(word in " ".join(lines) for word in words)
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = errors(printed.err)
    assert len(lines) == len(BAD)
    for name, reason in BAD.items():
        (line,) = [line for line in lines if f"{folder / name}: " in line]
        assert reason in line
    assert f"{folder}: 1 files are left out, as 'video.mp4'" in printed.err
    assert printed.err.splitlines()[-1].startswith("6 done, 0 skipped, 4 failed; ")
    assert "real-time factor 0." in printed.err.splitlines()[-1]


def test_without_recursive_only_what_lies_in_it(capsys, folder):
    assert transcribe(folder) == 1
    out, err = capsys.readouterr()
    above = {name: text for name, text in TEXTS.items() if "/" not in name}
    assert out.splitlines() == [f"{folder / name}: {text}" for name, text in above.items()]
    assert len(errors(err)) == 3


def test_globs_that_no_shell_has_expanded(capsys, folder):
    assert transcribe(f"{folder}/**/first.w?v") == 0
    names = [f"{folder / 'below' / 'first.wav'}", f"{folder / 'first.wav'}"]
    assert capsys.readouterr() == ("".join(f"{name}: {transcripts()[FIRST]}\n" for name in names), "")
    assert transcribe(f"{folder}/*.xyz") == 2
    assert "no file is called so" in one_error(capsys.readouterr())


def test_a_line_of_json_for_each_as_it_is_done(capsys, folder):
    assert transcribe(folder / "first.wav", folder / "bad.wav", folder / "none.wav", "--jsonl") == 1
    out, err = capsys.readouterr()
    found = {each["file"]: each for each in map(json.loads, out.splitlines())}
    assert found[str(folder / "first.wav")]["text"] == transcripts()[FIRST]
    assert "cannot be read as audio" in found[str(folder / "bad.wav")]["error"]
    assert "(No such file or directory)" in found[str(folder / "none.wav")]["error"]
    assert len(errors(err)) == 2


def test_all_are_looked_at_before_work_begins(capsys, folder, monkeypatch):
    """The bad ones are said first, and a model is not run for nothing."""
    begun = []
    real = Recognizer.transcribe_blocks
    monkeypatch.setattr(
        Recognizer, "transcribe_blocks", lambda *some: begun.append(capsys.readouterr().err) or real(*some)
    )
    assert transcribe(folder / "first.wav", folder / "none.wav") == 1
    (said,) = begun
    assert "none.wav: cannot be read" in said
    capsys.readouterr()
    assert transcribe(folder / "none.wav", folder / "bad.wav") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[2] == "deepspeech-recipe: error: None of the 2 recordings can be read."
    assert len(begun) == 1


def test_what_is_wrong_with_model_or_device_is_said_once(capsys, folder, tmp_path):
    """Though it shows only when the model is compiled."""
    assert transcribe(folder / "first.wav", folder / "silent.wav", "--device", "SURELY_NOT") == 2
    assert "SURELY_NOT" in one_error(capsys.readouterr())


@pytest.mark.parametrize("batch", [1, 16])
def test_what_fails_in_the_middle_does_not_stop_the_others(capsys, monkeypatch, tmp_path, folder, batch):
    real = Texts.result

    def broken(self, *arguments):
        result = real(self, *arguments)
        if result.text == transcripts()[SECOND]:
            raise ValueError("out of luck")
        return result

    monkeypatch.setattr(Texts, "result", broken)
    monkeypatch.delenv("DEEPSPEECH_RECIPE_TRACEBACK")
    names = ["stereo.flac", "first.wav"]
    assert transcribe(*(folder / name for name in names), "-o", tmp_path, "--batch", batch) == 1
    assert files_of(tmp_path) == ["first.txt"]
    (line,) = errors(capsys.readouterr().err)
    assert f"{folder / 'stereo.flac'} is damaged" in line
    assert "out of luck" in line


def test_resume_leaves_out_what_is_there_and_newer(capsys, tmp_path, folder, monkeypatch):
    names = [folder / "first.wav", folder / "silent.wav"]

    def again(*options) -> str:
        assert transcribe(*names, "-o", tmp_path, "--resume", *options) == 0
        return capsys.readouterr().err.splitlines()[-1].split(";")[0]

    assert again() == "2 done, 0 skipped, 0 failed"
    monkeypatch.setattr(engine, "open_recording", lambda *some: pytest.fail("begun"))
    assert again() == "0 done, 2 skipped, 0 failed"
    monkeypatch.undo()
    os.utime(tmp_path / "first.txt", (1, 1))  # older than the recording
    assert again() == "1 done, 1 skipped, 0 failed"
    assert again("--format", "txt,srt") == "2 done, 0 skipped, 0 failed"
    (tmp_path / "silent.srt").unlink()
    assert again("--format", "srt") == "1 done, 1 skipped, 0 failed"
    os.utime(bundled_ir())  # a new model
    assert again() == "2 done, 0 skipped, 0 failed"
    assert transcribe(*names, tmp_path / "none.wav", "-o", tmp_path, "--resume") == 1
    assert "0 done, 2 skipped, 1 failed" in capsys.readouterr().err
    assert transcribe(*names, "--resume") == 2
    assert "give it with -o" in one_error(capsys.readouterr())


def test_recordings_of_one_name(capsys, tmp_path, folder):
    """Two kinds of file keep their suffixes; two folders need the one that they are in."""
    assert transcribe(folder / "first.wav", folder / "first.wav", "-o", tmp_path) == 0
    assert files_of(tmp_path) == ["first.txt"]
    capsys.readouterr()
    assert transcribe(folder / "first.wav", folder / "below" / "first.wav", "-o", tmp_path) == 2
    assert "two of the recordings have the same name" in one_error(capsys.readouterr())
    (tmp_path / "a.wav").symlink_to(FIRST)
    (tmp_path / "a.wave").symlink_to(SECOND)
    assert transcribe(tmp_path, "-o", tmp_path / "out") == 0
    assert files_of(tmp_path / "out") == ["a.wav.txt", "a.wave.txt"]
    assert (tmp_path / "out" / "a.wave.txt").read_text() == f"{transcripts()[SECOND]}\n"


@pytest.mark.parametrize("size", [["--batch", 3], []])
def test_batches_give_the_same_in_the_same_order(capsys, folder, size):
    assert transcribe(folder, "--recursive", "--batch", 1) == 1
    one_by_one = capsys.readouterr()
    assert transcribe(folder, "--recursive", *size) == 1
    together = capsys.readouterr()
    assert together.out == one_by_one.out
    assert sorted(errors(together.err)) == sorted(errors(one_by_one.err))
    assert transcribe(folder / "first.wav", "--batch", 0) == 2
    assert "A batch of 0 recordings is not possible" in one_error(capsys.readouterr())


def test_recordings_share_calls_unless_told_otherwise(folder, monkeypatch):
    asked, real = [], Recognizer.transcribe_many

    def noted(self, utterances, rows=0):
        asked.append((len(utterances), rows))
        return real(self, utterances, rows)

    monkeypatch.setattr(Recognizer, "transcribe_many", noted)
    names = [folder / "first.wav", folder / "silent.wav", folder / "stereo.flac"]
    for batch, rows in ((None, 3), (2, 2), (1, 1)):
        asked.clear()
        assert len(deepspeech_recipe.transcribe(names, bundled_ir(), batch=batch)) == 3
        assert asked[-2:] == [(3, rows), (0, 1)]  # files; pipes


def test_the_longest_come_first_but_not_before_all_others(monkeypatch):
    monkeypatch.setattr(engine, "_SORTED", 3)
    looked = [
        Outcome(name, seconds=seconds) for name, seconds in zip("abcdefgh", (1, 2, 3, 9, 7, 8, 1, 5), strict=True)
    ]
    assert "".join(engine.longest_first(looked)) == "cbadfehg"


def test_the_function_raises_for_a_bad_recording_and_the_other_yields_it(folder):
    with pytest.raises(deepspeech_recipe.RecipeError, match=r"bad\.wav: cannot be read as audio"):
        deepspeech_recipe.transcribe([folder / "first.wav", folder / "bad.wav"], bundled_ir())
    outcomes = list(deepspeech_recipe.transcribe_files([folder / "first.wav", folder / "bad.wav"], bundled_ir()))
    assert {each.recording.name.rsplit("/", 1)[1]: bool(each.error) for each in outcomes} == {
        "first.wav": False, "bad.wav": True,
    }  # fmt: skip


def test_folders_and_files_that_nothing_can_be_made_of(capsys, tmp_path, folder):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    for reason, arguments in {
        "holds no recordings (.wav, .wave, .flac, ": [tmp_path / "empty"],
        "are found with --recursive": [tmp_path / "empty"],
        "The formats are txt, srt, vtt, json, not 'doc'": [folder, "-o", tmp_path / "out", "--format", "txt,doc"],
        "--format is of files": [folder, "--format", "srt"],
        "cannot be made": [folder, "-o", folder / "first.wav" / "out"],
        "subtitles are of one recording": [folder / "first.wav", "--srt", "-o", tmp_path],
        "live audio goes to stdout": [folder / "first.wav", "--stream", "-o", tmp_path],
    }.items():
        assert transcribe(*arguments) == 2
        assert reason in one_error(capsys.readouterr())
    assert files_of(tmp_path) == []


def test_a_file_that_cannot_be_written_is_a_line(capsys, tmp_path, folder):
    (tmp_path / "first.txt").mkdir()
    assert transcribe(folder / "first.wav", folder / "silent.wav", "-o", tmp_path) == 1
    assert "first.txt: is a directory" in errors(capsys.readouterr().err)[0]
    assert files_of(tmp_path) == ["silent.txt"]


def test_quiet_leaves_the_errors(capsys, folder):
    assert transcribe(folder, "--quiet") == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == len(errors(err)) == 3


@pytest.mark.parametrize("colours", [True, False])
def test_errors_are_red_on_a_terminal_unless_that_is_forbidden(capsys, monkeypatch, colours):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "" if colours else "1")
    assert transcribe("none.wav") == 2
    begin = "deepspeech-recipe: \033[31merror\033[0m: " if colours else "deepspeech-recipe: error: "
    assert capsys.readouterr().err.startswith(f"{begin}none.wav: cannot be read")
