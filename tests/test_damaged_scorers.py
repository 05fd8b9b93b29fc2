"""Scorers that are damaged: refused in one line, or decoded; the process never dies of them."""

import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.decoders import scorer_trial
from deepspeech_recipe.runtime.decoders.arpa_file import check_arpa
from deepspeech_recipe.runtime.decoders.kenlm_file import check_binary
from deepspeech_recipe.runtime.decoders.lm import Beam, Scorer
from deepspeech_recipe.runtime.decoders.scorer_file import read_scorer
from tests.support.bundled import bundled_ir, transcripts
from tests.support.decoding import ENGLISH, LABELS, SMALL_ARPA
from tests.support.scorer_writer import ARPA, BINARY, spell, words, write_scorer

pytestmark = pytest.mark.anywhere

KINDS = sorted((Path(__file__).parent / "fixtures" / "scorer" / "kinds").glob("*.binary"))
ALPHABET = [label.encode() for label in ENGLISH]
# Scores all pairs and many longer ones of the words of each file; what KenLM refuses by itself is well.
LOOK_UP = """
import random, sys
from flashlight.lib.text import dictionary
from flashlight.lib.text.decoder import kenlm
words = [f"w{number}" for number in range(100)]
for path in sys.argv[1:]:
    print(path, flush=True)
    names = dictionary.Dictionary(["<unk>", *words])
    try:
        model = kenlm.KenLM(path, names)
    except RuntimeError:
        continue
    rng, scores = random.Random(1), []
    for first in words[:10]:
        before, _ = model.score(model.start(False), names.get_index(first))
        for second in words:
            state, score = model.score(before, names.get_index(second))
            for third in rng.sample(words, 2):
                state, more = model.score(state, names.get_index(third))
                scores += [score, more]
    assert all(abs(score) < 1e30 for score in scores)
"""


