"""Beam search: against all paths of small matrices, scorers read and refused, and texts of the bundled model."""

import itertools
import math
import pickle
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.cli import main
from deepspeech_recipe.corpus import cluster
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.decoders import prefixes
from deepspeech_recipe.runtime.decoders import words as words_search
from deepspeech_recipe.runtime.decoders.arpa_file import arpa_order
from deepspeech_recipe.runtime.decoders.kenlm_file import binary_order
from deepspeech_recipe.runtime.decoders.lm import Beam, Scorer
from deepspeech_recipe.runtime.decoders.scorer_file import read_scorer
from deepspeech_recipe.runtime.result import Texts
from tests.support.bundled import bundled_ir, samples_of, transcripts
from tests.support.decoding import ENGLISH, LABELS, SMALL_ARPA, all_paths, drawn, followed, matrices, softmax
from tests.support.scorer_writer import ALPHA, ARPA, BETA, BINARY, spell, words, write_scorer

pytestmark = pytest.mark.anywhere

UNIGRAMS = {"a": (-0.6, -0.2), "ab": (-0.9, -0.1), "ba": (-0.7, -0.3), "<s>": (-99, -0.4)}
SPOKEN = ("a", "ab", "ba")
BIGRAMS = {("<s>", "a"): -0.3, ("a", "ba"): -0.2}


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    path = tmp_path_factory.mktemp("scorer") / "words.scorer"
    return write_scorer(path, [spell(word, ENGLISH) for word in words()])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("arpa") / "small.arpa"
    path.write_text(SMALL_ARPA)
    return path


def decoded(decoder, matrix, cuts=(), count=1):
    utterance = decoder.start()
    for part in np.split(matrix, sorted(cuts)):
        utterance.feed(part)
    return utterance.finish(count)


class Words:
    """The small language model by the client's rules."""

    space = LABELS.index(b" ")

    def __init__(self, alpha: float, beta: float, boost: float):
        self.alpha, self.beta, self._boost = alpha, beta, boost

    def known(self, text: tuple[int, ...]) -> bool:
        *words, last = self._split(text)
        return all(word in SPOKEN for word in words) and any(word.startswith(last) for word in SPOKEN)

    def ending(self, text: tuple[int, ...]) -> float:
        before, word = ["<s>", *self._split(text)][-2:]
        if word not in SPOKEN:
            return -1000 * self.alpha + self.beta
        language = BIGRAMS.get((before, word), UNIGRAMS[before][1] + UNIGRAMS[word][0]) * math.log(10)
        return self.alpha * (language + self._boost * [before, word].count("ba")) + self.beta

    def _split(self, text) -> list[str]:
        return "".join("ab "[label] for label in text).split(" ")


@settings(max_examples=40, deadline=None)
@given(matrix=matrices, cuts=strategies.lists(strategies.integers(0, 6), max_size=2))
def test_a_beam_finds_the_text_with_the_most_likely_paths(matrix, cuts):
    totals = all_paths(matrix)
    best = sorted(totals.values(), reverse=True)
    if len(best) > 1 and best[0] - best[1] < 1e-5:
        return
    (found,) = decoded(Beam(1000).for_model(LABELS), matrix, cuts)
    assert tuple(token.label for token in found.tokens) == max(totals, key=totals.get)


WEIGHTS = [(0.5, 1.0, 0.0), (2.0, -1.0, 2.0), (0.5, 0.0, -5.0), (0.0, 2.0, 0.0)]


