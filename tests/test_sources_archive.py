"""Archives with a model inside."""

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
import tempfile
import zipfile

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import GraphBuilder
from deepspeech_recipe.sources import LoadedModel, open_model
from tests.support.pbmm_writer import write_pbmm
from tests.support.source_models import LABELS, graph_bytes, make_graph, outcome

ALPHABET = b"# comment\n" + b"\n".join(LABELS) + b"\n"
RELEASE = {
    "models/alphabet.txt": ALPHABET,
    "models/kenlm.scorer": b"mmap lm http",
    "models/lm.binary": b"mmap lm http",
    "models/output_graph.pb": graph_bytes(),
    "models/trie": b"TRIE\0\0\0",
    "models/README.md": b"# notes",
}


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Whatever happens, nothing stays in the directory for temporary files."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    assert os.listdir(directory) == []


def write_tar(path, members, mode="w:gz"):
    """members: name → bytes, or a TarInfo for what is no ordinary file."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def refused(path) -> str:
    with pytest.raises(RecipeError) as caught:
        open_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "temporary" not in str(caught.value).replace(str(path), "")
    return str(caught.value)


@pytest.mark.parametrize(
    ("write", "mode"),
    [(write_tar, "w"), (write_tar, "w:gz"), (write_tar, "w:bz2"), (write_tar, "w:xz"), (write_zip, None)],
)
def test_a_release_as_downloaded(tmp_path, write, mode):
    path = tmp_path / "models"
    write(path, RELEASE, *([mode] if mode else []))
    source = open_model(path)
    assert source.kind == "archive: pb"
    assert source.path == path
    assert source.graph == make_graph()
    assert source.metadata == {"alphabet": serialize_alphabet(LABELS)}
    notes = "\n".join(source.notes)
    assert "'models/output_graph.pb' taken from the archive" in notes
    assert "scorer in the archive (not used here): models/kenlm.scorer" in notes


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_one_compressed_file(tmp_path, compress):
    path = tmp_path / "model.pb.gz"
    path.write_bytes(compress(graph_bytes()))
    assert open_model(path).graph == make_graph()


def test_the_preferred_model_is_taken(tmp_path):
    write_pbmm(make_graph(), tmp_path / "m.pbmm", smallest=100)
    members = {
        "a/model.tflite": b"\x1c\0\0\0TFL3" + bytes(100),
        "a/zoo.pb": graph_bytes(),
        "b/c/model.pbmm": (tmp_path / "m.pbmm").read_bytes(),
    }
    source = open_model(write_tar(tmp_path / "a.tar.gz", members))
    assert source.kind == "archive: pbmm"
    assert source.notes[:2] == (
        "'b/c/model.pbmm' taken from the archive",
        "other models in the archive: a/zoo.pb, a/model.tflite",
    )
    del members["b/c/model.pbmm"]
    assert open_model(write_tar(tmp_path / "a.tar.gz", members)).kind == "archive: pb"


def test_among_equals_the_shortest_path_is_taken(tmp_path):
    members = {"x/y/a.pb": graph_bytes(), "x/c.pb": graph_bytes(), "x/b.pb": graph_bytes()}
    source = open_model(write_zip(tmp_path / "a.zip", members))
    assert "'x/b.pb' taken" in source.notes[0]


def test_a_typed_alphabet_goes_first(tmp_path):
    source = open_model(write_tar(tmp_path / "a.tar", RELEASE, "w"), alphabet=serialize_alphabet([b"z"]))
    assert source.overrides == {"alphabet": serialize_alphabet([b"z"])}
    assert source.metadata == {}


def test_the_alphabet_above_the_model_is_found(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"alphabet.txt": ALPHABET, "deep/er/m.pb": graph_bytes()})
    assert open_model(path).metadata == {"alphabet": serialize_alphabet(LABELS)}


@pytest.mark.parametrize("name", ["../evil.pb", "/evil.pb", "a/../../evil.pb", "C:/evil.pb", "..\\evil.pb"])
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_a_path_outside_is_refused(tmp_path, name, write):
    path = write(tmp_path / "a.archive", {"m.pb": graph_bytes(), name: graph_bytes()})
    assert "would be written outside" in refused(path)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_passed_over(tmp_path, kind):
    link = tarfile.TarInfo("link.pb")
    link.type = kind
    link.linkname = "/etc/passwd"
    assert "holds no model" in refused(write_tar(tmp_path / "a.tar.gz", {"link.pb": link}))
    through = tarfile.TarInfo("folder")
    through.type = tarfile.SYMTYPE
    through.linkname = str(tmp_path)
    members = {"folder": through, "folder/m.pb": graph_bytes()}
    assert open_model(write_tar(tmp_path / "a.tar.gz", members)).kind == "archive: pb"
    assert not (tmp_path / "m.pb").exists()


def test_a_zip_link_is_passed_over(tmp_path):
    info = zipfile.ZipInfo("m.pb")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, graph_bytes())
    assert "holds no model" in refused(tmp_path / "a.zip")


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_bombs_are_refused(tmp_path, write):
    path = write(tmp_path / "bomb", {"m.pb": bytes(40 * 2**20)})
    assert "unpacks to more than 3" in refused(path)


def test_an_endless_stream_is_refused(tmp_path):
    """Members that are passed over expand too."""
    path = write_tar(tmp_path / "bomb", {"a.wav": bytes(40 * 2**20), "m.pb": graph_bytes()})
    assert "unpacks to more than 3" in refused(path)


def test_text_in_a_small_archive(tmp_path):
    """A text graph is read by a hundred thousand fields a second."""
    with gzip.open(tmp_path / "m.pbtxt.gz", "wb") as file:
        file.write(b'node { name: "a" op: "b" }\n' * 200_000)
    assert re.search(
        r"holds about 600000 fields as text. .* or give the binary file\.", refused(tmp_path / "m.pbtxt.gz")
    )


def test_what_stands_in_strings_is_not_counted_as_a_field(tmp_path):
    builder = GraphBuilder()
    builder.const("a", np.frombuffer(b'{:,<"\\' * 2**17, np.uint8))
    text = text_format.MessageToString(builder.graph)
    with gzip.open(tmp_path / "m.pbtxt.gz", "wb") as file:
        file.write(text.encode())
    assert open_model(tmp_path / "m.pbtxt.gz").graph == builder.graph


def test_very_many_or_deep_folders_are_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", {f"{'a/' * 500}m.pb": graph_bytes()})
    assert "holds files 500 folders deep" in refused(path)


def test_a_huge_header_is_not_read(tmp_path):
    """tarfile reads extended headers into memory at once, however long they say they are."""
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    info.size = 2**30
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT) + bytes(2**20))
    assert "a header of" in refused(path)


@pytest.mark.parametrize(("files", "depth"), [(2001, 0), (70, 30)])
def test_archives_of_very_many_files_are_refused(tmp_path, files, depth):
    """Files, or the folders that they lie in."""
    path = write_zip(tmp_path / "a.zip", {f"{i}/{'a/' * depth}m.txt" if depth else f"{i}": b"" for i in range(files)})
    assert re.search(r"holds more than \d+ files in \d+ folders", refused(path))


@pytest.mark.parametrize(
    ("members", "inside"),
    [({}, "nothing"), ({"data.pkl": b"\x80\2", "x.md": b"x"}, "data.pkl, x.md"), ({"a.zip": b"PK\3\4"}, "a.zip")],
)
def test_an_archive_without_a_model_says_what_is_inside(tmp_path, members, inside):
    assert refused(write_zip(tmp_path / "a.zip", members)).endswith(f"inside: {inside}.")


def test_a_damaged_model_inside_names_the_member(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", {"x/m.pb": graph_bytes()[:-50]})
    assert "a.tar.gz: x/m.pb: is not a frozen graph" in refused(path)
    path = write_tar(tmp_path / "a.tar.gz", {"x/m.pb": graph_bytes(), "x/alphabet.txt": b"\0"})
    assert "a.tar.gz: x/alphabet.txt: is not an alphabet file" in refused(path)


@pytest.mark.parametrize("size", [3, 30, 300, 3000])
@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "zip"])
def test_archives_that_are_cut_off_are_refused(tmp_path, mode, size):
    path = tmp_path / "a"
    write_zip(path, RELEASE) if mode == "zip" else write_tar(path, RELEASE, mode)
    path.write_bytes(path.read_bytes()[:size])
    refused(path)


def test_an_encrypted_zip(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"m.pb": graph_bytes()})
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    assert "password" in refused(path)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_damaged_archives_open_or_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a"
    mode = data.draw(st.sampled_from(["w", "w:gz", "w:bz2", "w:xz", "zip"]))
    write_zip(path, RELEASE) if mode == "zip" else write_tar(path, RELEASE, mode)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are at the start of a tar and at the end of a zip.
        place = data.draw(st.one_of(st.integers(0, 1600), st.integers(-900, -1))) % len(content)
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    result = outcome(lambda: open_model(path))
    assert isinstance(result, LoadedModel) or str(path) in str(result)
