"""Text of recordings."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings.audio_files import audio_blocks, seconds_of
from deepspeech_recipe.runtime.result import Result


def transcribe(
    audio: str | os.PathLike | Sequence[str | os.PathLike],
    model,
    *,
    decoder=None,
    device: str = "CPU",
    alphabet: str | os.PathLike | None = None,
    log: Callable[[str], None] | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> list[Result]:
    """Recognises audio files (WAV, FLAC, OGG, MP3); returns a Result for every one, in their order.

    - model: the path of an IR, or an ov.Model.
    - decoder: greedy, or `runtime.Scorer("kenlm.scorer")`, which the command's --scorer stands for.
    - alphabet: an alphabet.txt, for an IR that has none in its metadata.
    - log: gets a line for every file that was converted to the model's sample rate or to mono.
    - progress: gets the seconds of audio that are done, and of all.

    To recognise samples, streams or batches, use `runtime.Recognizer`. Raises RecipeError.
    """
    recognizer = Recognizer(model, decoder, device, alphabet=alphabet)
    paths = [audio] if isinstance(audio, str | os.PathLike) else audio
    return list(transcribed(recognizer, paths, log, progress))


def transcribed(
    recognizer: Recognizer,
    paths: Sequence[str | os.PathLike],
    log: Callable[[str], None] | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Iterator[Result]:
    """Yields a Result for each file; the rest as in `transcribe`."""
    rate, done, total = recognizer.sample_rate, 0.0, sum(map(seconds_of, paths)) if progress else 0.0

    def counted(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        nonlocal done
        for block in blocks:
            yield block
            done += len(block) / rate
            if progress:
                progress(done, max(done, total))

    for path in paths:
        yield recognizer.transcribe_blocks(counted(audio_blocks(path, rate, log)))
