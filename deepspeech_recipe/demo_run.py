"""What the demo runs: the IR and TensorFlow over recordings, as DeepSpeech's client would."""

import os
import time
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import openvino as ov

from deepspeech_recipe.decode import greedy
from deepspeech_recipe.passes.metadata import alphabet_labels, read_metadata


class Model:
    """The acoustic model and its features on the CPU, in f32."""

    def __init__(self, acoustic: Path, features: Path):
        core, config = ov.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
        model = core.read_model(acoustic)
        metadata = read_metadata(model)
        self.operations = Counter(node.get_type_name() for node in model.get_ops())
        self.labels, self.sample_rate = alphabet_labels(metadata["alphabet"]), metadata["sample_rate"]
        self.window, self.stride = (metadata["features"][key] for key in ("window_size", "stride"))
        self.context, self.steps, self.hidden = (metadata[key] for key in ("n_context", "time_steps", "hidden_size"))
        self._acoustic = core.compile_model(model, "CPU", config)
        self._features = core.compile_model(features, "CPU", config)

    def mfccs(self, samples: np.ndarray) -> np.ndarray:
        """samples [N] → [frames, n_input]"""
        return self._features(flushed(samples, self.window, self.stride))[0]

    def step(self, windows: np.ndarray, c: np.ndarray, h: np.ndarray):
        """One chunk: windows [1, T, …] → (probabilities [T, 1, classes], c, h)"""
        found = self._acoustic({"input_node": windows, "previous_state_c": c, "previous_state_h": h})
        # Copies: the results are views on memory that the next call writes to.
        return tuple(found[name].copy() for name in ("logits", "new_state_c", "new_state_h"))

    def run(self, mfccs: np.ndarray) -> np.ndarray:
        """MFCCs [frames, n_input] → probabilities [frames, classes]"""
        c = h = np.zeros((1, self.hidden), np.float32)
        rows = []
        for windows in chunks(mfccs, self.context, self.steps):
            probabilities, c, h = self.step(windows, c, h)
            rows.append(probabilities[:, 0])
        return np.concatenate(rows)[: len(mfccs)]


def structure(model: Model, say) -> bool:
    sequences = model.operations["LSTMSequence"]
    loops = model.operations["Loop"] + model.operations["TensorIterator"]
    passed = sequences == 1 and not loops
    say(f"   {tick(passed)} the LSTM is {sequences} LSTMSequence, with {loops} loops")
    return passed


def compare(model: Model, graph: Path, samples: np.ndarray, limits: dict[str, float], say) -> list[bool]:
    """MFCCs, then every chunk's probabilities and states, each framework feeding back its own states.

    limits: largest differences allowed; for states a multiple of the largest cell state, which has no bound.
    """
    errors = {"MFCCs": 0.0, "probabilities": 0.0, "states": 0.0}
    largest_state = 1.0
    seconds = {"TensorFlow": 0.0, "OpenVINO": 0.0}
    with tensorflow_session(graph) as session:
        expected = tensorflow_mfccs(session, flushed(samples, model.window, model.stride), model)
        errors["MFCCs"] = difference(model.mfccs(samples), expected)
        zeros = np.zeros((1, model.hidden), np.float32)
        ours = theirs = (zeros, zeros)
        everything = chunks(expected, model.context, model.steps)
        tensorflow_step(session, everything[0], zeros, zeros)  # the first call is slow: not timed
        model.step(everything[0], zeros, zeros)
        for windows in everything:
            started = time.perf_counter()
            reference = tensorflow_step(session, windows, *theirs)
            seconds["TensorFlow"] += time.perf_counter() - started
            started = time.perf_counter()
            found = model.step(windows, *ours)
            seconds["OpenVINO"] += time.perf_counter() - started
            errors["probabilities"] = max(errors["probabilities"], difference(found[0], reference[0]))
            errors["states"] = max(errors["states"], *map(difference, found[1:], reference[1:]))
            largest_state = max(largest_state, float(np.abs(reference[1]).max()))
            ours, theirs = found[1:], reference[1:]
    checks = []
    limits = {**limits, "states": limits["states"] * largest_state}
    for what, error in errors.items():
        checks.append(bool(error <= limits[what]))
        say(f"   {tick(checks[-1])} {what}: largest difference {error:.1e} (allowed {limits[what]:.1e})")
    say(f"     cell states reach {largest_state:.1f}")
    times = ", ".join(f"{name} {1000 * total:.0f} ms" for name, total in seconds.items())
    say(f"   {len(everything)} chunks of {model.steps} steps: {times}")
    return checks


def transcribe(model: Model, recordings, say) -> list[bool]:
    checks = []
    for name, samples, text in recordings:
        started = time.perf_counter()
        found = greedy(model.run(model.mfccs(samples)), model.labels)
        seconds, audio = time.perf_counter() - started, samples.size / model.sample_rate
        checks.append(found == text)
        say(f"   {tick(checks[-1])} {name}: {audio:.1f} s of audio in {1000 * seconds:.0f} ms")
        say(f"       expected    {text}")
        say(f"       recognised  {found}")
    return checks


def flushed(samples: np.ndarray, window: int, stride: int) -> np.ndarray:
    """The samples and zeros after them: DeepSpeech's client pads what is left to one more full window, always."""
    frames = max(0, (samples.size - window) // stride + 1) + 1
    return np.pad(samples, (0, (frames - 1) * stride + window - samples.size))


def chunks(mfccs: np.ndarray, context: int, steps: int) -> np.ndarray:
    """MFCCs [frames, n_input] → windows [chunks, 1, steps, 2·context+1, n_input], zeros outside of the frames."""
    frames, n_input = mfccs.shape
    count = -(-frames // steps)
    padded = np.pad(mfccs, ((context, context + count * steps - frames), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * context + 1, axis=0).swapaxes(1, 2)
    # Beyond the last frame there is no window, not one with a left half.
    windows = np.where(np.arange(count * steps)[:, None, None] < frames, windows, np.float32(0))
    return windows.reshape(count, 1, steps, 2 * context + 1, n_input)


def tensorflow_session(graph: Path):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(graph.read_bytes())
    with tf.Graph().as_default() as loaded:
        tf.import_graph_def(definition, name="")
    return tf.compat.v1.Session(graph=loaded)


def tensorflow_mfccs(session, samples: np.ndarray, model: Model) -> np.ndarray:
    """One window a call, as the graph takes them."""
    starts = range(0, samples.size - model.window + 1, model.stride)
    rows = [session.run("mfccs:0", {"input_samples:0": samples[start : start + model.window]}) for start in starts]
    return np.concatenate(rows)


def tensorflow_step(session, windows: np.ndarray, c: np.ndarray, h: np.ndarray):
    feeds = {"input_node": windows, "input_lengths": [windows.shape[1]], "previous_state_c": c, "previous_state_h": h}
    return session.run(
        ["logits:0", "new_state_c:0", "new_state_h:0"], {f"{name}:0": value for name, value in feeds.items()}
    )


def read_wav(path: Path) -> np.ndarray:
    """16-bit mono PCM → float32 samples −1…1"""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest absolute difference; infinite where there is a NaN."""
    return float(np.nan_to_num(np.abs(ours - theirs), nan=np.inf).max())


def tick(passed: bool) -> str:
    return "✓" if passed else "✗"
