"""Recordings of a test set and what is said in them: a CSV manifest of DeepSpeech's form, or LibriSpeech as it is."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import naming, reading

_COLUMNS = ("wav_filename", "transcript")
_LIBRISPEECH_GROUPS = ("speaker", "chapter")


@dataclass(frozen=True)
class Clip:
    """transcript: with single spaces between words. group: '' where clips are not counted apart."""

    path: Path
    transcript: str
    group: str


def read_clips(path: str | os.PathLike, group: str | None = None) -> list[Clip]:
    """Clips of a CSV file, or of a folder in which LibriSpeech's `*.trans.txt` lie beside their recordings.

    group: a column of the CSV, by default `group` where there is one; 'speaker' or 'chapter' of LibriSpeech.
    LibriSpeech's capitals become the small letters of DeepSpeech's alphabet, as its importer made them.
    Raises RecipeError where it is neither, a recording is missing, or not one word is in it.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):  # /dev/zero never ends
        raise RecipeError(f"{path}: is neither a file nor a folder. Give a CSV manifest, or a folder of LibriSpeech.")
    clips = list(_of_librispeech(path, group)) if path.is_dir() else _of_csv(path, group)
    if not any(clip.transcript for clip in clips):
        raise RecipeError(f"{path}: {len(clips)} clips without a single word prove nothing.")
    return clips


def _of_csv(path: Path, group: str | None) -> list[Clip]:
    with naming(path), reading(path), path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = csv.DictReader(file, strict=True)
            columns = rows.fieldnames or []
            for name in (*_COLUMNS, *([group] if group else [])):
                if name not in columns:
                    raise RecipeError(f"{path}: has no column '{name}'. Its columns: {', '.join(columns) or 'none'}.")
            return [_clip_of_row(path, rows.line_num, row, group or "group") for row in rows]
        except (csv.Error, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: is no CSV file in UTF-8 ({error}).") from None


def _clip_of_row(manifest: Path, line: int, row: dict, group: str) -> Clip:
    name, transcript = (row[column] for column in _COLUMNS)
    if None in row or not name or transcript is None:
        raise RecipeError(f"{manifest}: line {line} does not have the columns of the first line.")
    return Clip(_existing(manifest, line, name), " ".join(transcript.split()), row.get(group) or "")


def _of_librispeech(folder: Path, group: str | None) -> Iterator[Clip]:
    if group is not None and group not in _LIBRISPEECH_GROUPS:
        raise RecipeError(f"{folder}: clips of LibriSpeech are grouped by {' or '.join(_LIBRISPEECH_GROUPS)}.")
    lists = sorted(path for path in folder.rglob("*.trans.txt") if path.is_file())
    if not lists:
        raise RecipeError(f"{folder}: holds no *.trans.txt. Give a folder of LibriSpeech, or a CSV manifest.")
    for path in lists:
        with naming(path), reading(path):
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except UnicodeDecodeError:
                raise RecipeError(f"{path}: is no text in UTF-8.") from None
        for number, line in enumerate(lines, 1):
            with naming(path):
                clip = _clip_of_line(path, number, line, group)
            yield clip


def _clip_of_line(transcripts: Path, number: int, line: str, group: str | None) -> Clip:
    """`speaker-chapter-number TEXT`"""
    name, *words = line.split() or [""]
    parts = name.split("-")
    if len(parts) != 3 or "/" in name or not words:
        raise RecipeError(f"{transcripts}: line {number} is not of the form SPEAKER-CHAPTER-NUMBER TEXT.")
    found = dict(zip(_LIBRISPEECH_GROUPS, (parts[0], "-".join(parts[:2])), strict=True)).get(group, "")
    return Clip(_existing(transcripts, number, f"{name}.flac"), " ".join(words).lower(), found)


def _existing(manifest: Path, line: int, name: str) -> Path:
    path = manifest.parent / name
    try:
        found = path.is_file()
    except OSError:  # of a name that is too long
        found = False
    if not found:
        raise RecipeError(f"{manifest}: line {line}: no such file: {path}.")
    return path
