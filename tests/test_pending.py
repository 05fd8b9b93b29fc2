"""Samples between arriving and being taken: the windows are those of the whole signal, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from deepspeech_recipe.ir.audio_settings import SpectrogramSettings
from deepspeech_recipe.runtime.inference.mfcc_frames import SampleBuffer

# Overlapping windows, windows side by side, and gaps between them.
SIZES = [(7, 3), (5, 5), (4, 9), (1, 6)]


def windows(samples, size: int, stride: int) -> list[list[float]]:
    return [samples[at : at + size].tolist() for at in range(0, len(samples) - size + 1, stride)]


@settings(max_examples=200, deadline=None)
@given(
    sizes=strategies.sampled_from(SIZES),
    blocks=strategies.lists(strategies.tuples(strategies.integers(0, 30), strategies.integers(1, 4)), max_size=12),
)
def test_windows_are_those_of_the_whole_signal(sizes, blocks):
    """blocks: how many samples come, and how many windows are taken at most each time."""
    size, stride = sizes
    samples = np.arange(sum(count for count, _ in blocks), dtype=np.float32)
    pending, found, at = SampleBuffer(SpectrogramSettings(window_size=size, stride=stride)), [], 0
    for count, most in blocks:
        block = samples[at : at + count].copy()
        pending.add(block)
        block[:] = -1  # the caller's to write to
        at += count
        while frames := min(pending.frames, most):
            found += windows(pending.take(frames), size, stride)
    assert found == windows(samples, size, stride)
    begun = samples[len(found) * stride :]
    assert pending.rest().tolist() == begun.tolist()
    # The next utterance begins at its first sample, also where this one ended in a gap.
    pending.add(samples[:size])
    assert pending.rest().tolist() == samples[:size].tolist()


@pytest.mark.parametrize("sizes", SIZES)
def test_an_utterance_may_be_dropped_anywhere(sizes):
    size, stride = sizes
    samples = np.arange(3 * stride + size, dtype=np.float32)
    for count in range(len(samples)):
        pending = SampleBuffer(SpectrogramSettings(window_size=size, stride=stride))
        pending.add(samples[:count])
        if pending.frames:
            pending.take(pending.frames)
        pending.clear()
        pending.add(samples)
        assert windows(pending.take(pending.frames), size, stride) == windows(samples, size, stride)
