"""From samples to the frames and context windows that DeepSpeech's client feeds its network.

Source: native_client/deepspeech.cc. At the end of an utterance the client zero-pads whatever it still holds of the
audio, nothing included, to one more window, and then adds n_context zero frames. The clients of v0.2 and v0.3 looked
every 10 ms whether a window was whole and used every second one, so the padded one comes only if it is such a one, or
the first.
"""

import numpy as np

from deepspeech_recipe.audio.lowering import frames_before, length
from deepspeech_recipe.ir.audio_settings import SpectrogramSettings
from deepspeech_recipe.ir.ov_api import i64


def client_frame_count(sample_count: int, settings: SpectrogramSettings) -> int:
    """Frames of an utterance of sample_count samples, at least 1."""
    return max(0, sample_count - settings.window_size + settings.look_stride) // settings.stride + 1


def client_frames(emit, samples, settings: SpectrogramSettings):
    """[rows, N] → [rows, client_frame_count(N), window_size]; N may be 0."""
    zeros = i64(0, max(settings.window_size, settings.stride))
    padded = emit("pad", samples, i64(0, 0), zeros, pad_mode="constant")
    behind = _not_below_zero(emit, length(emit, samples), settings.look_stride - settings.window_size)
    return frames_before(emit, padded, emit("add", behind, np.int64(1)), settings)


def client_frame_counts(emit, sample_counts, settings: SpectrogramSettings):
    """i64 [rows] → i64 [rows]: client_frame_count of each row."""
    return emit("add", _strides(emit, sample_counts, settings.look_stride, settings), np.int64(1))


def last_frame_counts(emit, sample_counts, settings: SpectrogramSettings):
    """As client_frame_counts, of what is left of an utterance of which frames have been computed: 0 is possible."""
    return _strides(emit, sample_counts, settings.look_stride + settings.stride, settings)


def whole_frame_counts(emit, sample_counts, settings: SpectrogramSettings):
    """i64 sample counts → i64 of the same shape: the windows that lie in them, nothing padded."""
    return _strides(emit, sample_counts, settings.stride, settings)


def _strides(emit, sample_counts, more: int, settings: SpectrogramSettings):
    return emit("divide", _not_below_zero(emit, sample_counts, more - settings.window_size), np.int64(settings.stride))


def context_windows(emit, mfccs, n_context: int):
    """[rows, frames, coefficients] → [rows, frames, 2·n_context + 1, coefficients], zeros beyond both ends."""
    beside = i64(0, n_context, 0)
    padded = emit("pad", mfccs, beside, beside, pad_mode="constant")
    return windows_before(emit, padded, length(emit, mfccs), n_context)


def windows_before(emit, frames, end, n_context: int):
    """[rows, F, coefficients] → [rows, end, 2·n_context + 1, coefficients]: one window at every frame before end.

    end is a scalar, at most F − 2·n_context.
    """
    starts = emit("range", np.int64(0), end, np.int64(1), output_type="i64")
    indices = emit("add", emit("unsqueeze", starts, i64(1)), np.arange(2 * n_context + 1, dtype=np.int64)[None])
    return emit("gather", frames, indices, np.int64(1))


def zero_beyond(emit, values, counts):
    """[rows, N, …] with zeros from counts (i64 [rows]) on in each row."""
    position = emit("range", np.int64(0), length(emit, values), np.int64(1), output_type="i64")
    inside = emit("less", emit("unsqueeze", position, i64(0)), emit("unsqueeze", counts, i64(1)))
    for axis in range(2, len(values.get_partial_shape())):
        inside = emit("unsqueeze", inside, i64(axis))
    return emit("select", inside, values, np.float32(0))


def _not_below_zero(emit, sample_count, more: int):
    """sample_count + more, at least 0."""
    # An integer Divide truncates, so its first operand must not be negative.
    return emit("maximum", emit("add", sample_count, np.int64(more)), np.int64(0))
