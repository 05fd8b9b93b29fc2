"""Several utterances in one batch, exact for each."""

from collections.abc import Iterator, Sequence

import numpy as np

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.names import LOGITS, SAMPLES
from deepspeech_recipe.runtime.inference.acoustic import scores, whole_calls
from deepspeech_recipe.runtime.inference.requests import Requests
from deepspeech_recipe.runtime.inference.windows import context_windows

_MOST_ROWS = 32
_CALL_FRAMES = 16
# Samples of one call, padding included: 4 minutes at 16 kHz.
_MOST_SAMPLES = 2**22


def rows_at_once(ir: AcousticIR) -> int:
    """How many utterances one call may take."""
    if ir.input_kind == "utterance" and not ir.lengths:
        return 1
    return ir.batch or _MOST_ROWS


def through_samples(
    ir: AcousticIR, audio: AudioSettings, requests: Requests, utterances: Sequence[np.ndarray], rows: int
) -> Iterator:
    """An IR with `samples` and `sample_lengths` → (number, [frames `[n, classes]`]) of each utterance, in one piece."""
    assert ir.lengths is not None  # else rows_at_once is 1
    for numbers in _groups(utterances, rows):
        lengths = np.array([len(utterances[number]) for number in numbers], np.int64)
        lengths = np.pad(lengths, (0, (ir.batch or len(numbers)) - len(numbers)))
        samples = np.zeros((len(lengths), max(lengths)), np.float32)
        for row, number in enumerate(numbers):
            samples[row, : lengths[row]] = utterances[number]
        feeds = ir.feeds({SAMPLES: samples, ir.lengths: lengths})
        found = requests.run(feeds, lambda request: scores(ir.view(request, LOGITS), ir))
        for row, number in enumerate(numbers):
            yield number, [found[: client_frame_count(len(utterances[number]), audio), row]]


def through_windows(recognizer, ir: AcousticIR, utterances: Sequence[np.ndarray], rows: int) -> Iterator:
    """Runs several utterances, in chunks, through an IR that takes windows; yields what `through_samples` yields.

    The LSTM runs forward, so what pads a short row changes nothing before.
    """
    n_context = recognizer.metadata["n_context"]
    source = recognizer.mfcc_frames(1)
    for numbers in _groups(utterances, rows):
        mfccs = []
        for number in numbers:
            source.reset()
            mfccs.append(np.concatenate([*source.feed(utterances[number]), source.finish()]))
        longest = max(map(len, mfccs))
        beside = [(n_context, n_context + longest - len(each)) for each in mfccs]
        padded = [np.pad(each, [pad, (0, 0)]) for each, pad in zip(mfccs, beside, strict=True)]
        model = recognizer.chunked_model(len(numbers))
        found, step = [], whole_calls(ir, _CALL_FRAMES)
        for at in range(0, longest, step):
            parts = [context_windows(each[at : at + step + 2 * n_context], n_context) for each in padded]
            found.append(model.run(np.stack(parts)))
        together = np.concatenate(found)
        for row, number in enumerate(numbers):
            yield number, [together[: len(mfccs[row]), row]]


def _groups(utterances: Sequence[np.ndarray], rows: int) -> Iterator[list[int]]:
    """Numbers of utterances of like length: little padding, and no call too large."""
    group: list[int] = []
    for number in sorted(range(len(utterances)), key=lambda number: len(utterances[number])):
        if group and (len(group) == rows or (len(group) + 1) * len(utterances[number]) > _MOST_SAMPLES):
            yield group
            group = []
        group.append(number)
    if group:
        yield group
