"""Error rates: counted as they should be, by groups, and every bad manifest refused in one line."""

import csv
import json

import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.evaluate import read_manifest
from deepspeech_recipe.runtime import Recognizer
from tests.bundled import bundled_ir, samples_of, transcripts

pytest.importorskip("jiwer")
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


def test_the_command(capsys, manifest):
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
    clips = read_manifest(write(tmp_path / "m.csv", rows, ("wav_filename", "wav_filesize", "transcript", "group")))
    assert [clip.group for clip in clips] == ["x", ""]


@pytest.mark.parametrize(
    ("reason", "content"),
    [
        ("has no column 'wav_filename'. Its columns: none", b""),
        ("has no column 'transcript'. Its columns: wav_filename, text", b"wav_filename,text\n"),
        ("line 2 does not have the columns", b"wav_filename,wav_filesize,transcript\na.wav\n"),
        ("line 3 does not have the columns", b"wav_filename,transcript\nm.csv,a\nm.csv,b,c\n"),
        ("line 2: no such file", b"wav_filename,transcript\nnone.wav,a\n"),
        ("0 clips without a single word", b"wav_filename,wav_filesize,transcript\n"),
        ("1 clips without a single word", b"wav_filename,transcript\nm.csv, \n"),
        ("is no CSV file in UTF-8", b"wav_filename,transcript\n\xff.wav,a\n"),
        ("is no CSV file", b'wav_filename,transcript\n"a.wav,a\n'),
    ],
)
def test_bad_manifests(tmp_path, capsys, reason, content):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(RecipeError, match=reason):
        read_manifest(tmp_path / "m.csv")
    assert main(["evaluate", str(tmp_path / "m.csv"), "--model", "none.xml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_is_missing(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.csv: cannot be read"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(RecipeError, match="has no column 'speaker'"):
        read_manifest(write(tmp_path / "m.csv", [[FIRST, 1, "a", "x"]]), "speaker")
    (tmp_path / "bad.wav").write_text("no audio")
    with pytest.raises(RecipeError, match=r"bad\.wav: cannot be read as audio"):
        deepspeech_recipe.evaluate(write(tmp_path / "m.csv", [["bad.wav", 1, "a", "x"]]), bundled_ir())