@settings(max_examples=60, deadline=None)
@given(
    matrix=matrices,
    cuts=strategies.lists(strategies.integers(0, 6), max_size=2),
    weights=strategies.sampled_from(WEIGHTS),
)
def test_a_text_weighs_all_its_paths_and_its_words(small, matrix, cuts, weights):
    words, totals = Words(*weights), {}
    for text, probability in all_paths(matrix).items():
        if not text or words.known(text):
            ends = [text[:at] for at, label in enumerate(text) if label == words.space]
            ends += [text] if text and text[-1] != words.space else []
            totals[text] = math.log(probability) + sum(map(words.ending, ends))
    if matrix[0, -1] >= 0.999:
        return
    alpha, beta, boost = weights
    decoder = Scorer(small, alpha=alpha, beta=beta, beam_width=3000, hot_words={"ba": boost}).for_model(LABELS)
    found = decoded(decoder, matrix, cuts, count=3)
    assert [each.confidence for each in found] == pytest.approx(sorted(totals.values())[-len(found) :][::-1], abs=1e-5)
    for each in found:
        text = tuple(token.label for token in each.tokens)
        assert each.confidence == pytest.approx(totals[text], abs=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("width", [3, 12, 60])
@pytest.mark.parametrize("seed", range(3))
def test_texts_times_and_weights_are_the_clients(small, seed, width, weights):
    matrix = drawn(seed, 40, 4)
    alpha, beta, boost = weights
    decoder = Scorer(small, alpha=alpha, beta=beta, beam_width=width, hot_words={"ba": boost}).for_model(LABELS)
    wanted = followed(matrix, width, Words(*weights))[:3]
    for found, (weight, text, frames) in zip(decoded(decoder, matrix, count=3), wanted, strict=True):
        assert tuple(token.label for token in found.tokens) == text != ()
        assert [token.start for token in found.tokens] == frames
        assert found.confidence == pytest.approx(weight, abs=1e-5)


@pytest.mark.long
def test_long_audio_is_decoded_in_bounded_memory(scorer, monkeypatch):
    """What no text needs is forgotten, and settled letters stay."""
    recognizer = Recognizer(bundled_ir(), Scorer(scorer, beam_width=30), config={"INFERENCE_NUM_THREADS": 1})
    silence = (1e-3 * np.random.default_rng(1).standard_normal(10 * 16000)).astype(np.float32)
    long = np.concatenate([*map(samples_of, transcripts()), silence, *map(samples_of, transcripts())])
    whole = recognizer.transcribe(long)
    assert [word.text for word in whole.words] == " ".join(transcripts().values()).split() * 2
    monkeypatch.setattr(prefixes, "_SWEPT", 100)
    monkeypatch.setattr(words_search, "_KEPT", 100)
    stream, settled = recognizer.stream(), [""]
    for at in range(0, len(long), 3000):
        stream.feed(long[at : at + 3000])
        assert stream._decoder._texts.count < 1000
        progress = stream.progress()
        settled.append(progress.text[: progress.settled])
    found = stream.finish_with_metadata()
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise([*settled, found.text]))
    assert len(settled[-1]) > 0.8 * len(found.text)
    assert (found.text, found.letters) == (whole.text, whole.letters)
    assert found.confidence == pytest.approx(whole.confidence, abs=2e-3)  # a text was dropped, and came back


def test_a_partial_text_has_the_letters_of_its_last_word(small):
    decoder = Scorer(small, alpha=0.5, beta=0.5, beam_width=50).for_model(LABELS)
    utterance, partial = decoder.start(), []
    for frame in spoken("a- b"):
        utterance.feed(frame[None])
        partial.append(Texts(LABELS, 0.02).text(utterance.partial()))
    assert partial == ["a", "a", "a ", "a b"]
    utterance.feed(spoken("a"))
    (found,) = utterance.finish()
    assert Texts(LABELS, 0.02).text(found) == "a ba"


def spoken(text: str) -> np.ndarray:
    """Frames that are sure of one class each: '-' for the blank."""
    return np.float32(0.01 / 3) + (0.99 - 0.01 / 3) * np.eye(4, dtype=np.float32)[["ab -".index(each) for each in text]]


def test_the_words_of_a_scorer(scorer):
    found = read_scorer(scorer, space=0)
    assert (found.alpha, found.beta, found.utf8) == (ALPHA, BETA, False)
    assert sorted("".join(ENGLISH[label] for label in word) for word in found.words) == sorted(words())
    assert len(words()) == 33


def test_the_longest_n_grams(scorer, tmp_path):
    """A hot word counts in each n-gram that it is in."""
    assert binary_order(scorer) == binary_order(BINARY) == arpa_order(ARPA) == 2
    (tmp_path / "three.arpa").write_text(SMALL_ARPA.replace("ngram 2=2", "ngram 2=2\nngram 3=1"))
    assert arpa_order(tmp_path / "three.arpa") == 3


