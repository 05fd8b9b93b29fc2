"""Error rates: counted as they should be, by groups, and every bad manifest refused in one line."""

import csv
import json
import sys

import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings.clips import read_clips
from tests.support.bundled import bundled_ir, samples_of, transcripts

pytest.importorskip("jiwer")

pytestmark = pytest.mark.anywhere
FIRST, SECOND, THIRD = list(transcripts())[:3]


def write(path, rows, columns=("wav_filename", "wav_filesize", "transcript", "voice")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "here.wav").symlink_to(FIRST)
    said = transcripts()
    changed = "x" + said[FIRST].replace(said[FIRST].split()[1], "").replace("  ", " ")  # a letter and a word
    return write(
        tmp_path / "m.csv",
        [["here.wav", 1, f"  {said[FIRST]} ", "one"], [FIRST, 1, changed, "two"], [FIRST, 1, "", "three"]],
    )


def test_rates_are_errors_by_what_was_said(manifest):
    found = deepspeech_recipe.evaluate(manifest, bundled_ir(), group="voice")
    text = Recognizer(bundled_ir()).transcribe(samples_of(FIRST)).text
    assert text == transcripts()[FIRST]
    words, second = text.split(), " ".join([("x" + text.split()[0]), *text.split()[2:]])
    one, two, three = (found.groups[name] for name in ("one", "two", "three"))
    assert (one.wer, one.cer, one.words, one.clips) == (0, 0, len(words), 1)
    assert (two.wer, two.words) == (pytest.approx(2 / (len(words) - 1)), len(words) - 1)
    assert two.cer == pytest.approx((1 + len(words[1]) + 1) / len(second))
    assert (three.wer, three.cer, three.words) == (None, None, 0)
    total = found.total
    assert (total.clips, total.words) == (3, 2 * len(words) - 1)
    assert total.wer == pytest.approx((2 + len(words)) / total.words)
    assert total.seconds == pytest.approx(3 * len(samples_of(FIRST)) / 16000)
    assert total.rtf > 0
    assert found.texts[1] == {"file": str(FIRST), "group": "two", "transcript": second, "text": text}


