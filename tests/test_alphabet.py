"""Alphabets: the serialized form and alphabet.txt."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe.alphabet import (
    BYTES_ALPHABET,
    is_bytes_alphabet,
    label_texts,
    parse_alphabet,
    read_alphabet,
    serialize_alphabet,
)
from deepspeech_recipe.errors import RecipeError
from tests.support.source_models import outcome

ABC = b"\3\0\0\0\1\0 \1\0\1\0a\2\0\2\0\xc3\xa9"


def test_the_form_is_that_of_deepspeech():
    assert parse_alphabet(ABC) == [b" ", b"a", "é".encode()]
    assert serialize_alphabet([b" ", b"a", "é".encode()]) == ABC


def test_entries_may_come_in_any_order():
    assert parse_alphabet(b"\2\0\1\0\1\0b\0\0\1\0a") == [b"a", b"b"]


@given(st.lists(st.binary(max_size=6), max_size=300))
@settings(max_examples=50, deadline=None)
def test_what_was_serialized_is_parsed(labels):
    assert parse_alphabet(serialize_alphabet(labels)) == labels


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are too short"),
        (b"\1", "1 bytes are too short"),
        (ABC[:-1], "cut off in label 2 of 3"),
        (ABC[:8], "cut off after 1 of 3 labels"),
        (ABC + b"\0", "1 bytes follow the last of 3 labels"),
        (b"\2\0\0\0\1\0a\0\0\1\0b", "label 0 of 2 comes twice"),
        (b"\1\0\7\0\1\0a", "label 7 of 1 comes twice or is out of range"),
    ],
)
def test_damaged_data_are_refused(data, reason):
    with pytest.raises(RecipeError, match=f"model.pb: .*{reason}"):
        parse_alphabet(data, what="model.pb")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_parse_or_are_refused(data):
    result = outcome(lambda: parse_alphabet(data, what="the file"))
    if isinstance(result, RecipeError):
        assert str(result).startswith("the file:")
    else:
        assert parse_alphabet(serialize_alphabet(result)) == result


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_alphabet_txt_is_read_as_training_reads_it(tmp_path, newline, start, end):
    lines = ["# a comment", " ", "a", "", "é", "\\#", "#b", "\\##", "'"]
    path = tmp_path / "alphabet.txt"
    path.write_bytes((start + newline.join(lines) + end.replace("\n", newline)).encode())
    assert read_alphabet(path) == [b" ", b"a", "é".encode(), b"#", b"\\##", b"'"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"# only\n\n", "holds no label"), (b"", "holds no label"), (b"a\n\0\n", "is not an alphabet file")],
)
def test_what_is_not_an_alphabet_txt_is_refused(tmp_path, content, reason):
    path = tmp_path / "alphabet.txt"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=rf"alphabet\.txt: {reason}"):
        read_alphabet(path)


def test_a_missing_or_endless_file(tmp_path):
    with pytest.raises(RecipeError, match="No such file"):
        read_alphabet(tmp_path / "alphabet.txt")
    with pytest.raises(RecipeError, match="Is a directory"):
        read_alphabet(tmp_path)
    with pytest.raises(RecipeError, match="is a device, not a file"):
        read_alphabet("/dev/zero")


def test_what_no_model_can_carry_is_refused():
    with pytest.raises(RecipeError, match="at most 65535 labels"):
        serialize_alphabet([b"a"] * 65536)
    with pytest.raises(RecipeError, match="at most 65535 bytes"):
        serialize_alphabet([b"a" * 65536])


def test_labels_of_bytes_have_no_texts():
    assert label_texts([b" ", "é".encode()]) == [" ", "é"]
    assert label_texts([b" ", b"\xc3"]) is None
    assert is_bytes_alphabet(BYTES_ALPHABET)
    assert len(BYTES_ALPHABET) == 255
    assert BYTES_ALPHABET[0] == b"\1"