@pytest.mark.parametrize(
    "kind",
    [
        *("scorer", "binary with words"),
        *(pytest.param(each, marks=pytest.mark.long) for each in ("arpa", "binary with a list")),
    ],
)
def test_a_language_model_corrects_texts(scorer, tmp_path, kind):
    (tmp_path / "words.txt").write_text("\n".join([*words(), "straße"]))
    decoder = {
        "scorer": lambda: Scorer(scorer),
        "arpa": lambda: Scorer(ARPA, alpha=ALPHA, beta=BETA),
        "binary with words": lambda: Scorer(BINARY, alpha=ALPHA, beta=BETA, words=tmp_path / "words.txt"),
        "binary with a list": lambda: Scorer(BINARY, alpha=ALPHA, beta=BETA, words=words()),
    }[kind]()
    recognizer = Recognizer(bundled_ir(), decoder, config={"INFERENCE_NUM_THREADS": 1})
    for path, said in transcripts().items():
        assert recognizer.transcribe(samples_of(path)).text == said
    results = recognizer.transcribe_batch([samples_of(path) for path in transcripts()])
    assert [result.text for result in results] == list(transcripts().values())
    assert results[0].words[0].end > results[0].words[0].start > 0.1
    stream, partial = recognizer.stream(), set()
    for at in range(0, len(samples_of(path)), 2000):
        stream.feed(samples_of(path)[at : at + 2000])
        partial.add(stream.partial())
    assert len(partial) > 2
    best, other = stream.finish_with_alternatives(2)
    assert best.text == said != other.text
    assert other.confidence < best.confidence
    assert recognizer.stream().finish() == ""
    # As a node of a cluster gets it: by the content of its files.
    sent = pickle.dumps(cluster._packed(bundled_ir(), decoder, "CPU", "f32", None))
    if kind == "binary with words":
        (tmp_path / "words.txt").unlink()
    assert cluster._unpacked(pickle.loads(sent)).transcribe(samples_of(path)).text == said


def test_hot_words_are_heard_more_and_less(scorer):
    path, said = next(iter(transcripts().items()))
    word = said.split()[-1]
    without = Recognizer(bundled_ir(), Scorer(scorer, hot_words={word: -200.0}, beam_width=200))
    assert without.transcribe(samples_of(path)).text.split()[-1] != word


def test_a_stream_may_have_weights_and_hot_words_of_its_own(scorer):
    """As a scorer of its own would have them, and the others keep theirs."""
    path, said = next(iter(transcripts().items()))
    samples, word = samples_of(path), said.split()[-1]
    recognizer = Recognizer(bundled_ir(), Scorer(scorer, beam_width=50))
    for own in ({"hot_words": {word: -200.0}}, {"alpha": 0.0, "beta": 60.0}, {"hot_words": {}}):
        stream = recognizer.stream(**own)
        stream.feed(samples)
        wanted = Recognizer(bundled_ir(), Scorer(scorer, beam_width=50, **own)).transcribe(samples)
        assert stream.finish_with_metadata() == wanted
        assert (wanted.text == said) == (own == {"hot_words": {}})
        assert recognizer.transcribe(samples).text == said
    for own, reason in (
        ({"hot_words": {"xyzzy": 1.0}}, "does not know the hot words 'xyzzy'"),
        ({"alpha": float("nan")}, "The scorer's alpha is nan"),
        ({"hot_words": {word: 1e9}}, f"The boost of the hot word '{word}' is"),
    ):
        with pytest.raises(RecipeError, match=reason):
            recognizer.stream(**own)
    with pytest.raises(RecipeError, match="about a scorer, and there is none"):
        Recognizer(bundled_ir()).stream(beta=1.0)


def test_bytes_without_a_language_model():
    labels = [bytes([value]) for value in range(1, 256)]
    matrix = softmax(np.random.default_rng(1).standard_normal((3, 256)) + 9 * np.eye(256)[[96, 255, 97]])
    (found,) = decoded(Beam(10).for_model(labels), matrix)
    assert Texts(labels, 0.02).text(found) == "ab"


