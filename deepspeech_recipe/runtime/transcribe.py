"""Text of recordings."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings.audio_files import audio_blocks
from deepspeech_recipe.runtime.result import Result


def transcribe(
    audio: str | os.PathLike | Sequence[str | os.PathLike],
    model,
    *,
    decoder=None,
    device: str = "CPU",
    alphabet: str | os.PathLike | None = None,
    note: Callable[[str], None] | None = None,
) -> list[Result]:
    """A Result for each audio file (WAV, FLAC, OGG), in their order. model: path of an IR, or an ov.Model.

    decoder: greedy, or `runtime.decoders.lm.Scorer("kenlm.scorer")`, which the command's --scorer stands for.
    note: gets a line where the audio was converted to the model's sample rate or to mono. To recognise samples,
    streams or batches, use `runtime.Recognizer`. Raises RecipeError.
    """
    recognizer = Recognizer(model, decoder, device, alphabet=alphabet)
    paths = [audio] if isinstance(audio, str | os.PathLike) else audio
    return list(transcribed(recognizer, paths, note))


def transcribed(
    recognizer: Recognizer,
    paths: Iterable,
    note: Callable[[str], None] | None = None,
    heard: Callable[[float], None] | None = None,
) -> Iterator[Result]:
    """Yields a Result for each file. heard: gets the seconds of audio since its last call."""
    for path in paths:
        blocks = audio_blocks(path, recognizer.sample_rate, note)
        yield recognizer.transcribe_blocks(_counted(blocks, recognizer.sample_rate, heard) if heard else blocks)


def _counted(blocks: Iterable, sample_rate: int, heard: Callable[[float], None]) -> Iterator:
    for block in blocks:
        yield block
        heard(len(block) / sample_rate)
