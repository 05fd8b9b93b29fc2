"""Output files appear whole or not at all."""

import errno
import os
import re

import pytest

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.files import (
    TRACEBACK,
    atomic_path,
    check_writable,
    error_context,
    last_net,
    one_line,
    reading,
)
from tests.support.source_models import graph_bytes


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
    with pytest.raises(RecipeError, match=r"^m\.pb: It is damaged$"), error_context("m.pb"):
        raise RecipeError("It is damaged")
    with pytest.raises(RecipeError, match=r"^In m\.pb: yes$"), error_context("m.pb"):
        raise RecipeError("In m.pb: yes")
    with pytest.raises(Refusal, match=r"^m\.pb: No\. Node at fault: 'n'\. Do so\.$") as caught, error_context("m.pb"):
        raise Refusal("No", node="n", remedy="Do so")
    assert caught.value.node == "n"
    with pytest.raises(RecipeError, match=r"^two: It has two loops$"), error_context("two"):
        raise RecipeError("It has two loops")


def test_messages_are_one_short_printable_line():
    with pytest.raises(RecipeError) as caught, error_context("m.pb"):
        raise RecipeError("m.pb: \n\x1b[31m" + "x" * 5000 + "end")
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1050
    assert text.startswith("m.pb: \ufffd\ufffd[31mxxx")
    assert text.endswith("end")


def test_the_last_net(monkeypatch):
    """An exception that nobody foresaw is one line, with what to do; developers see it as it is."""

    @last_net("model.pb")
    def read():
        return [][3]

    with pytest.raises(IndexError):
        read()
    monkeypatch.delenv(TRACEBACK)
    with pytest.raises(RecipeError) as caught:
        read()
    assert re.match(
        r"model.pb is damaged, or unusual .* \(IndexError in test_files.py, line \d+: list index .*\)\. Copy it again; "
        r"if other programs read it, please report this line with the file\.$",
        str(caught.value),
    )
    assert isinstance(caught.value.__cause__, IndexError)


@pytest.mark.parametrize("error", [RecipeError("no"), Refusal("no"), OSError(28, "full"), KeyboardInterrupt()])
def test_the_last_net_is_for_nothing_else(monkeypatch, error):
    monkeypatch.delenv(TRACEBACK)
    with pytest.raises(type(error)) as caught, last_net("model.pb"):
        raise error
    assert caught.value is error


def test_own_recipes_are_not_blamed(monkeypatch, tmp_path):
    """Whoever gave the file cannot correct the recipe."""
    from deepspeech_recipe.conversion.inspect import inspect
    from deepspeech_recipe.recipes import deepspeech

    monkeypatch.delenv(TRACEBACK)
    monkeypatch.setattr(deepspeech, "recognise", lambda view: [][0])
    (tmp_path / "m.pb").write_bytes(graph_bytes())
    with pytest.raises(RecipeError, match=r"m.pb: the graph is damaged, or unusual"):
        inspect(tmp_path / "m.pb")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The graph has no node 'x'. Its inputs are {list}. Name one.", "are n0, n1, n2 and 297 more. Name one."),
        (
            "It holds {list}; give another ({list}). Leave it.",
            "n2 and 297 more; give another (n0, n1, n2 and 297 more).",
        ),
        ("The node '{name}' is damaged, and so is its input. Copy the file.", "nnn' is damaged, and so is its input."),
    ],
)
def test_a_long_message_loses_names_of_its_lists_and_no_sentence(said, shown):
    names = ", ".join(f"n{number}" for number in range(300))
    line = one_line(said.format(list=names, name="n" * 5000))
    assert shown in line
    assert line.endswith(said.rpartition(". ")[2])
    assert len(line) < 300


def test_a_message_of_many_sentences_stays_whole():
    """A refusal, why no recipe fits, and what to do: the longest that we write."""
    text = " ".join(f"Sentence {number} says why, and what to do." for number in range(30))
    assert 900 < len(text) < 1800
    assert one_line(text) == text


def test_what_a_library_says_without_end_is_bounded_in_whole_words():
    line = one_line("begin " + "word " * 5000 + "end")
    assert line.startswith("begin word word")
    assert line.endswith("word end")
    assert set(line.split()) == {"begin", "word", "…", "end"}
    assert len(line) < 1810