@pytest.fixture
def scorer(tmp_path):
    return write_scorer(tmp_path / "words.scorer", [spell(word, ENGLISH) for word in words()])


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One bit, one byte, eight zeros, or some bytes."""
    found, kind = bytearray(data), rng.randrange(4)
    place = rng.randrange(len(found))
    if kind == 0:
        found[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        found[place] = rng.randrange(256)
    elif kind == 2:
        found[place : place + 8] = bytes(len(found[place : place + 8]))
    else:
        for _ in range(rng.randrange(2, 9)):
            found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


@pytest.mark.parametrize("path", [BINARY, *KINDS], ids=lambda path: path.stem)
def test_language_models_of_every_kind_are_whole(path):
    check_binary(path)


@pytest.mark.parametrize("path", KINDS, ids=lambda path: path.stem)
def test_what_passes_the_check_kills_no_process(path, tmp_path):
    data, rng = path.read_bytes(), random.Random(path.stem)
    passed, refused = [], 0
    for number in range(200):
        file = tmp_path / f"{number}.binary"
        file.write_bytes(damaged(data, rng))
        try:
            check_binary(file)
            passed.append(str(file))
        except RecipeError:
            refused += 1
    assert refused > 10
    assert len(passed) > 10
    done = subprocess.run([sys.executable, "-c", LOOK_UP, *passed[:40]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout.splitlines()[-1:], done.stderr[-500:])


@pytest.mark.parametrize("path", [BINARY, *KINDS], ids=lambda path: path.stem)
def test_a_language_model_that_is_cut_off(path, tmp_path):
    data = path.read_bytes()
    file = tmp_path / "cut.binary"
    for length in {*range(0, 200), *range(0, len(data), 41), *range(len(data) - 20, len(data))}:
        file.write_bytes(data[:length])
        with pytest.raises(RecipeError, match=r"cut\.binary: (is empty|is damaged or cut off|is not a language model)"):
            check_binary(file)
    file.write_bytes(data + b"more")
    with pytest.raises(RecipeError, match=r"cut\.binary: "):
        check_binary(file)


def test_a_vocabulary_that_is_larger_than_its_table(tmp_path):
    """103 words, and <unk> has no place among them."""
    data = bytearray(next(path for path in KINDS if path.stem == "probing").read_bytes())
    file = tmp_path / "larger.binary"
    for count, refused in ((104, False), (105, True)):
        data[148:152] = struct.pack("<I", count)
        file.write_bytes(data)
        if refused:
            with pytest.raises(RecipeError, match=f"it says that it has {count} words"):
                check_binary(file)
        else:
            check_binary(file)


def test_words_that_are_damaged_are_refused_or_read(tmp_path, scorer):
    """Of 500 changes in the part behind the language model, and of every length of it."""
    data = scorer.read_bytes()
    begin, rng, refused, read = len(BINARY.read_bytes()), random.Random(2), 0, 0
    file = tmp_path / "damaged.scorer"
    changes = [data[:begin] + damaged(data[begin:], rng) for _ in range(500)]
    changes += [data[:length] for length in range(begin, len(data), 97)]
    for changed in changes:
        file.write_bytes(changed)
        try:
            read_scorer(file, space=0)
        except RecipeError as error:
            refused += str(error).startswith(f"{file}: ")
        else:
            read += 1
    assert refused + read == len(changes)
    assert refused > 200


def test_words_in_a_ladder_are_counted_before_they_are_written(tmp_path):
    """Thirty states, each with two ways to the next: a thousand million words in a kilobyte."""
    rungs = 30
    states = b"".join(struct.pack("<fIIII", np.inf, 2 * each, 2, 0, 0) for each in range(rungs))
    states += struct.pack("<fIIII", 0, 2 * rungs, 0, 0, 0)
    arcs = b"".join(struct.pack("<iifi", label, label, 0, each + 1) for each in range(rungs) for label in (2, 3))
    head = BINARY.read_bytes() + b"EIRT" + struct.pack("<i?dd", 6, False, 1, 1)
    head += struct.pack("<ii5si8s", 2125659606, 5, b"const", 8, b"standard")
    head += struct.pack("<iiQqqq", 2, 0, 1, 0, rungs + 1, 2 * rungs)
    (tmp_path / "ladder.scorer").write_bytes(head + states + arcs)
    with pytest.raises(RecipeError, match="its words cannot be read"):
        read_scorer(tmp_path / "ladder.scorer", space=0)


@pytest.mark.parametrize(("change", "reason"), [
    (("ngram 1=6", "ngram 1=6000000000000"), "it has 6 of 6000000000000, 2 of 2 n-grams"),
    (("\\end\\", "-1 a b c\n\\end\\"), "the 2-gram '-1 a b c' has no finite weights|3 of 2"),
    (("-0.6\ta", "nan\ta"), "the 1-gram 'nan a -0.2' has no finite weights"),
    (("-0.2\ta ba", "-inf\ta ba"), "the 2-gram '-inf a ba' has no finite weights"),
    (("\t-0.4", "\tinf"), "the 1-gram '-99 <s> inf' has no finite weights"),
    (("-0.2\ta ba\n", ""), "it has 6 of 6, 1 of 2 n-grams"),
])  # fmt: skip
def test_arpa_files_that_are_damaged(tmp_path, change, reason):
    path = tmp_path / "small.arpa"
    path.write_text(SMALL_ARPA)
    check_arpa(path)
    check_arpa(ARPA)
    path.write_text(SMALL_ARPA.replace(*change))
    with pytest.raises(RecipeError, match=reason):
        check_arpa(path)


def broken(tmp_path, change):
    """A scorer whose words are whole and whose language model is not."""
    path = tmp_path / "broken.scorer"
    return write_scorer(path, [spell(word, ENGLISH) for word in words()], lm=change(BINARY.read_bytes()))


@pytest.mark.parametrize("change", [lambda lm: lm[:1025], lambda lm: lm[:-32] + bytes([255]) * 32])
def test_a_damaged_scorer_is_one_line(tmp_path, capsys, change):
    path = broken(tmp_path, change)
    command = ["transcribe", str(next(iter(transcripts()))), "--model", str(bundled_ir()), "--scorer", str(path)]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path}: is damaged" in line


def test_a_child_process_that_dies_is_one_line(tmp_path):
    """Without the check of the file, which is what the trial is for."""
    path = broken(tmp_path, lambda lm: lm[:1025])
    spelled = {word: spell(word, ENGLISH)[:-1] for word in words()}
    with pytest.raises(RecipeError, match=r"broken.scorer: is damaged: the decoder dies of it \(SIG(SEGV|BUS|ABRT)\)"):
        scorer_trial.try_once(path, ALPHABET, spelled, lambda: None)


def test_a_child_process_that_does_not_end_is_one_line(tmp_path, monkeypatch):
    """A hash table without an empty place: a search for what is not in it has no end."""
    data = bytearray(next(path for path in KINDS if path.stem == "probing").read_bytes())
    for at in range(136 + 8, 136 + 8 + 154 * 12, 12):
        data[at : at + 8] = data[at : at + 8] if any(data[at : at + 8]) else b"\x01" * 8
    path = tmp_path / "full.binary"
    path.write_bytes(data)
    with pytest.raises(RecipeError, match=r"full\.binary: is damaged or cut off: a table is full"):
        check_binary(path)
    monkeypatch.setattr(scorer_trial, "_SECONDS", 2)
    with pytest.raises(RecipeError, match=r"full\.binary: is damaged: the decoder does not end with it"):
        scorer_trial.try_once(path, LABELS, {"a": [0], "b": [1]}, lambda: None)


@pytest.mark.parametrize("cache", ["writable", "/dev/null/cache"])
def test_a_scorer_is_tried_once(tmp_path, scorer, monkeypatch, cache):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path) if cache == "writable" else cache)
    tried = []
    monkeypatch.setattr(scorer_trial, "_passed", set())
    monkeypatch.setattr(scorer_trial, "_try", lambda path, *rest: tried.append(path))
    for _ in range(2):
        Scorer(scorer).for_model(ALPHABET)
    assert tried == [scorer]
    scorer_trial._passed.clear()  # as another process
    Scorer(scorer).for_model(ALPHABET)
    assert len(tried) == (1 if cache == "writable" else 2)
    other = write_scorer(tmp_path / "words.scorer", [spell(word, ENGLISH) for word in words()[1:]])
    Scorer(other).for_model(ALPHABET)
    assert len(tried) == (2 if cache == "writable" else 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300, "1"])
def test_weights_that_are_no_numbers(scorer, value):
    for name, options in {
        "alpha": {"alpha": value},
        "beta": {"beta": value},
        "boost of the hot word 'zero'": {"hot_words": {"one": 1.0, "zero": value}},
    }.items():
        with pytest.raises(RecipeError, match=rf"The (scorer's )?{name} is {re.escape(str(value))}: a number"):
            Scorer(scorer, **options)
    for kind in (Beam, lambda width: Scorer(scorer, beam_width=width)):
        with pytest.raises(RecipeError, match=rf"The beam width is {re.escape(str(value))}, a whole number"):
            kind(value)


@pytest.mark.parametrize(("name", "at"), [("alpha", 9), ("beta", 17)])
def test_weights_of_the_file_that_are_no_numbers(tmp_path, scorer, name, at):
    data = bytearray(scorer.read_bytes())
    at += data.rindex(b"EIRT")
    data[at : at + 8] = struct.pack("<d", np.nan)
    scorer.write_bytes(data)
    with pytest.raises(RecipeError, match=f"words.scorer: is damaged: its {name} is nan"):
        Scorer(scorer).for_model(ALPHABET)


@pytest.mark.parametrize("options", [
    ["--alpha", "nan"], ["--beta", "inf"], ["--hot-words", "zero:nan"], ["--hot-words", "zero:1,one:inf"],
    ["--beam-width", "0"], ["--beam-width", "99999999999"],
])  # fmt: skip
def test_the_command_names_a_weight_that_is_no_number(capsys, options):
    command = ["transcribe", str(next(iter(transcripts()))), "--model", str(bundled_ir()), "--scorer", str(ARPA)]
    assert main([*command, *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "a number from" in line or "a whole number from" in line