def test_the_command_prints_rates_by_group(capsys, manifest):
    arguments = ["evaluate", str(manifest), "--model", str(bundled_ir())]
    assert main([*arguments, "--group", "voice", "--texts"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["said", *transcripts()[FIRST].split()]
    assert [line.split()[0] for line in lines[-5:]] == ["WER", "one", "three", "two", "all"]
    assert lines[-4].split()[1:4] == ["0.00%", "0.00%", str(len(transcripts()[FIRST].split()))]
    assert lines[-3].split()[1:4] == ["-", "-", "0"]
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["groups"] == {}
    assert document["total"]["clips"] == len(document["texts"]) == 3


def test_a_column_named_group_is_used(tmp_path):
    rows = [[FIRST, 1, "a", "x"], [SECOND, 1, "b", ""]]
    clips = read_clips(write(tmp_path / "m.csv", rows, ("wav_filename", "wav_filesize", "transcript", "group")))
    assert [clip.group for clip in clips] == ["x", ""]


@pytest.mark.parametrize(
    ("reason", "content"),
    [
        ("has no column 'wav_filename'. Its columns: none", b""),
        ("has no column 'transcript'. Its columns: wav_filename, text", b"wav_filename,text\n"),
        ("line 2 does not have the columns", b"wav_filename,wav_filesize,transcript\na.wav\n"),
        ("line 3 does not have the columns", b"wav_filename,transcript\nm.csv,a\nm.csv,b,c\n"),
        ("0 clips without a single word", b"wav_filename,wav_filesize,transcript\n"),
        ("1 clips without a single word", b"wav_filename,transcript\nm.csv, \n"),
        (r"is not a text in UTF-8 \(invalid start byte: 0xff\). Convert it", b"wav_filename,transcript\n\xff.wav,a\n"),
        ("is not a CSV file: line 2", b'wav_filename,transcript\n"a.wav,a\n'),
    ],
)
def test_manifests_that_cannot_be_used_are_refused(tmp_path, capsys, reason, content):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(RecipeError, match=reason):
        read_clips(tmp_path / "m.csv")
    assert main(["evaluate", str(tmp_path / "m.csv"), "--model", "none.xml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_manifest_column_or_recording_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.csv: cannot be read"):
        read_clips(tmp_path / "none.csv")
    with pytest.raises(RecipeError, match="has no column 'speaker'"):
        read_clips(write(tmp_path / "m.csv", [[FIRST, 1, "a", "x"]]), "speaker")
    (tmp_path / "bad.wav").write_text("no audio")
    with pytest.raises(RecipeError, match=r"bad\.wav: cannot be read as audio"):
        deepspeech_recipe.evaluate(write(tmp_path / "m.csv", [["bad.wav", 1, "a", "x"]]), bundled_ir())


BAD_CLIPS = {
    "n" * 5000 + ".wav": "(File name too long)",
    "one\ntwo.wav": "(No such file or directory)",
    "\x1b[31mred.wav": "(No such file or directory)",
    ".": "is a directory, an audio file is needed",
    "text.wav/b.wav": "(Not a directory)",
    "/dev/zero": "is a device, not a file",
    "text.wav": "cannot be read as audio",
    "cut.wav": "is cut off",
}


def test_a_clip_that_cannot_be_read_is_a_line_and_the_others_count(tmp_path, capsys):
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "cut.wav").write_bytes(FIRST.read_bytes()[:-5000])
    rows = [[name, 1, "a", ""] for name in BAD_CLIPS] + [[FIRST, 1, transcripts()[FIRST], ""]]
    arguments = ["evaluate", str(write(tmp_path / "m.csv", rows)), "--model", str(bundled_ir())]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split()[1:5] == ["0.00%", "0.00%", str(len(transcripts()[FIRST].split())), "1"]
    lines = err.splitlines()
    assert len(lines) == len(BAD_CLIPS)
    number = 1
    for line, (name, reason) in zip(lines, BAD_CLIPS.items(), strict=True):
        number += 1 + name.count("\n")
        assert line.startswith(f"deepspeech-recipe: error: {tmp_path / 'm.csv'}: line {number}: ")
        assert reason in line
        assert line.isprintable()
        assert len(line) < 1000
    assert main([*arguments, "--json", "--quiet"]) == 1
    assert json.loads(capsys.readouterr().out)["failed"] == [line.partition("error: ")[2] for line in lines]


def test_a_test_set_without_a_clip_that_can_be_read(tmp_path, capsys):
    path = write(tmp_path / "m.csv", [["a.wav", 1, "a", ""], ["b.wav", 1, "b", ""]])
    assert main(["evaluate", str(path), "--model", str(bundled_ir())]) == 2
    first, second, last = capsys.readouterr().err.splitlines()
    assert "line 2: " in first
    assert "line 3: " in second
    assert last == f"deepspeech-recipe: error: {path}: None of the 2 recordings can be read."


def test_case_and_punctuation_alone(tmp_path, capsys):
    """Are said, and are not counted if that is asked for."""
    said = transcripts()[FIRST]
    path = write(tmp_path / "m.csv", [[FIRST, 1, f"{said.capitalize().replace(' ', ', ', 1)}!", ""]])
    arguments = ["evaluate", str(path), "--model", str(bundled_ir())]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    words = len(said.split())
    assert out.splitlines()[-1].split()[1] == f"{2 / words:.2%}" != "0.00%"
    assert f"Without case and punctuation the WER is 0.00%, not {2 / words:.2%}" in err
    assert main([*arguments, "--normalise"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split()[1:4] == ["0.00%", "0.00%", str(words)]
    assert err == ""
    path = write(tmp_path / "m.csv", [[FIRST, 1, f"{said} wrong", ""]])  # errors of another kind
    assert main(arguments) == 0
    assert capsys.readouterr().err == ""


def test_columns_and_tabs_of_other_test_sets(tmp_path, capsys):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").symlink_to(FIRST)
    (tmp_path / "m.tsv").write_text(f"client_id\tpath\tsentence\tgroup\n1\tclips/a.wav\t{transcripts()[FIRST]}\tx\n")
    arguments = ["evaluate", str(tmp_path / "m.tsv"), "--model", str(bundled_ir())]
    assert main([*arguments, "--columns", "path,sentence"]) == 0
    assert "0.00%" in capsys.readouterr().out
    assert main(arguments) == 2
    assert "has no column 'wav_filename'. Its columns: client_id, path, sentence, group." in capsys.readouterr().err
    assert main([*arguments, "--columns", "path"]) == 2
    assert "'path' is not of the form FILE,TEXT" in capsys.readouterr().err


@pytest.fixture
def librispeech(tmp_path):
    """Two speakers, three recordings, as the archive unpacks."""
    soundfile = pytest.importorskip("soundfile")
    root = tmp_path / "LibriSpeech" / "test-clean"
    for speaker, chapter, recordings in ((1089, 134686, [FIRST, SECOND]), (61, 70968, [THIRD])):
        folder = root / str(speaker) / str(chapter)
        folder.mkdir(parents=True)
        lines = []
        for number, path in enumerate(recordings):
            name = f"{speaker}-{chapter}-{number:04}"
            soundfile.write(folder / f"{name}.flac", samples_of(path), 16000)
            lines.append(f"{name} {transcripts()[path].upper()}\n")
        (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    return root


@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_folder_of_librispeech(librispeech, level):
    folder = [librispeech, librispeech.parent, None, librispeech / "1089" / "134686"][level]
    clips = read_clips(folder)
    said = [transcripts()[path] for path in ([FIRST, SECOND] if level == 3 else [FIRST, SECOND, THIRD])]
    assert [clip.transcript for clip in clips] == said
    assert [clip.path.name for clip in clips][:2] == ["1089-134686-0000.flac", "1089-134686-0001.flac"]
    assert {clip.group for clip in clips} == {""}
    assert read_clips(folder, "speaker")[-1].group == ("1089" if level == 3 else "61")
    assert read_clips(folder, "chapter")[0].group == "1089-134686"


def test_librispeech_in_one_command(capsys, librispeech):
    arguments = ["evaluate", str(librispeech), "--model", str(bundled_ir()), "--group", "speaker", "--json"]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["total"]["clips"] == 3
    assert document["total"]["words"] == sum(len(transcripts()[path].split()) for path in (FIRST, SECOND, THIRD))
    assert document["total"]["wer"] == document["groups"]["61"]["cer"] == 0
    assert document["total"]["seconds"] == pytest.approx(sum(len(samples_of(p)) for p in (FIRST, SECOND, THIRD)) / 16e3)


@pytest.mark.parametrize(
    ("reason", "content"),
    [
        (r"line 1 is not of the form SPEAKER-CHAPTER-NUMBER TEXT", b"1-2-3\n"),
        (r"line 2 is not of the form", b"61-70968-0000 A\n\n"),
        (r"line 1 is not of the form", b"some text\n"),
        (r"line 1 is not of the form", b"../1-2-3 A\n"),
        ("is not a text in UTF-8", b"1-2-3 \xff\n"),
        ("is not a text in UTF-8: line 1 has the letter NUL", b"1-2-\x003 A\n"),
    ],
)
def test_damaged_transcripts_of_librispeech(librispeech, reason, content):
    path = librispeech / "61" / "70968" / "61-70968.trans.txt"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=reason) as caught:
        read_clips(librispeech)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_folders_that_are_not_librispeech_are_refused(librispeech, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RecipeError, match=r"holds no \*\.trans\.txt. Give a folder of LibriSpeech, or a CSV manifest"):
        read_clips(empty)
    with pytest.raises(RecipeError, match="are grouped by speaker or chapter"):
        read_clips(librispeech, "voice")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_clips(tmp_path / "missing")


def test_without_jiwer_nothing_is_begun(manifest, monkeypatch):
    monkeypatch.setitem(sys.modules, "jiwer", None)
    monkeypatch.setattr(Recognizer, "transcribe_blocks", lambda *arguments: pytest.fail("begun"))
    with pytest.raises(RecipeError, match="Error rates need jiwer: pip install jiwer"):
        deepspeech_recipe.evaluate(manifest, bundled_ir())
