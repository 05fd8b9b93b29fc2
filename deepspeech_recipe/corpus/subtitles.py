"""Subtitles of recognised words."""

from collections.abc import Iterable, Iterator

from deepspeech_recipe.runtime.result import Word

_LONGEST_LINE = 42  # characters, as is usual on television
_LONGEST_TIME = 6.0  # seconds
_PAUSE = 1.0


def cues(words: Iterable[Word]) -> Iterator[tuple[float, float, str]]:
    """(start, end, text) of lines of words that belong together: no pause in them, short enough to read."""
    line: list[Word] = []
    for word in words:
        text = " ".join(each.text for each in (*line, word))
        if line and (
            len(text) > _LONGEST_LINE or word.end - line[0].start > _LONGEST_TIME or word.start - line[-1].end > _PAUSE
        ):
            yield _cue(line)
            line = []
        line.append(word)
    if line:
        yield _cue(line)


def srt(words: Iterable[Word]) -> str:
    """A SubRip file."""
    blocks = [
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(cues(words), 1)
    ]
    return "\n".join(blocks)


def vtt(words: Iterable[Word]) -> str:
    """A WebVTT file."""
    lines = (f"{_time(start, '.')} --> {_time(end, '.')}\n{_escaped(text)}\n" for start, end, text in cues(words))
    return "\n".join(["WEBVTT\n", *lines])


def _cue(line: list[Word]) -> tuple[float, float, str]:
    return line[0].start, line[-1].end, " ".join(word.text for word in line)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"
