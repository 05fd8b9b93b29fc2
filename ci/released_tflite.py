"""`released_tflite.py DIR`: the released model's probabilities by TensorFlow Lite, in DIR/NAME.npz for each kernel set.

It multiplies 8-bit weights by activations that it rounds to 8 bits, and its kernels differ in how. The windows are the
same for all of them: their MFCCs are compared with the file's own (DIR/mfccs.json: the largest difference).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from conformance_released import clips
from tensorflow.lite.python.interpreter import Interpreter, OpResolverType

from deepspeech_recipe.audio import reference
from deepspeech_recipe.ir.audio_settings import settings_of
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.verification.recordings import flushed, windows_of

KERNELS = {"tflite, XNNPACK": OpResolverType.AUTO, "tflite, reference": OpResolverType.BUILTIN_REF}
STATES = {"previous_state_c": "new_state_c", "previous_state_h": "new_state_h"}


class File:
    """Calls of the file, each beginning with the state that the one before left."""

    def __init__(self, path: Path, kernels):
        self._interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels, num_threads=1)
        self._interpreter.allocate_tensors()
        self._inputs = {each["name"]: each for each in self._interpreter.get_input_details()}
        self._outputs = {each["name"]: each["index"] for each in self._interpreter.get_output_details()}
        _, self.steps, self.window_frames, _ = self._inputs["input_node"]["shape"].tolist()

    def run(self, samples: np.ndarray, windows: np.ndarray, step: int):
        """Probabilities, and the MFCCs of the first frame of each call."""
        shape, samples_a_call = self._inputs["input_node"]["shape"], self._inputs["input_samples"]["shape"][0]
        state = {name: np.zeros(self._inputs[name]["shape"], np.float32) for name in STATES}
        probabilities, mfccs = [], []
        for at in range(0, len(windows), self.steps):
            given = np.zeros(shape, np.float32)
            part = windows[at : at + self.steps]
            given[0, : len(part)] = part
            first = samples[at * step : at * step + samples_a_call].astype(np.float32)
            for name, value in {"input_node": given, "input_samples": first, **state}.items():
                self._interpreter.set_tensor(self._inputs[name]["index"], value)
            self._interpreter.invoke()
            state = {name: self._output(new) for name, new in STATES.items()}
            probabilities.append(self._output("logits")[: len(part)])
            mfccs.append(self._output("mfccs").ravel())
        return np.concatenate(probabilities), np.stack(mfccs)

    def _output(self, name: str) -> np.ndarray:
        return self._interpreter.get_tensor(self._outputs[name])


def main(folder: Path) -> None:
    settings = settings_of(IR(folder / "fp32, whole.xml").metadata["features"])
    apart = 0.0
    for name, kernels in KERNELS.items():
        begin, file, found = time.perf_counter(), File(folder / "model.tflite", kernels), {}
        for clip, recorded in clips(folder).items():
            samples = flushed(recorded / 32768, settings)
            mfccs = reference.mfcc_of_spectrogram(reference.spectrogram(samples, settings), settings)
            windows = windows_of(mfccs, file.window_frames)
            found[clip], own = file.run(samples, windows, settings.stride)
            apart = max(apart, float(np.abs(own - mfccs[:: file.steps]).max()))
        np.savez(folder / f"{name}.npz", **found)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    (folder / "mfccs.json").write_text(json.dumps(apart))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
