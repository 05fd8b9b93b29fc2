"""Text of recordings."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from deepspeech_recipe.conversion.model_cache import ir_of
from deepspeech_recipe.corpus.engine import Log, Meter, ThisProcess, outcomes, recognition
from deepspeech_recipe.corpus.listing import list_recordings, with_outputs
from deepspeech_recipe.corpus.outcome import Outcome, failed, in_order
from deepspeech_recipe.corpus.outputs import Outputs
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.find import find_ir
from deepspeech_recipe.ir.options import FULL_PRECISION, Precision, Weights
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.batching.rows import ROWS
from deepspeech_recipe.runtime.result import Result

Audio = str | os.PathLike | Sequence[str | os.PathLike]


def transcribe(
    audio: Audio,
    model,
    *,
    decoder=None,
    device: str = "CPU",
    precision: Precision = FULL_PRECISION,
    alphabet: str | os.PathLike | None = None,
    weights: Weights | None = None,
    recursive: bool = False,
    raw: int | None = None,
    batch: int | None = None,
    cluster: str | None = None,
    log: Log | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> list[Result]:
    """Recognises recordings; returns a Result for every one, in their order.

    The arguments are those of `transcribe_files`. To recognise samples or streams, use `runtime.Recognizer`.
    Raises RecipeError, for the first recording that cannot be recognised too.
    """
    names = [audio] if isinstance(audio, str | os.PathLike) else audio
    recordings = list_recordings(names, recursive=recursive, raw=raw, log=log)
    engine, meter = engine_for(
        recordings, model, decoder, device, precision, alphabet, weights, batch, cluster, log, progress
    )
    return [result_of(each) for each in in_order(recordings, outcomes(recordings, engine, meter))]


def result_of(outcome: Outcome) -> Result:
    """Its result. Raises RecipeError if it failed."""
    if outcome.error:
        raise RecipeError(outcome.error)
    return outcome.result


def transcribe_files(
    audio: Audio,
    model,
    *,
    output: str | os.PathLike | None = None,
    formats: Sequence[str] = ("txt",),
    resume: bool = False,
    decoder=None,
    device: str = "CPU",
    precision: Precision = FULL_PRECISION,
    alphabet: str | os.PathLike | None = None,
    weights: Weights | None = None,
    recursive: bool = False,
    raw: int | None = None,
    batch: int | None = None,
    cluster: str | None = None,
    ordered: bool = False,
    on_failure: Callable[[Outcome], None] | None = None,
    log: Log | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Iterator[Outcome]:
    """Recognises recordings of all kinds; yields an Outcome for every one as it is done, also of those that fail.

    - audio: files (WAV, FLAC, OGG, Opus, MP3), folders, patterns as `talks/*.mp3`, '-' for standard input, addresses
      that fsspec opens; or several of them.
    - model: an IR or a folder with one, an ov.Model, or a model file of any kind (`conversion.model_cache`).
    - output: a folder for files of these formats (txt, srt, vtt, json), one for each recording, in folders as theirs.
      resume: leave out what is there already, newer than the recording and the model.
    - decoder: greedy, or `runtime.Scorer("kenlm.scorer")`, which the command's --scorer stands for.
    - precision: as `Recognizer` has it.
    - alphabet: an alphabet.txt, for a model that has none. weights: 'fp32', 'fp16' or 'int8', for a model file.
    - recursive: the folders in folders too. raw: the recordings are bare 16-bit samples of that rate (Hz), mono.
    - batch: that many recordings side by side; None: 16, on a cluster 8.
    - cluster: the address of a Ray cluster, or 'local' for one on this machine.
    - ordered: yield them in the order of the recordings, not as they are done. on_failure: gets what fails at once.
    - log: gets a line for every recording that was converted to the model's sample rate or to mono.
    - progress: gets the seconds of audio that are done, and of all.

    Raises RecipeError if nothing can be begun: the model, an option, all recordings.
    """
    names = [audio] if isinstance(audio, str | os.PathLike) else audio
    if output is None and resume:
        raise RecipeError("--resume goes on with the files of a folder: give it with -o.")
    source = (find_ir(model) or Path(model)) if isinstance(model, str | os.PathLike) else None
    files = None if output is None else Outputs(output, formats, source)
    recordings = list_recordings(names, recursive=recursive, raw=raw, log=log)
    recordings = recordings if files is None else with_outputs(recordings)
    engine, meter = engine_for(
        recordings, model, decoder, device, precision, alphabet, weights, batch, cluster, log, progress
    )
    skip = files.there if files and resume else None
    found = outcomes(recordings, engine, meter, skip=skip, on_failure=on_failure)
    for outcome in in_order(recordings, found) if ordered else found:
        if files and outcome.result is not None:
            try:
                files.write(outcome.recording, outcome.result)
            except (RecipeError, OSError) as error:
                outcome = failed(outcome.recording, error)
                if on_failure:
                    on_failure(outcome)
        yield outcome


def engine_for(
    recordings, model, decoder, device, precision, alphabet, weights, batch, cluster, log, progress
) -> tuple[ThisProcess, Meter]:
    """What recognises that many recordings, here or on a cluster, and what counts the audio. Raises RecipeError."""
    if batch is not None and batch < 1:
        raise RecipeError(f"A batch of {batch} recordings is not possible.")
    meter, ir = Meter(progress), ir_of(model, weights=weights, alphabet=alphabet, log=log)
    recognizer = Recognizer(ir, decoder, device, alphabet=alphabet, precision=precision)
    rows = min(batch or ROWS, len(recordings))
    recognizer.transcribe_batch([np.zeros(0)] * min(rows, 2))  # what is wrong is said before the work
    if cluster is not None:
        from deepspeech_recipe.corpus.cluster import Cluster

        return Cluster(cluster, ir, decoder, device, precision, alphabet, batch, log, meter), meter
    return ThisProcess(recognition(recognizer, rows, log, meter.add), rows), meter
