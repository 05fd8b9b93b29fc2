"""diagnose: the first tensor in which an IR differs from its original, stage by stage."""

import os
from dataclasses import asdict, dataclass

import numpy as np

from deepspeech_recipe.ir.layers import FEATURES, ORDER
from deepspeech_recipe.ir.metadata import is_acoustic
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import DENSE_BEHIND, END_OF_STREAM, LOGITS, LSTM, RAW, SAMPLES, WINDOWS
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.verification.compare import recordings_for
from deepspeech_recipe.verification.converted import Converted, chunk_plan
from deepspeech_recipe.verification.original import Original, find_original, probabilities
from deepspeech_recipe.verification.recordings import flushed, random_features, windows_of
from deepspeech_recipe.verification.references import Numpy
from deepspeech_recipe.verification.report import tick
from deepspeech_recipe.verification.stateful_trace import compare_tensors
from deepspeech_recipe.verification.trace import TracedIR, rows_of, trace_original
from deepspeech_recipe.verification.weights import FEATURE_LIMIT, weights_format

# In units of the largest value of the stage, if that is above 1.
LIMITS = {"fp32": 5e-5, "fp16": 1e-2, "int8": 0.3}
_RANDOM_WINDOWS = 100


@dataclass(frozen=True)
class Stage:
    """One stage of the network in one chunk, as `diagnose` compares it.

    error: the largest difference, in units of `scale`. original, ir: the two values there. at: its place (window in
    the utterance, row of the batch, index).
    """

    name: str
    passed: bool
    error: float
    limit: float
    scale: float
    at: dict[str, int]
    original: float
    ir: float

    def line(self) -> str:
        """The stage as a line for a person."""
        where = ", ".join(f"{name} {place}" for name, place in self.at.items())
        return (
            f"{tick(self.passed)} {self.name}: {self.error:.2g} (limit {self.limit:.2g}, in units of {self.scale:.3g}) "
            f"at {where}: original {self.original:.6g}, IR {self.ir:.6g}"
        )


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found: the first stage that differs, if any.

    place: the recording and the first chunk in which a stage differs, or all that was compared. stages: the
    differences there. first: the first stage that differs, or None. advice: what may be the cause.
    """

    model: str
    ir: str
    device: str
    weights: str
    place: str
    stages: tuple[Stage, ...]
    first: str | None
    advice: str = ""

    @property
    def passed(self) -> bool:
        """Whether no stage differs."""
        return self.first is None

    @property
    def exit_code(self) -> int:
        """0, or 1 if a stage differs."""
        return 0 if self.passed else 1

    def as_dict(self) -> dict:
        """For JSON."""
        return {"passed": self.passed, **asdict(self)}

    def lines(self) -> list[str]:
        """For a person."""
        head = f"{self.ir} against {self.model}; device {self.device}; weights {self.weights}"
        end = f"first difference: {self.first}" if self.first else "no stage differs"
        lines = [head, self.place, *(stage.line() for stage in self.stages), end]
        return [*lines, self.advice] if self.advice else lines


def diagnose(
    model: str | os.PathLike | LoadedModel,
    ir,
    *,
    audio=(),
    device: str = "CPU",
    recipe: str | os.PathLike | None = None,
) -> Diagnosis:
    """Finds the first tensor in which an IR differs from the model it was made of. The arguments are those of `verify`.

    The original runs in numpy (float64); that of another recipe than DeepSpeech's in TensorFlow, with random inputs.
    Raises RecipeError as `verify` does, or if the IR's stages cannot be told apart.
    """
    source = model if isinstance(model, LoadedModel) else open_model(model)
    opened = IR(ir, "the model")
    if not is_acoustic(opened.metadata):
        return _by_tensors(source, opened, device)
    original = find_original(source, recipe)
    converted = Converted(opened, device)
    converted.check_against(original)
    recordings = recordings_for(original, converted, audio)
    reference, traced = Numpy(original), TracedIR(converted)
    cases: list[tuple[str, np.ndarray | None, np.ndarray]] = []
    if not audio and converted.input_kind == "windows":
        features = random_features(_RANDOM_WINDOWS, original.n_input)
        cases.append(("random features", None, windows_of(features, original.window_frames)))
    for recording in recordings:
        mfccs = reference.features(flushed(recording.samples, *original.framing))
        cases.append((recording.name, recording.samples, windows_of(mfccs, original.window_frames)))
    by_chunks = _by_samples if converted.input_kind != "windows" else _by_windows
    worst: dict[str, Stage] = {}
    for name, samples, windows in cases:
        for chunk, begin, expected, found in by_chunks(original, reference, converted, traced, samples, windows):
            stages = _stages(expected, found, LIMITS[converted.weights], begin)
            failed = [stage.name for stage in stages if not stage.passed]
            if failed:
                first, advice = _attribute(failed, chunk, begin)
                place = f"{name}, chunk {chunk}"
                return Diagnosis(*_labels(original, converted), place, tuple(stages), first, advice)
            worst |= {each.name: each for each in stages if each.error >= worst.get(each.name, each).error}
    place = f"{', '.join(name for name, *_ in cases)}: the largest differences"
    return Diagnosis(*_labels(original, converted), place, tuple(worst.values()), None)


def _by_tensors(source: LoadedModel, ir: IR, device: str) -> Diagnosis:
    """Any other model: tensor by tensor, by name."""
    weights = weights_format(ir.model)
    labels = str(source.path), ir.name, device, weights
    worst: dict[str, Stage] = {}
    for call, tensors in compare_tensors(source, ir, device):
        stages = [_flat_stage(name, *values, LIMITS[weights]) for name, values in tensors.items()]
        failed = [stage.name for stage in stages if not stage.passed]
        if failed:
            advice = "The first call agrees: is the state lost, or exchanged with another?" if call > 1 else ""
            return Diagnosis(*labels, f"random inputs, call {call}", tuple(stages), failed[0], advice)
        worst |= {each.name: each for each in stages if each.error >= worst.get(each.name, each).error}
    return Diagnosis(*labels, "random inputs: the largest differences", tuple(worst.values()), None)


def _flat_stage(name: str, expected: np.ndarray, found: np.ndarray, limit: float) -> Stage:
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    if found.size != expected.size or not found.size:
        return Stage(name, found.size == expected.size, 0.0, limit, scale, {"values": found.size}, 0.0, 0.0)
    difference = np.nan_to_num(np.abs(found.reshape(-1) - expected.reshape(-1)), nan=np.inf)
    place = int(difference.argmax())
    error = float(difference[place]) / scale
    values = float(expected.reshape(-1)[place]), float(found.reshape(-1)[place])
    return Stage(name, error <= limit, error, limit, scale, {"index": place}, *values)


def _labels(original: Original, converted: Converted) -> tuple[str, str, str, str]:
    return str(original.source.path), converted.name, converted.device, converted.weights


def _by_windows(original: Original, reference, converted: Converted, traced: TracedIR, samples, windows):
    """Yields (chunk, its first window, stage → `[T, B, F]` of the original, the same of the IR in either order)."""
    chunks = chunk_plan(original, converted, len(windows))
    windows = np.pad(windows, [(0, sum(chunks) - len(windows)), (0, 0), (0, 0)])
    batch = converted.batch or 1
    rows = np.stack([np.roll(windows, -7 * row, axis=0) for row in range(batch)])
    traces = [trace_original(original, reference, row, chunks) for row in rows]
    start = [None if part is None else np.resize(part, (batch, part.shape[1])) for part in reference.start()]
    traced.start(start)
    begin = 0
    for number, count in enumerate(chunks):
        calls = []
        size = converted.steps or count
        for at in range(begin, begin + count, size):
            feeds = {WINDOWS: rows[:, at : at + size]}
            if converted.lengths:
                feeds[converted.lengths] = np.full(batch, size)
            calls.append((size, traced.call(feeds)))
        expected = _join([trace[number] for trace in traces], original)
        yield number + 1, begin, expected, _found(calls, batch, expected)
        begin += count


def _by_samples(original: Original, reference, converted: Converted, traced: TracedIR, samples, windows):
    """One call with a whole utterance."""
    batch, steps = converted.batch or 1, original.steps or 16
    whole, rest = divmod(len(windows), steps)
    chunks = [steps] * (whole + (rest > 0))
    padded = np.pad(windows, [(0, sum(chunks) - len(windows)), (0, 0), (0, 0)])
    traces = trace_original(original, reference, padded, chunks)
    names = [name for name in traces[0] if not name.endswith("state")]
    whole_trace = {name: np.concatenate([trace[name] for trace in traces])[: len(windows)] for name in names}
    feeds = {SAMPLES: np.repeat(samples[None], batch, 0)}
    if converted.lengths:
        feeds[converted.lengths] = np.full(batch, len(samples))
    if converted.input_kind == "stream":
        feeds[END_OF_STREAM] = np.array(True)
    traced.start([None, None])
    expected = _join([whole_trace] * batch, original)
    calls = [(len(windows), traced.call(feeds))]
    yield 1, 0, expected, _found(calls, batch, expected)


def _join(traces: list[dict], original: Original) -> dict:
    """Rows together: `[T, B, F]`, states `[1, B, H]`, and the probabilities of the head."""
    joined = {
        name: np.stack([trace[name] for trace in traces], 1)
        if not name.endswith("state")
        else np.stack([trace[name] for trace in traces])[None]
        for name in traces[0]
    }
    return joined | {LOGITS: probabilities(joined[DENSE_BEHIND[-1]], RAW)}


def _found(calls, batch: int, expected: dict) -> dict:
    """stage → the readings of the IR's tensor, one for each order it may be in."""
    found = {}
    for name in expected:
        if name.endswith("state"):
            if name in calls[-1][1]:
                found[name] = [calls[-1][1][name][None]]
        else:
            readings = [rows_of(values[name], steps, batch) for steps, values in calls]
            found[name] = [np.concatenate(each) for each in zip(*readings, strict=True)]
    return found


