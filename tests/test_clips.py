"""Manifests as they are found: encodings, odd names, what is no file at all. See test_evaluate.py for the rest."""

import csv
import os
import socket

import pytest

from deepspeech_recipe.alphabet import read_alphabet
from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.decoders.arpa_file import is_arpa
from deepspeech_recipe.runtime.recordings.audio_files import read_audio, seconds_of
from deepspeech_recipe.runtime.recordings.clips import read_clips
from deepspeech_recipe.verification.recordings import read_recording

pytestmark = pytest.mark.anywhere

HEADER = "wav_filename,wav_filesize,transcript\n"


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest, beside which lies a.wav."""
    (tmp_path / "a.wav").write_bytes(b"RIFF")

    def written(text: str | bytes, encoding: str = "utf-8"):
        (tmp_path / "m.csv").write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return tmp_path / "m.csv"

    return written


def refusal(read, *arguments) -> str:
    with pytest.raises(RecipeError) as caught:
        read(*arguments)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_mark_at_the_begin_is_not_a_letter(manifest, encoding):
    (clip,) = read_clips(manifest(f"{HEADER}a.wav,1,größer als\n", encoding))
    assert clip.transcript == "größer als"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_named(manifest, encoding):
    assert "is not a text in UTF-8" in refusal(read_clips, manifest(f"{HEADER}a.wav,1,größer als\n", encoding))


@pytest.mark.parametrize("name", ["a.wav", "../{folder}/a.wav", "{parent}/{folder}/a.wav", "./a.wav"])
def test_where_recordings_lie(manifest, tmp_path, name):
    """Beside the manifest, or anywhere: most manifests hold absolute paths."""
    name = name.format(folder=tmp_path.name, parent=tmp_path.parent)
    (clip,) = read_clips(manifest(f"{HEADER}{name},1,said\n"))
    assert clip.path.samefile(tmp_path / "a.wav")


def test_the_same_line_twice_counts_twice(manifest):
    assert len(read_clips(manifest(f"{HEADER}a.wav,1,said\na.wav,1,said\n"))) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{HEADER}a\0.wav,1,said\n", "line 2 has the letter NUL"),
        (f"{HEADER}a.wav,1,{'x' * 200_000}\n", "line 2 has 131072 letters or more"),
        (HEADER + 'a.wav,1,"' + f"{'x' * 70_000}\n" * 2 + '"\n', "is not a CSV file: line 3: field larger than"),
        ("wav_filename;wav_filesize;transcript\na.wav;1;said\n", "Its columns: wav_filename;wav_filesize;transcript"),
        ("wav_filename,wav_filename,transcript\na.wav,b.wav,said\n", "has more than one column 'wav_filename'"),
        (f"wav_filename,{'c' * 9000}\n", "has no column 'transcript'"),
        (b"\0" * 4096, "line 1 has the letter NUL"),
        (b"\0" * 2**18, "line 1 has the letter NUL"),
        (b"a" * 2**18, "line 1 has 131072 letters or more"),
        (b"", "Its columns: none"),
    ],
)
def test_manifests_that_are_refused(manifest, content, reason):
    path = manifest(content)
    found = refusal(read_clips, path)
    assert reason in found
    assert str(path) in found


def test_a_sparse_file_is_not_read_to_its_end(manifest):
    path = manifest(b"")
    os.truncate(path, 2**40)
    assert "is not a text in UTF-8: line 1 has the letter NUL" in refusal(read_clips, path)


def test_the_lists_of_librispeech_are_bounded_too(tmp_path):
    (tmp_path / "a.trans.txt").touch()
    os.truncate(tmp_path / "a.trans.txt", 2**40)
    assert "a.trans.txt: is not a text in UTF-8: line 1" in refusal(read_clips, tmp_path)
    (tmp_path / "a.trans.txt").unlink()
    (tmp_path / "a.trans.txt").symlink_to("/dev/zero")
    assert "a.trans.txt: is a device, not a file" in refusal(read_clips, tmp_path)


READERS = {
    "manifest": read_clips,
    "audio": lambda path: read_audio(path, 16000),
    "recording": lambda path: read_recording(path, 16000),
    "scorer": is_arpa,
    "alphabet": read_alphabet,
}


@pytest.mark.parametrize("reader", READERS)
def test_what_never_ends_or_never_begins_is_not_opened(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, kind in (
            ("/dev/zero", "device"), (tmp_path / "link", "device"), (tmp_path / "pipe", "pipe"),
            (tmp_path / "socket", "socket"),
        ):  # fmt: skip
            assert f"{path}: is a {kind}, not a file" in refusal(READERS[reader], path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["n" * 5000, "a\0b", "none\n\x1b[31m", "a.wav/b"])
def test_paths_that_cannot_be_opened_are_refused(tmp_path, reader, name):
    (tmp_path / "a.wav").write_bytes(b"")
    refusal(READERS[reader], tmp_path / name)
    assert reader != "audio" or seconds_of(tmp_path / name) == 0


@pytest.mark.parametrize("command", ["transcribe", "features", "evaluate"])
def test_commands_say_so_in_one_line(tmp_path, capsys, bundled, command):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path / ("n" * 5000), tmp_path / "none\nand\x1b[31m"):
        out = ["-o", str(tmp_path / "o.npy")] if command == "features" else []
        assert main([command, str(path), "--model", bundled, *out]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.isprintable()
        assert len(line) < 1000
    assert not (tmp_path / "o.npy").exists()


@pytest.fixture(scope="module")
def bundled():
    from tests.support.bundled import bundled_ir

    return str(bundled_ir())


def test_a_manifest_that_another_program_wrote(manifest, tmp_path):
    path = manifest("")
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerows([["transcript", "more", "wav_filename"], ['a "b", c\n d', "", "a.wav"]])
    (clip,) = read_clips(path)
    assert clip.transcript == 'a "b", c d'
