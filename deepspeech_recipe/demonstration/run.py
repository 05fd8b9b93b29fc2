"""The IR of the bundled model, run over recordings as DeepSpeech's client would."""

import time
import wave
from collections import Counter
from pathlib import Path

import numpy as np

from deepspeech_recipe.ir.metadata import alphabet_labels, read_metadata
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.runtime.decoders.greedy import greedy_text


class Model:
    """The acoustic model and its feature model, of either converter, on the CPU in f32."""

    def __init__(self, acoustic: Path, features: Path):
        self.acoustic, self.features = acoustic, features
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
        """samples [N] → [frames, n_input], by the graph's own feature part"""
        return self._features(flushed(samples, self.window, self.stride))[0]

    def windows(self, samples: np.ndarray) -> np.ndarray:
        """samples [N] → windows [frames, 2·context+1, n_input]"""
        if "samples" in self._features.input(0).get_names():  # the feature model of `convert --audio separate`
            return self._features(samples[None])[0][0]
        return windows(self.mfccs(samples), self.context)

    def step(self, chunk: np.ndarray, c: np.ndarray, h: np.ndarray):
        """One call: windows [1, T, …] → (probabilities [T, 1, classes], c, h)"""
        found = self._acoustic({"input_node": chunk, "previous_state_c": c, "previous_state_h": h})
        # Copies: the results are views on memory that the next call writes to.
        return tuple(found[name].copy() for name in ("logits", "new_state_c", "new_state_h"))

    def run(self, windows: np.ndarray) -> np.ndarray:
        """Windows of an utterance → probabilities [frames, classes]"""
        c = h = np.zeros((1, self.hidden), np.float32)
        rows = []
        for chunk in chunks(windows, self.steps):
            probabilities, c, h = self.step(chunk, c, h)
            rows.append(probabilities[:, 0])
        return np.concatenate(rows)[: len(windows)]

    def check_structure(self, log) -> bool:
        sequences = self.operations["LSTMSequence"]
        loops = self.operations["Loop"] + self.operations["TensorIterator"]
        passed = sequences == 1 and not loops
        log(f"   {tick(passed)} LSTMSequence: {sequences}, loops: {loops}")
        return passed

    def transcribe(self, recordings, log) -> list[bool]:
        """recordings: (name, samples, text) of each. Returns whether each text was recognised."""
        checks = []
        for name, samples, text in recordings:
            started = time.perf_counter()
            found = greedy_text(self.run(self.windows(samples)), self.labels)
            seconds, audio = time.perf_counter() - started, samples.size / self.sample_rate
            checks.append(found == text)
            log(f"   {tick(checks[-1])} {name}: {audio:.1f} s of audio in {1000 * seconds:.0f} ms")
            log(f"       expected    {text}")
            log(f"       recognised  {found}")
        return checks


def flushed(samples: np.ndarray, window: int, stride: int) -> np.ndarray:
    """The samples and zeros after them: DeepSpeech's client pads what is left to one more full window, always."""
    frames = max(0, (samples.size - window) // stride + 1) + 1
    return np.pad(samples, (0, (frames - 1) * stride + window - samples.size))


def windows(mfccs: np.ndarray, context: int) -> np.ndarray:
    """MFCCs [frames, n_input] → [frames, 2·context+1, n_input], zeros outside of the frames"""
    padded = np.pad(mfccs, ((context, context), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * context + 1, axis=0).swapaxes(1, 2)


def chunks(windows: np.ndarray, steps: int) -> np.ndarray:
    """Windows [frames, …] → [chunks, 1, steps, …], the last chunk filled up with zeros"""
    count = -(-len(windows) // steps)
    padded = np.pad(windows, ((0, count * steps - len(windows)), (0, 0), (0, 0)))
    return padded.reshape(count, 1, steps, *windows.shape[1:])


def read_wav(path: Path) -> np.ndarray:
    """16-bit mono PCM → float32 samples −1…1"""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def tick(passed: bool) -> str:
    return "✓" if passed else "✗"
