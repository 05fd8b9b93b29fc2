"""Runs both models over the same audio, in the form that the IR takes."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import SAMPLES, WINDOWS, find_input, find_output
from deepspeech_recipe.ir.runner import compile_model, errors_of
from deepspeech_recipe.verification.acoustic import Run, run_original, side_by_side
from deepspeech_recipe.verification.converted import Converted
from deepspeech_recipe.verification.original import Original
from deepspeech_recipe.verification.recordings import (
    Recording,
    at_edges_of_frames,
    built_in_recordings,
    random_features,
    read_recording,
    windows_of,
)

# Block sizes of a stream: none, single samples, less and more than a window, a second. Two that give rows follow each
# other directly: states that every call exchanges are back in place after a call without rows.
BLOCKS = (0, 1, 700, 3, 320, 5000, 2900, 0, 16000)
_RANDOM_WINDOWS = 100


def recordings_for(original: Original, ir: Converted, audio) -> list[Recording]:
    """The files given, or what is built in; none for a graph without a feature part.

    A graph without state begins every call anew: of utterances that the IR takes whole, one call's part is taken.

    Raises RecipeError if files are given for such a graph.
    """
    if original.sample_rate is None:
        if audio:
            raise RecipeError(
                f"{original.source.path}: has no feature part, and its client's features are not known, so recordings "
                "cannot be compared. Leave --audio out: random features are used"
            )
        return []
    rate, framing = original.sample_rate, original.framing
    if audio:
        found = [read_recording(path, rate) for path in audio]
    else:
        found = at_edges_of_frames(built_in_recordings(rate), framing)
    if ir.input_kind != "windows" and not original.has_state and original.steps:
        count = framing.window_size + (original.steps - 2) * framing.stride
        found = [Recording(each.name, each.samples[len(each.samples) // 3 :][: max(0, count)]) for each in found]
    return found


@dataclass(frozen=True, eq=False)
class Comparison:
    """What both models returned for one recording.

    chunks: sizes; valid `[N, B]`: the windows that count. found: by way of running the IR, the first one is compared
    with the original.
    """

    name: str
    chunks: Sequence[int]
    expected: Run
    runs: Mapping[str, Run]
    valid: np.ndarray

    @property
    def found(self) -> Run:
        return next(iter(self.runs.values()))

    @property
    def rows(self) -> tuple[int, int]:
        """How many windows the IR returned and the original, which should be the same."""
        return len(self.found.probabilities), len(self.expected.probabilities)

    def errors(self, way: str | None = None) -> np.ndarray:
        """`[N, B]`: the largest difference of a window's probabilities. way: from what the IR gives so, not from the
        original."""
        other = self.expected if way is None else self.runs[way]
        return np.where(self.valid, largest(self.found.probabilities, other.probabilities, -1), 0.0)


def largest(found: np.ndarray, expected: np.ndarray, axes=None) -> np.ndarray:
    """The largest absolute difference along axes; infinite if either is not a number."""
    with np.errstate(invalid="ignore"):  # infinity − infinity
        return np.nan_to_num(np.abs(found - expected), nan=np.inf, posinf=np.inf).max(axes)


def compare(original: Original, reference, ir: Converted, recordings: list[Recording], *, given: bool):
    """Yields a Comparison for each recording. given: the user named them, so random features are left out."""
    if ir.input_kind != "windows":
        for recording in recordings:
            yield _from_samples(original, reference, ir, recording)
        return
    for recording in recordings:
        mfccs = reference.utterance(recording.samples)
        yield _from_windows(original, reference, ir, recording.name, windows_of(mfccs, original.window_frames))
    if not given:
        features = random_features(_RANDOM_WINDOWS, original.n_input)
        windows = windows_of(features, original.window_frames)
        yield _from_windows(original, reference, ir, "random features", windows)


def compare_features(
    original: Original, reference, model, recordings: list[Recording]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields (recording, windows `[N, window, n_input]` of the original, the same of the ov.Model of the features)."""
    if original.sample_rate is None:
        raise RecipeError(f"{original.source.path}: has no feature part, but the IR comes with a feature model.")
    samples, windows = find_input(model, SAMPLES), find_output(model, WINDOWS)
    if samples is None or windows is None:
        raise RecipeError("The feature model has no input 'samples' or no output 'input_node'. Convert it again.")
    compiled = compile_model(model, "CPU", "The feature model")
    for recording in recordings:
        expected = windows_of(reference.utterance(recording.samples), original.window_frames)
        with errors_of("The feature model"):
            found = compiled({samples.get_any_name(): recording.samples[None]})[windows.get_any_name()][0]
        yield recording.name, expected, found


