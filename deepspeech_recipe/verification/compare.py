"""Runs both models over the same audio, in the form that the IR takes."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import SAMPLES, WINDOWS, find_input, find_output
from deepspeech_recipe.ir.runner import compile_model
from deepspeech_recipe.verification.acoustic import Run, run_original
from deepspeech_recipe.verification.checks import Comparison, largest
from deepspeech_recipe.verification.converted import Converted, chunk_plan
from deepspeech_recipe.verification.original import Original
from deepspeech_recipe.verification.recordings import (
    Recording,
    built_in_recordings,
    flushed,
    frame_count,
    random_features,
    read_recording,
    windows_of,
)
from deepspeech_recipe.verification.report import Check

# Block sizes of a stream: none, single samples, less and more than a window, a second.
BLOCKS = (0, 1, 700, 3, 320, 5000, 0, 16000)
_RANDOM_WINDOWS = 100


def recordings_for(original: Original, ir: Converted, audio) -> list[Recording]:
    """The files given, or what is built in; none for a graph without a feature part.

    A graph without state begins every call anew: of utterances that the IR takes whole, one call's part is taken.

    Raises RecipeError if files are given for such a graph.
    """
    if original.audio is None:
        if audio:
            raise RecipeError(
                f"{original.source.path}: has no feature part (v0.4 and older), so recordings cannot be compared. "
                "Leave --audio out: random features are used"
            )
        return []
    rate, window, stride = original.audio
    found = [read_recording(path, rate) for path in audio] if audio else built_in_recordings(rate)
    if ir.input_kind != "windows" and not original.has_state and original.steps:
        count = window + (original.steps - 2) * stride
        found = [Recording(each.name, each.samples[len(each.samples) // 3 :][: max(0, count)]) for each in found]
    return found


def compare(original: Original, reference, ir: Converted, recordings: list[Recording], *, given: bool):
    """Yields a Comparison for each recording. given: the user named them, so random features are left out."""
    if ir.input_kind != "windows":
        for recording in recordings:
            yield _from_samples(original, reference, ir, recording)
        return
    for recording in recordings:
        mfccs = reference.features(flushed(recording.samples, *original.framing))
        yield _from_windows(original, reference, ir, recording.name, windows_of(mfccs, original.window_frames))
    if not given:
        features = random_features(_RANDOM_WINDOWS, original.n_input)
        windows = windows_of(features, original.window_frames)
        yield _from_windows(original, reference, ir, "random features", windows)


def compare_features(original: Original, reference, model, recordings: list[Recording], limit: float) -> Check:
    """Windows of whole utterances, in units of the largest feature. model: the ov.Model of the features."""
    if original.audio is None:
        raise RecipeError(f"{original.source.path}: has no feature part, but the IR comes with a feature model.")
    samples, windows = find_input(model, SAMPLES), find_output(model, WINDOWS)
    if samples is None or windows is None:
        raise RecipeError("The feature model has no input 'samples' or no output 'input_node'. Convert it again.")
    compiled = compile_model(model, "CPU", "The feature model")
    worst = scale = 0.0
    for recording in recordings:
        padded = flushed(recording.samples, *original.framing)
        expected = windows_of(reference.features(padded), original.window_frames)
        found = compiled({samples.get_any_name(): recording.samples[None]})[windows.get_any_name()][0]
        scale = max(scale, float(np.abs(expected).max()))
        if found.shape != expected.shape:
            detail = f"{recording.name}: {len(found)} windows instead of {len(expected)}"
            return Check("features", False, abs(len(found) - len(expected)), limit, detail)
        worst = max(worst, float(largest(found, expected)))
    return Check("features", worst / scale <= limit, worst / scale, limit, f"in units of {scale:.3g}")


def _from_windows(original: Original, reference, ir: Converted, name: str, windows: np.ndarray) -> Comparison:
    count = len(windows)
    chunks = chunk_plan(original, ir, count)
    windows = np.pad(windows, [(0, sum(chunks) - count), (0, 0), (0, 0)])
    # Every row of a batch begins elsewhere in the recording.
    rows = np.stack([np.roll(windows, -7 * row, axis=0) for row in range(_rows(original, ir))])
    lengths = _chunk_lengths(chunks, len(rows)) if ir.lengths and original.lengths is not None else None
    expected = run_original(original, reference, rows, chunks, lengths)
    found = ir.run(rows, chunks, lengths, reference.start())
    if lengths is None:
        valid = np.arange(sum(chunks))[:, None] < np.full(len(rows), count)
    else:
        valid = np.concatenate([np.arange(size)[:, None] < each for size, each in zip(chunks, lengths, strict=True)])
    return Comparison(name, chunks, expected, found, valid)


def _rows(original: Original, ir: Converted) -> int:
    return ir.batch or max(2, original.batch or 2)


def _chunk_lengths(chunks, rows: int) -> np.ndarray:
    """`[chunks, rows]`: whole chunks and, in every second one, all, half, nothing and a single window by turns."""
    lengths = np.repeat(np.array(chunks)[:, None], rows, 1)
    for number in range(1, len(chunks), 2):
        size = chunks[number]
        turns = (size, size // 2, 0, min(1, size))
        lengths[number] = [turns[(row + number // 2) % 4] for row in range(rows)]
    return lengths


def _from_samples(original: Original, reference, ir: Converted, recording: Recording) -> Comparison:
    window, stride = original.framing
    samples = recording.samples
    count = _rows(original, ir)
    rows = np.stack([np.roll(samples, -7 * stride * row) for row in range(1 if ir.input_kind == "stream" else count)])
    lengths = np.full(len(rows), len(samples))
    if ir.lengths:
        lengths = np.array([(len(samples), len(samples) // 2, window - 1, 0)[row % 4] for row in range(len(rows))])
    expected = [_utterance(original, reference, row[:length]) for row, length in zip(rows, lengths, strict=True)]
    frames = np.array([len(each) for each in expected])
    found = ir.run_stream(samples, BLOCKS) if ir.input_kind == "stream" else ir.run_samples(rows, lengths)
    needed = frame_count(len(samples), window, stride)
    if len(found) != needed:
        raise FrameCount(recording.name, len(found), needed)
    padded = np.stack([np.pad(each, [(0, needed - len(each)), (0, 0)]) for each in expected], 1)
    chunks = _even(needed, original.steps or 16)
    valid = np.arange(needed)[:, None] < frames
    return Comparison(recording.name, chunks, Run(padded, None, None), Run(found, None, None), valid)


class FrameCount(Exception):
    """Raised if the IR does not return as many windows as an utterance has."""

    def __init__(self, name: str, found: int, expected: int):
        super().__init__(f"{name}: the IR returns {found} windows, the original {expected}")
        self.found, self.expected = found, expected


def _utterance(original: Original, reference, samples: np.ndarray) -> np.ndarray:
    """Probabilities `[N, classes]` of a whole utterance, as DeepSpeech's client runs it."""
    mfccs = reference.features(flushed(samples, *original.framing))
    windows = windows_of(mfccs, original.window_frames)
    chunks = _even(len(windows), original.steps or 16)
    padded = windows
    if original.lengths is None and original.steps:
        chunks = [original.steps] * len(chunks)
        padded = np.pad(windows, [(0, sum(chunks) - len(windows)), (0, 0), (0, 0)])
    return run_original(original, reference, padded[None], chunks).probabilities[: len(windows), 0]


def _even(count: int, size: int) -> list[int]:
    return [min(size, count - at) for at in range(0, count, size)]
