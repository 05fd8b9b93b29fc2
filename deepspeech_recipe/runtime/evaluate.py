"""Error rates of an IR on a test set."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings.audio_files import audio_blocks
from deepspeech_recipe.runtime.recordings.clips import read_clips


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

    texts: {"file", "group", "transcript", "text"} of every clip.
    """

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
    log: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Recognises every clip of a test set and counts errors, by jiwer.

    - manifest: a CSV file as DeepSpeech's training takes it, with the columns wav_filename (beside the manifest, or
      absolute), wav_filesize (unread) and transcript; or a folder of LibriSpeech, as it unpacks.
    - model: the path of an IR, or an ov.Model. decoder: as for `Recognizer`.
    - group: a column by which to count apart; by default `group`, if there is one.
    - log: gets a line for every clip that was converted to the model's sample rate or to mono.
    - progress: gets the number of clips that are done, and of all.

    Texts are compared as they are, except for white space. Raises RecipeError, for a test set without any word too.
    """
    clips = read_clips(manifest, group)
    _jiwer()  # what is missing should be said before an hour of work
    recognizer = Recognizer(model, decoder, device, alphabet=alphabet)
    found = []
    for clip in clips:
        begin = time.perf_counter()
        result = recognizer.transcribe_blocks(audio_blocks(clip.path, recognizer.sample_rate, log))
        found.append((clip, result.text, result.seconds, time.perf_counter() - begin))
        if progress:
            progress(len(found), len(clips))
    names = sorted({clip.group for clip in clips} - {""})
    groups = {name: _score([each for each in found if each[0].group == name]) for name in names}
    texts = [
        {"file": str(clip.path), "group": clip.group, "transcript": clip.transcript, "text": text}
        for clip, text, _, _ in found
    ]
    return Evaluation(_score(found), groups, tuple(texts))


def _jiwer():
    try:
        import jiwer
    except ImportError:
        raise RecipeError("Error rates need jiwer: pip install jiwer.") from None
    return jiwer


def _score(found: Sequence) -> Score:
    jiwer = _jiwer()
    said = [clip.transcript for clip, *_ in found]
    heard = [" ".join(text.split()) for _, text, *_ in found]
    words, letters = sum(len(text.split()) for text in said), sum(map(len, said))
    seconds, work = sum(each[2] for each in found), sum(each[3] for each in found)
    by_words = _errors(jiwer.process_words(said, heard)) / words if words else None
    by_letters = _errors(jiwer.process_characters(said, heard)) / letters if letters else None
    return Score(len(found), words, letters, by_words, by_letters, seconds, work / seconds if seconds else 0.0)


def _errors(measured) -> int:
    return measured.substitutions + measured.deletions + measured.insertions
