"""Several utterances in one call of an IR that takes whole ones, exact for each."""

from collections.abc import Iterator, Sequence

import numpy as np

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.names import LOGITS, SAMPLES
from deepspeech_recipe.runtime.inference.acoustic import scores
from deepspeech_recipe.runtime.inference.requests import Requests

_MOST_ROWS = 32
# Samples of one call, padding included: 4 minutes at 16 kHz.
_MOST_SAMPLES = 2**22


def through_samples(
    ir: AcousticIR, audio: AudioSettings, requests: Requests, utterances: Sequence[np.ndarray]
) -> Iterator[tuple[int, np.ndarray]]:
    """An IR with `samples` and `sample_lengths` → (number, probabilities `[n, classes]`) of each utterance."""
    assert ir.lengths is not None
    for numbers in _groups(utterances, ir.batch or _MOST_ROWS):
        lengths = np.array([len(utterances[number]) for number in numbers], np.int64)
        lengths = np.pad(lengths, (0, (ir.batch or len(numbers)) - len(numbers)))
        samples = np.zeros((len(lengths), max(lengths)), np.float32)
        for row, number in enumerate(numbers):
            samples[row, : lengths[row]] = utterances[number]
        feeds = ir.feeds({SAMPLES: samples, ir.lengths: lengths})
        found = requests.run(feeds, lambda request: scores(ir.view(request, LOGITS), ir))
        for row, number in enumerate(numbers):
            yield number, found[: client_frame_count(len(utterances[number]), audio), row]


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
