"""Error rates of an IR on a test set."""

import csv
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import naming, reading
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.audio_files import audio_blocks

_COLUMNS = ("wav_filename", "transcript")


@dataclass(frozen=True)
class Clip:
    """A row of a manifest. group: '' without such a column."""

    path: Path
    transcript: str
    group: str


@dataclass(frozen=True)
class Score:
    """wer, cer: errors by what was said, None where nothing was; rtf: seconds of work for a second of audio."""

    clips: int
    words: int
    letters: int
    wer: float | None
    cer: float | None
    seconds: float
    rtf: float


@dataclass(frozen=True)
class Evaluation:
    """total, and a Score for each group; texts: {"file", "group", "transcript", "text"} of each clip."""

    total: Score
    groups: dict[str, Score]
    texts: tuple[dict, ...]

    def as_dict(self) -> dict:
        """JSON values."""
        return asdict(self)


def evaluate(
    manifest: str | os.PathLike,
    model,
    *,
    device: str = "CPU",
    decoder=None,
    alphabet: str | os.PathLike | None = None,
    group: str | None = None,
    note: Callable[[str], None] | None = None,
) -> Evaluation:
    """Recognises every clip of a manifest and counts errors, by jiwer.

    manifest: a CSV file as DeepSpeech's training takes it: wav_filename (beside the manifest, or absolute),
    wav_filesize (unread), transcript. group: a column by which to count apart; by default `group`, where there is
    one. Texts are compared as they are, but for white space. Raises RecipeError, for a manifest without any word too.
    """
    clips = read_manifest(manifest, group)
    recognizer = Recognizer(model, decoder, device, alphabet=alphabet)
    found = []
    for clip in clips:
        begin = time.perf_counter()
        result = recognizer.transcribe_blocks(audio_blocks(clip.path, recognizer.sample_rate, note))
        found.append((clip, result.text, result.seconds, time.perf_counter() - begin))
    names = sorted({clip.group for clip in clips} - {""})
    groups = {name: _score([each for each in found if each[0].group == name]) for name in names}
    texts = [
        {"file": str(clip.path), "group": clip.group, "transcript": clip.transcript, "text": text}
        for clip, text, _, _ in found
    ]
    return Evaluation(_score(found), groups, tuple(texts))


def read_manifest(path: str | os.PathLike, group: str | None = None) -> list[Clip]:
    """Clips of a CSV file. Raises RecipeError where it is no such file, or not one word is in it."""
    path = Path(path)
    with naming(path), reading(path), path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = csv.DictReader(file, strict=True)
            columns = rows.fieldnames or []
            for name in (*_COLUMNS, *([group] if group else [])):
                if name not in columns:
                    raise RecipeError(f"{path}: has no column '{name}'. Its columns: {', '.join(columns) or 'none'}.")
            clips = [_clip(path, rows.line_num, row, group or "group") for row in rows]
        except (csv.Error, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: is no CSV file in UTF-8 ({error}).") from None
    if not any(clip.transcript for clip in clips):
        raise RecipeError(f"{path}: {len(clips)} clips without a single word prove nothing.")
    return clips


def _clip(manifest: Path, line: int, row: dict, group: str) -> Clip:
    name, transcript = (row[column] for column in _COLUMNS)
    if None in row or not name or transcript is None:
        raise RecipeError(f"{manifest}: line {line} does not have the columns of the first line.")
    path = manifest.parent / name
    if not path.is_file():
        raise RecipeError(f"{manifest}: line {line}: no such file: {path}.")
    return Clip(path, " ".join(transcript.split()), row.get(group) or "")


def _score(found: Sequence) -> Score:
    try:
        import jiwer
    except ImportError:
        raise RecipeError("Error rates need jiwer: pip install jiwer.") from None
    said = [clip.transcript for clip, *_ in found]
    heard = [" ".join(text.split()) for _, text, *_ in found]
    words, letters = sum(len(text.split()) for text in said), sum(map(len, said))
    seconds, work = sum(each[2] for each in found), sum(each[3] for each in found)
    by_words = _errors(jiwer.process_words(said, heard)) / words if words else None
    by_letters = _errors(jiwer.process_characters(said, heard)) / letters if letters else None
    return Score(len(found), words, letters, by_words, by_letters, seconds, work / seconds if seconds else 0.0)


def _errors(measured) -> int:
    return measured.substitutions + measured.deletions + measured.insertions
