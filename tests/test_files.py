"""Output files appear whole or not at all."""

import errno
import os

import pytest

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.files import atomic_path, check_writable, naming, reading


def test_the_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "model.xml"
    target.write_text("old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent.parent == tmp_path  # the same file system
        assert temporary.name == "model.xml"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.xml"]


@pytest.mark.parametrize("failure", [ValueError("x"), KeyboardInterrupt()])
def test_nothing_is_left_when_the_block_fails(tmp_path, failure):
    target = tmp_path / "model.xml"
    target.write_text("old")

    def write():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        write()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.xml"]


def test_a_full_disk_is_one_line(tmp_path):
    with (
        pytest.raises(RecipeError, match=r"out\.pb: cannot be written \(No space left"),
        atomic_path(tmp_path / "out.pb"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_targets_that_cannot_be(tmp_path):
    with pytest.raises(RecipeError, match="is a directory"):
        check_writable(tmp_path)
    with pytest.raises(RecipeError, match=r"directory '.*missing' does not exist"):
        check_writable(tmp_path / "missing" / "out.pb")


def test_permission_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RecipeError, match="no permission to write"):
        check_writable(tmp_path / "out.pb")


def test_reading_names_the_file(tmp_path):
    missing = tmp_path / "missing.pb"
    with pytest.raises(RecipeError, match=r"missing\.pb: cannot be read \(No such file"), reading(missing):
        missing.read_bytes()


def test_naming_puts_the_path_in_front():
    with pytest.raises(RecipeError, match=r"^m\.pb: It is damaged$"), naming("m.pb"):
        raise RecipeError("It is damaged")
    with pytest.raises(RecipeError, match=r"^In m\.pb: yes$"), naming("m.pb"):
        raise RecipeError("In m.pb: yes")
    with pytest.raises(Refusal, match=r"^m\.pb: No\. Node at fault: 'n'\. Do so\.$") as caught, naming("m.pb"):
        raise Refusal("No", node="n", remedy="Do so")
    assert caught.value.node == "n"


def test_messages_are_one_short_printable_line():
    with pytest.raises(RecipeError) as caught, naming("m.pb"):
        raise RecipeError("m.pb: \n\x1b[31m" + "x" * 5000 + "end")
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 800
    assert text.startswith("m.pb: \ufffd\ufffd[31mxxx")
    assert text.endswith("end")
