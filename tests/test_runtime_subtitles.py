"""Subtitles: their two formats, and where a line ends."""

from deepspeech_recipe.corpus.subtitles import cues, srt, vtt
from deepspeech_recipe.runtime.result import Word

WORDS = [Word("one", 0.5, 0.75, 1.0), Word("two", 0.9996, 1.2344, 1.0), Word("<three>", 3661.5, 3662.0, 1.0)]


def test_srt_has_numbers_times_and_texts():
    assert srt(WORDS) == ("1\n00:00:00,500 --> 00:00:01,234\none two\n\n2\n01:01:01,500 --> 01:01:02,000\n<three>\n")


def test_vtt_has_a_header_and_escaped_texts():
    assert vtt(WORDS) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.234\none two\n\n01:01:01.500 --> 01:01:02.000\n&lt;three&gt;\n"
    )


def test_silence_gives_empty_subtitles():
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"


def test_lines_are_short_in_letters_and_in_time():
    fast = [Word("abcdefghi", at / 10, at / 10 + 0.1, 1.0) for at in range(12)]
    assert [len(text) for _, _, text in cues(fast)] == [39, 39, 39]
    slow = [Word("a", at * 0.9, at * 0.9 + 0.8, 1.0) for at in range(20)]
    assert max(end - start for start, end, _ in cues(slow)) <= 6
    assert " ".join(text for _, _, text in cues(slow)) == " ".join("a" * 20)


def test_a_pause_ends_a_line():
    assert [text for _, _, text in cues([Word("a", 0, 1, 1.0), Word("b", 2, 3, 1.0), Word("c", 4.1, 5, 1.0)])] == [
        "a b",
        "c",
    ]


def test_a_word_longer_than_a_line():
    assert [text for _, _, text in cues([Word("a" * 50, 0, 1, 1.0), Word("b", 1, 2, 1.0)])] == ["a" * 50, "b"]