def refusals(tmp_path, scorer):
    english = [label.encode() for label in ENGLISH]
    spelled = [spell(word, ENGLISH) for word in words()]
    write_scorer(tmp_path / "utf8", spelled, utf8=True)
    write_scorer(tmp_path / "old", spelled, version=5)
    write_scorer(tmp_path / "no space", [word[:-1] for word in spelled])
    write_scorer(tmp_path / "large", [[*word[:-1], 40, 0] for word in spelled])
    whole = scorer.read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-200])
    (tmp_path / "cut head").write_bytes(whole[: whole.rindex(b"EIRT") + 20])
    states = len({tuple(word[:end]) for word in spelled for end in range(len(word) + 1)})
    # The last arc, a word's end, leads back to where it comes from.
    (tmp_path / "circle").write_bytes(whole[:-4] + struct.pack("<i", states - 2))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("no scorer")
    (tmp_path / "strange.arpa").write_text(SMALL_ARPA.replace("\ta", "\tß").replace("\tb", "\tß"))
    return {
        "is a scorer for models that output bytes": ("utf8", english),
        "a scorer of version 5, 6 is needed": ("old", english),
        "words do not end with the model's space": ("no space", english),
        "it has a letter 40, the alphabet 28 labels": ("large", english),
        "is damaged or cut off": ("cut", english),
        "damaged or cut off: its words": ("cut head", english),
        "its words cannot be read": ("circle", english),
        "is empty": ("empty", english),
        "is not a scorer: the words behind the language model are missing": ("text", english),
        "No such file": ("missing", english),
        "is decoded greedily, without a scorer": ("utf8", [bytes([value]) for value in range(1, 256)]),
        "needs an alphabet with a space": ("utf8", [b"a", b"b"]),
        "words do not end with": (scorer, [*english[1:], english[0]]),
        "has no word that the model's alphabet can spell": ("strange.arpa", english),
    }


def test_scorers_that_do_not_fit(tmp_path, scorer):
    for reason, (name, labels) in refusals(tmp_path, scorer).items():
        with pytest.raises(RecipeError, match=reason) as caught:
            Scorer(tmp_path / name).for_model(labels)
        assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(RecipeError, match="beam width is 0"):
        Scorer(scorer, beam_width=0)


def test_scorers_whose_words_mean_something_else(tmp_path, scorer):
    """The same number of letters in another order."""
    exchanged = [b" ", *(letter.encode() for letter in "zyxwvutsrqponmlkjihgfedcba'")]
    with pytest.raises(RecipeError, match="its language model does not know words such as"):
        Scorer(scorer).for_model(exchanged)
    with pytest.raises(RecipeError, match="does not know the hot words 'hallo'"):
        Scorer(scorer, hot_words={"hallo": 1.0, "up": 1.0}).for_model([label.encode() for label in ENGLISH])
    data = scorer.read_bytes()
    (tmp_path / "broken").write_bytes(bytes(16 * 20) + data[16 * 20 :])  # no header of KenLM's
    with pytest.raises(RecipeError, match="not a language model that KenLM can read"):
        Scorer(tmp_path / "broken").for_model([label.encode() for label in ENGLISH])


def test_frames_of_another_model():
    with pytest.raises(RecipeError, match="Frames have 5 classes, the decoder was made for 4"):
        decoded(Beam(5).for_model(LABELS), np.full((2, 5), 0.2, np.float32))


def test_without_flashlight(monkeypatch, small):
    monkeypatch.setitem(sys.modules, "flashlight.lib.text", None)
    with pytest.raises(RecipeError, match=r"^A scorer needs flashlight-text: pip install ufal-flashlight-text\.$"):
        Scorer(small).for_model(LABELS)


def test_the_command_takes_scorers_and_beam_widths(capsys, scorer):
    path = list(transcripts())[1]
    command = ["transcribe", str(path), "--model", str(bundled_ir())]
    said = transcripts()[path]
    for options in (["--scorer", scorer], ["--scorer", ARPA, "--alpha", "0.75", "--beta", "1.5", "--beam-width", "50"]):
        assert main([*command, *map(str, options)]) == 0
        assert capsys.readouterr().out == f"{said}\n"
    assert main([*command, "--beam-width", "20"]) == 0
    assert capsys.readouterr().out.startswith("music forward down p")


def test_bad_usage_of_scorers_is_one_line(capsys):
    for reason, options in {
        "--alpha is about a scorer": ["--alpha", "1"],
        "--hot-words is about a scorer": ["--hot-words", "a:1"],
        "'a' is not of the form WORD:BOOST": ["--hot-words", "a"],
        "':3' is not of the form": ["--scorer", "x", "--hot-words", "b:1,:3"],
    }.items():
        assert main(["transcribe", "x.wav", "--model", str(bundled_ir()), *options]) == 2
        assert reason in capsys.readouterr().err
