"""Recordings of a test set and what is said in them: a CSV manifest of DeepSpeech's form, or LibriSpeech as it is."""

import csv
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, reading

COLUMNS = ("wav_filename", "transcript")
_LONGEST_LINE = 2**17
_LIBRISPEECH_GROUPS = ("speaker", "chapter")


@dataclass(frozen=True)
class Clip:
    """A recording and what is said in it.

    place: where it stands in its list. transcript: with single spaces between words. group: '' if clips are not
    counted apart.
    """

    path: Path
    place: str
    transcript: str
    group: str


def read_clips(path: str | os.PathLike, group: str | None = None, columns: tuple[str, str] = COLUMNS) -> list[Clip]:
    """Clips of a CSV file, or of a folder in which LibriSpeech's `*.trans.txt` lie beside their recordings.

    columns: those of a recording's path and its transcript. Tabs may be in the place of commas.
    group: a column of the CSV, by default `group` if there is one; 'speaker' or 'chapter' of LibriSpeech.
    LibriSpeech's capitals become the small letters of DeepSpeech's alphabet, as its importer made them.
    Raises RecipeError if it is neither, or not one word is in it. That the recordings are there is looked at later.
    """
    path = Path(path)
    clips = list(_of_librispeech(path, group)) if os.path.isdir(path) else _of_csv(path, group, columns)
    if not any(clip.transcript for clip in clips):
        raise RecipeError(f"{path}: {len(clips)} clips without a single word prove nothing.")
    return clips


def _of_csv(path: Path, group: str | None, wanted: tuple[str, str]) -> list[Clip]:
    with error_context(path), reading(path), path.open(newline="", encoding="utf-8-sig") as file:
        try:
            lines = _lines(path, file)
            first = next(lines, "")
            tabs = "\t" in first and "," not in first
            rows = csv.DictReader(itertools.chain([first], lines), strict=True, delimiter="\t" if tabs else ",")
            columns = rows.fieldnames or []
            for name in (*wanted, *([group] if group else [])):
                if columns.count(name) != 1:
                    found = "has more than one column" if name in columns else "has no column"
                    raise RecipeError(f"{path}: {found} '{name}'. Its columns: {', '.join(columns) or 'none'}.")
            return [_clip_of_row(path, rows.line_num, row, wanted, group or "group") for row in rows]
        except csv.Error as error:
            raise RecipeError(f"{path}: is not a CSV file: line {rows.reader.line_num}: {error}.") from None
        except UnicodeDecodeError as error:
            raise _not_utf8(path, error) from None


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """With their ends. Raises RecipeError for one that no text has: a file may be a disk full of zeros."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if "\0" in line:
            raise RecipeError(f"{path}: is not a text in UTF-8: line {number} has the letter NUL.")
        if len(line) == _LONGEST_LINE:
            raise RecipeError(f"{path}: line {number} has {_LONGEST_LINE} letters or more.")
        yield line


def _not_utf8(path: Path, error: UnicodeDecodeError) -> RecipeError:
    return RecipeError(
        f"{path}: is not a text in UTF-8 ({error.reason}: {error.object[error.start]:#04x}). Convert it, with "
        "`iconv -f latin1 -t utf-8` if it is in Latin-1."
    )


def _clip_of_row(manifest: Path, line: int, row: dict, wanted: tuple[str, str], group: str) -> Clip:
    name, transcript = (row[column] for column in wanted)
    if None in row or not name or transcript is None:
        raise RecipeError(f"{manifest}: line {line} does not have the columns of the first line.")
    return Clip(manifest.parent / name, f"{manifest}: line {line}", " ".join(transcript.split()), row.get(group) or "")


def _of_librispeech(folder: Path, group: str | None) -> Iterator[Clip]:
    if group is not None and group not in _LIBRISPEECH_GROUPS:
        raise RecipeError(f"{folder}: clips of LibriSpeech are grouped by {' or '.join(_LIBRISPEECH_GROUPS)}.")
    lists = sorted(folder.rglob("*.trans.txt"))
    if not lists:
        raise RecipeError(f"{folder}: holds no *.trans.txt. Give a folder of LibriSpeech, or a CSV manifest.")
    for path in lists:
        with error_context(path), reading(path), path.open(encoding="utf-8-sig") as file:
            try:
                found = [_clip_of_line(path, *each, group) for each in enumerate(_lines(path, file), 1)]
            except UnicodeDecodeError as error:
                raise _not_utf8(path, error) from None
        yield from found


def _clip_of_line(transcripts: Path, number: int, line: str, group: str | None) -> Clip:
    """`speaker-chapter-number TEXT`"""
    name, *words = line.split() or [""]
    parts = name.split("-")
    if len(parts) != 3 or "/" in name or not words:
        raise RecipeError(f"{transcripts}: line {number} is not of the form SPEAKER-CHAPTER-NUMBER TEXT.")
    found = dict(zip(_LIBRISPEECH_GROUPS, (parts[0], "-".join(parts[:2])), strict=True)).get(group or "", "")
    return Clip(transcripts.parent / f"{name}.flac", f"{transcripts}: line {number}", " ".join(words).lower(), found)
