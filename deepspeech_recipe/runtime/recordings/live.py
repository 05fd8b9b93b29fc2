"""Audio as it comes: a file at the pace of its clock, or a microphone."""

import queue
import time
from collections.abc import Iterable, Iterator

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.installation import needed

_BLOCK_SECONDS = 0.1


def at_real_time(blocks: Iterable[np.ndarray], sample_rate: int, pace: float = 1.0) -> Iterator[np.ndarray]:
    """The same samples in small blocks, each handed out when its time has come. pace: how many times faster."""
    size = max(1, round(_BLOCK_SECONDS * sample_rate))
    begin, count = time.monotonic(), 0
    for block in blocks:
        for at in range(0, len(block), size):
            part = block[at : at + size]
            count += len(part)
            time.sleep(max(0.0, begin + count / sample_rate / pace - time.monotonic()))
            yield part


def microphone(sample_rate: int) -> Iterator[np.ndarray]:
    """Blocks of the default input device, int16, without end. Raises RecipeError if there is none."""
    try:
        sounddevice = needed("The microphone needs sounddevice: pip install sounddevice.", "sounddevice")
    except OSError as error:
        raise RecipeError(f"The microphone needs the PortAudio library ({error}).") from None
    blocks: queue.Queue = queue.Queue()

    def heard(data, frames, when, status):
        blocks.put(data[:, 0].copy())

    size = round(_BLOCK_SECONDS * sample_rate)
    try:
        with sounddevice.InputStream(sample_rate, size, channels=1, dtype="int16", callback=heard):
            while True:
                yield blocks.get()
    except sounddevice.PortAudioError as error:
        raise RecipeError(f"No microphone can be opened ({error}).") from None