def chunk_plan(original: Original, ir: Converted, windows: int) -> list[int]:
    """Sizes of the chunks after which both are compared; they add up to `windows` or, where T is fixed, a little
    more. A dynamic T gets chunks of different sizes."""
    steps = original.steps or 16
    any_size = original.steps is None or original.lengths is not None
    if ir.steps is not None:
        size = ir.steps if any_size else math.lcm(ir.steps, steps)
        return [size] * -(-windows // size)
    if not any_size or not original.has_state:
        return [steps] * -(-windows // steps)
    chunks: list[int] = []
    left = windows
    while left:
        chunks.append(min(left, (steps, 1, steps + 5)[len(chunks) % 3]))
        left -= chunks[-1]
    return chunks


def _from_windows(original: Original, reference, ir: Converted, name: str, windows: np.ndarray) -> Comparison:
    count = len(windows)
    chunks = chunk_plan(original, ir, count)
    windows = np.pad(windows, [(0, sum(chunks) - count), (0, 0), (0, 0)])
    # Every row of a batch begins elsewhere in the recording.
    rows = np.stack([np.roll(windows, -7 * row, axis=0) for row in range(_rows(original, ir))])
    lengths = _chunk_lengths(chunks, len(rows)) if ir.lengths and original.lengths is not None else None
    expected = run_original(original, reference, rows, chunks, lengths)
    if lengths is None:
        valid = np.arange(sum(chunks))[:, None] < np.full(len(rows), count)
    else:
        valid = np.concatenate([np.arange(size)[:, None] < each for size, each in zip(chunks, lengths, strict=True)])
    return _compared(name, chunks, expected, ir, lambda way: ir.run(rows, chunks, lengths, way), valid)


def _compared(name, chunks, expected: Run, ir: Converted, run: Callable[[str], Run], valid) -> Comparison:
    return Comparison(name, chunks, expected, {way: run(way) for way in ir.ways}, valid)


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
    framing = original.framing
    samples = recording.samples
    streams = ir.input_kind == "stream"
    rows = np.stack(
        [np.roll(samples, -7 * framing.stride * row) for row in range(1 if streams else _rows(original, ir))]
    )
    lengths = np.full(len(rows), len(samples))
    if ir.lengths:
        lengths = np.array(
            [(len(samples), len(samples) // 2, framing.window_size - 1, 0)[row % 4] for row in range(len(rows))]
        )
    needed = client_frame_count(len(samples), framing)
    chunks = _even(needed, original.steps or 16)
    expected = [_utterance(original, reference, row[:size], needed) for row, size in zip(rows, lengths, strict=True)]
    valid = np.arange(needed)[:, None] < [client_frame_count(size, framing) for size in lengths]

    def run(way: str) -> Run:
        return ir.run_stream(samples, BLOCKS, way) if streams else ir.run_samples(rows, lengths, way)

    return _compared(recording.name, chunks, side_by_side(expected), ir, run, valid)


def _utterance(original: Original, reference, samples: np.ndarray, needed: int) -> Run:
    """A whole utterance, as DeepSpeech's client runs it, filled up with zeros to `needed` windows."""
    mfccs = reference.utterance(samples)
    windows = windows_of(mfccs, original.window_frames)
    chunks = _even(len(windows), original.steps or 16)
    padded = windows
    if original.lengths is None and original.steps:
        chunks = [original.steps] * len(chunks)
        padded = np.pad(windows, [(0, sum(chunks) - len(windows)), (0, 0), (0, 0)])
    run = run_original(original, reference, padded[None], chunks)

    def filled(values: np.ndarray) -> np.ndarray:
        return np.pad(values[: len(windows)], [(0, needed - len(windows)), (0, 0), (0, 0)])

    layers = {name: [filled(each[0])] for name, each in run.layers.items()}
    return Run(filled(run.probabilities), None, None, layers, first=run.first)


def _even(count: int, size: int) -> list[int]:
    return [min(size, count - at) for at in range(0, count, size)]
