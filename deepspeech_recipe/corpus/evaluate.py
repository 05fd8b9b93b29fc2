"""Error rates of an IR on a test set."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from deepspeech_recipe.corpus.engine import Log, outcomes
from deepspeech_recipe.corpus.listing import Recording
from deepspeech_recipe.corpus.outcome import Outcome, in_order
from deepspeech_recipe.corpus.transcribe import engine_for
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, one_line
from deepspeech_recipe.installation import needed
from deepspeech_recipe.ir.options import FULL_PRECISION, Precision, Weights
from deepspeech_recipe.runtime.recordings.clips import COLUMNS, Clip, read_clips


@dataclass(frozen=True)
class Score:
    """Error rates of a group of recordings, and how long they took.

    clips, words, letters: how many there were. wer, cer: wrong words and letters by those that were said, None if
    nothing was said. seconds: of audio. rtf: seconds of work for a second of audio.
    """

    clips: int
    words: int
    letters: int
    wer: float | None
    cer: float | None
    seconds: float
    rtf: float


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` counted: in total, by group, and the text of every recording.

    texts: {"file", "group", "transcript", "text"} of every clip. failed: why, of each clip that could not be
    recognised; they are not counted. plain: the total without case and punctuation if that alone makes errors, else
    None.
    """

    total: Score
    groups: dict[str, Score]
    texts: tuple[dict, ...]
    failed: tuple[str, ...] = ()
    plain: Score | None = None

    def as_dict(self) -> dict:
        """JSON values."""
        return asdict(self)


def evaluate(
    manifest: str | os.PathLike,
    model,
    *,
    device: str = "CPU",
    precision: Precision = FULL_PRECISION,
    decoder=None,
    alphabet: str | os.PathLike | None = None,
    weights: Weights | None = None,
    group: str | None = None,
    columns: tuple[str, str] = COLUMNS,
    normalise: bool = False,
    batch: int | None = None,
    cluster: str | None = None,
    log: Log | None = None,
    on_failure: Callable[[str], None] | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Evaluation:
    """Recognises every clip of a test set and counts errors, by jiwer.

    - manifest: a CSV or TSV file as DeepSpeech's training takes it, with the columns wav_filename (beside the
      manifest, or absolute), wav_filesize (unread) and transcript; or a folder of LibriSpeech, as it unpacks.
    - columns: names of those of the recording and of what is said in it.
    - model, precision, weights, batch, cluster: as for `transcribe_files`. decoder: as for `Recognizer`.
    - group: a column by which to count apart; by default `group`, if there is one.
    - normalise: compare without case and punctuation; else texts are compared as they are, except for white space.
    - log: gets a line for every clip that was converted to the model's sample rate or to mono.
    - on_failure: gets a line for every clip that cannot be recognised; the others are counted.
    - progress: gets the seconds of audio that are done, and of all.

    Raises RecipeError, for a test set without any word too, and if not one clip can be recognised.
    """
    clips = read_clips(manifest, group, columns)
    _jiwer()  # what is missing should be said before an hour of work
    recordings = [Recording(str(clip.path), PurePosixPath(clip.path.stem)) for clip in clips]
    engine, meter = engine_for(
        recordings, model, decoder, device, precision, alphabet, weights, batch, cluster, log, progress
    )
    found, failed, places = [], [], {str(clip.path): clip.place for clip in clips}

    def note_failure(outcome: Outcome) -> None:
        failed.append(one_line(f"{places[outcome.recording.name]}: {outcome.error}"))
        if on_failure:
            on_failure(failed[-1])

    worked = outcomes(recordings, engine, meter, on_failure=note_failure)
    with error_context(manifest):
        for clip, outcome in zip(clips, in_order(recordings, worked), strict=True):
            if not outcome.error:
                found.append(Heard(clip, outcome.result.text, outcome.seconds, outcome.work))
    if not found:
        raise RecipeError(f"{manifest}: not one of its {len(failed)} clips could be recognised.")
    names = sorted({each.clip.group for each in found} - {""})
    total = score(found, normalise)
    plain = None if normalise else score(found, True)
    return Evaluation(
        total,
        {name: score([each for each in found if each.clip.group == name], normalise) for name in names},
        tuple(
            {
                "file": str(each.clip.path),
                "group": each.clip.group,
                "transcript": each.clip.transcript,
                "text": each.text,
            }
            for each in found
        ),
        tuple(failed),
        plain if plain and plain.wer is not None and plain.wer < (total.wer or 0.0) else None,
    )


def _jiwer():
    return needed("Error rates need jiwer: pip install jiwer.", "jiwer")


@dataclass(frozen=True)
class Heard:
    """A clip, the text that was recognised, seconds of audio and of work."""

    clip: Clip
    text: str
    seconds: float
    work: float


def score(found: Sequence[Heard], normalise: bool = False) -> Score:
    """Counts the errors of recordings; normalise: without case and punctuation."""
    jiwer = _jiwer()
    said = [each.clip.transcript for each in found]
    heard = [" ".join(each.text.split()) for each in found]
    if normalise:
        plain = jiwer.Compose(
            [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip()]
        )
        said, heard = plain(said), plain(heard)
    words, letters = sum(len(text.split()) for text in said), sum(map(len, said))
    seconds, work = sum(each.seconds for each in found), sum(each.work for each in found)
    by_words = _errors(jiwer.process_words(said, heard)) / words if words else None
    by_letters = _errors(jiwer.process_characters(said, heard)) / letters if letters else None
    return Score(len(found), words, letters, by_words, by_letters, seconds, work / seconds if seconds else 0.0)


def _errors(measured) -> int:
    return measured.substitutions + measured.deletions + measured.insertions