def _stages(expected: dict, found: dict, limit: float, begin: int) -> list[Stage]:
    stages = []
    for name in ORDER:
        if name in expected and name in found:
            stages.append(
                _stage(name, expected[name], found[name], FEATURE_LIMIT if name == FEATURES else limit, begin)
            )
    return stages


def _stage(name: str, expected: np.ndarray, readings: list[np.ndarray], limit: float, begin: int) -> Stage:
    scale = max(1.0, float(np.abs(expected).max()))
    if all(reading.shape != expected.shape for reading in readings):
        return Stage(name, False, np.inf, limit, scale, {"values": readings[0].size}, np.nan, np.nan)
    differences = [np.nan_to_num(np.abs(reading - expected), nan=np.inf) for reading in readings]
    best = min(range(len(readings)), key=lambda place: differences[place].max())
    place = np.unravel_index(differences[best].argmax(), expected.shape)
    error = float(differences[best][place]) / scale
    at = {"window": begin + int(place[0])} if not name.endswith("state") else {}
    at |= {"row": int(place[1]), "index": int(place[2])}
    values = float(expected[place]), float(readings[best][place])
    return Stage(name, error <= limit, error, limit, scale, at, *values)


def _attribute(failed: list[str], chunk: int, begin: int) -> tuple[str, str]:
    """The stage at fault, and what the place says."""
    first = failed[0]
    # Two steps from the zero state have shown that the weights are right, the recurrent ones included.
    if first == LSTM and chunk > 1 and begin > 1:
        return "initial states", (
            "From the zero state of the first chunk the LSTM agrees, from the state it was given it does not: the "
            "state inputs are exchanged, or the state is lost between calls."
        )
    return first, _ADVICE.get(first, "")


_ADVICE = {
    FEATURES: "The feature part differs: sample rate, window, frequency limits, or the framing of the samples.",
    LSTM: "The dense layers agree and the LSTM does not: order of the gates, forget bias, or its weights.",
    "cell state": "The LSTM's output agrees and its state does not: are cell state and hidden state exchanged?",
    "hidden state": "The LSTM's output agrees and its state does not: are cell state and hidden state exchanged?",
    LOGITS: "The raw scores agree and the probabilities do not: the head of the IR is not what its metadata says.",
}
