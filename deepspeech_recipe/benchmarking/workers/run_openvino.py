"""Runs an IR: `run_openvino.py THREADS`. Needs openvino and numpy; whole utterances need this project's package."""

import sys
import time
from typing import Any

from loop import NO_CHUNKS, Commands, limit_threads, serve, timed

THREADS = limit_threads()

import numpy as np  # noqa: E402
import openvino as ov  # noqa: E402
from signals import flat_windows, int16_samples, softmax, windows  # noqa: E402

# What the outputs of documented conversions are called, which kept the framework's names.
STATES = {"c": ("new_state_c", "/GatherNd", "/GatherV2"), "h": ("new_state_h", "/GatherNd_1", "/GatherV2_1")}
METADATA = ["deepspeech_recipe", "json"]


class Worker(Commands):
    packages = ("openvino", "numpy")

    def load(
        self, model: str, device: str = "CPU", package: str = "", metadata: str = "", chunk_samples: int = 0,
        recognizer=None,
    ):  # fmt: skip
        """Notes what to run. package: where this project lies. metadata: given to an IR that has none. chunk_samples:
        of one chunk, for an IR that takes audio in blocks. recognizer: further options of the runtime's Recognizer."""
        self.options = recognizer or {}
        self.model, self.device, self.metadata, self.chunk_samples = model, device, metadata, chunk_samples
        self.config = {"INFERENCE_NUM_THREADS": THREADS} if device == "CPU" else {}
        self.calls: dict = {}
        self.network: Any = None
        sys.path.append(package)

    def compile(self, cache: str = "") -> dict:
        """From the file to a compiled model, by a model cache if one is named; from then on chunks run on it."""
        start = time.perf_counter()
        compiled = self._compile(self.model, cache)
        spent = 1000 * (time.perf_counter() - start)
        self.calls = {1: Call(compiled, 1, self.chunk_samples)}
        return {"ms": [spent]}

    def chunk(self, frames: int, rows: int, repeat: int) -> dict:
        call = self._call(rows)
        call.prepare(frames)
        return {"ms": timed(call, repeat)}

    def probabilities(self, frames: int, chunks: int) -> list:
        """Probabilities of chained chunks from zero state, row after row; of one call with all frames if there are no
        chunks."""
        call = self._call(1)
        if call.whole:
            return [softmax(call.utterance(frames * chunks)).tolist()]
        call.prepare(frames)
        call.reset()
        return [call().tolist() for _ in range(chunks)]

    def utterance(self, audio: str) -> dict:
        """Audio to text by this project's runtime, greedy; to scores if the network gives no text."""
        network, samples = self._network(), int16_samples(audio)
        start = time.perf_counter()
        if hasattr(network, "transcribe"):
            found = {"text": network.transcribe(samples).text}
        else:
            found = {"frames": len(network.features(samples))}
        return {"ms": [1000 * (time.perf_counter() - start)], **found}

    def corpus(self, audio: list) -> dict:
        """Several recordings in one batch, if the IR takes batches."""
        network, samples = self._network(), [int16_samples(path) for path in audio]
        if not hasattr(network, "transcribe_batch"):
            return super().corpus(audio)
        start = time.perf_counter()
        texts = [result.text for result in network.transcribe_batch(samples)]
        return {"ms": [1000 * (time.perf_counter() - start)], "texts": texts}

    def live(self, audio: str, rows: int) -> dict:
        """That many streams that hear the audio at real-time pace: how late each chunk's text is."""
        from deepspeech_recipe.runtime.load import load

        network = self._network()
        if not hasattr(network, "stream"):
            raise ValueError(NO_CHUNKS)
        return {"ms": (1000 * load(network, int16_samples(audio), rows).latencies).tolist()}

    def features(self, audio: str) -> dict:
        """The part of it that ends with the MFCCs."""
        from deepspeech_recipe.runtime.inference.mfcc_frames import LARGEST_CALL
        from deepspeech_recipe.runtime.recordings.samples import as_samples

        network, samples = self._network(), int16_samples(audio)
        start = time.perf_counter()
        if hasattr(network, "vectors"):
            network.vectors(as_samples(samples))
        else:
            source = network.mfcc_frames(LARGEST_CALL)
            source.reset()
            for _ in (*source.feed(as_samples(samples)), *source.finish()):
                pass
        return {"ms": [1000 * (time.perf_counter() - start)]}

    def _call(self, rows: int):
        if rows not in self.calls:
            if rows == 1:
                compiled = self._compile(self.model)
            else:
                others = [call for number, call in self.calls.items() if number > 1]
                compiled = others[0].compiled if others else self._compile(self._batched())
            self.calls[rows] = Call(compiled, rows, self.chunk_samples)
        return self.calls[rows]

    def _compile(self, model, cache: str = ""):
        core, config = ov.Core(), dict(self.config)
        if "INFERENCE_PRECISION_HINT" in core.get_property(self.device, "SUPPORTED_PROPERTIES"):
            config["INFERENCE_PRECISION_HINT"] = "f32"
        if cache:
            config["CACHE_DIR"] = cache
        return core.compile_model(model, self.device, config)

    def _batched(self):
        """The model for any number of rows; raises if it does not let itself be reshaped."""
        model = ov.Core().read_model(self.model)
        shapes = {}
        for port in model.inputs:
            shape = port.get_partial_shape()
            if shape[0].is_static and len(shape) > 1:
                shapes[port.get_any_name()] = ov.PartialShape([-1, *list(shape)[1:]])
        if shapes:
            model.reshape(shapes)
        return model

    def _network(self):
        """The runtime's Recognizer, or its DeepSpeechV01."""
        if self.network is None:
            from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import extractor

            model: Any = self.model
            if self.metadata:
                model = ov.Core().read_model(self.model)
                if not model.has_rt_info(METADATA):
                    self._dress(model)
            self.network = extractor(model, self.device, config=self.config, **self.options)
        return self.network

    def _dress(self, model) -> None:
        """Gives an IR that somebody else made the names and the metadata that the runtime asks for."""
        model.set_rt_info(self.metadata, METADATA)
        for kind in STATES:
            port = named(model.outputs, STATES[kind])
            if port is not None and "new_state_" + kind not in port.get_names():
                port.add_names({"new_state_" + kind})


class Call:
    """One chunk of all rows, its state fed back. Tensors are set once and shared, as a fast program would."""

    def __init__(self, compiled, rows: int, chunk_samples: int):
        self.compiled, self.rows, self.chunk_samples = compiled, rows, chunk_samples
        self.request = compiled.create_infer_request()
        self.inputs = {name.split(":")[0]: port for port in compiled.inputs for name in sorted(port.get_names())}
        self.logits = named(compiled.outputs, ("logits",))
        if self.logits is None:
            raise ValueError("the IR has no output 'logits'")
        self.states = []
        for kind in STATES:
            port, output = self.inputs.get("previous_state_" + kind), named(compiled.outputs, STATES[kind])
            if port is not None and output is not None:
                self._check_rows(port)
                value = np.zeros((rows, port.get_partial_shape()[1].get_length()), np.float32)
                self.request.set_tensor(port, ov.Tensor(value, shared_memory=True))
                self.states.append((value, output))
        self.feeds: list = []
        self.number = 0
        self.whole = "input_node" in self.inputs and len(self.inputs["input_node"].get_partial_shape()) == 3

    def prepare(self, frames: int) -> None:
        if self.feeds:
            return
        if self.whole:
            raise ValueError(NO_CHUNKS)
        if "end_of_stream" in self.inputs:
            self._prepare_samples()
        elif "input_node" in self.inputs:
            self._prepare_windows(frames)
        else:
            raise ValueError("the IR takes whole utterances, so it has no chunks")

    def _prepare_windows(self, frames: int) -> None:
        shape = self.inputs["input_node"].get_partial_shape()
        self._check_rows(self.inputs["input_node"])
        steps = shape[1].get_length() if shape[1].is_static else frames
        if frames % steps:
            raise ValueError(f"the IR takes {steps} windows a call, a chunk has {frames}")
        values = windows(8, self.rows, frames, shape[2].get_length(), shape[3].get_length())
        if "lengths" in self.inputs:
            lengths = np.full(self.rows, steps, np.int64)
            self.request.set_tensor(self.inputs["lengths"], ov.Tensor(lengths, shared_memory=True))
            self.kept = lengths
        for value in values:
            parts = [np.ascontiguousarray(value[:, at : at + steps]) for at in range(0, frames, steps)]
            self.feeds.append([(self.inputs["input_node"], ov.Tensor(part, shared_memory=True)) for part in parts])

    def utterance(self, frames: int) -> np.ndarray:
        """Scores of one call with that many windows."""
        feeds = {"input_node": flat_windows(frames, self.inputs["input_node"].get_partial_shape()[2].get_length())}
        if "lengths" in self.inputs:
            feeds["lengths"] = np.full(1, frames, np.int64)
        found = self.request.infer({self.inputs[name]: value for name, value in feeds.items()})
        return found[self.logits].copy()

    def _check_rows(self, port) -> None:
        rows = port.get_partial_shape()[0]
        if rows.is_static and rows.get_length() != self.rows:
            raise ValueError(f"the IR has a batch of {rows.get_length()}")

    def _prepare_samples(self) -> None:
        if self.rows != 1:
            raise ValueError("the IR takes one stream")
        self.end = np.array(False)
        self.request.set_tensor(self.inputs["end_of_stream"], ov.Tensor(self.end, shared_memory=True))
        rng = np.random.RandomState(7)
        for _ in range(8):
            block = (0.1 * rng.standard_normal((1, self.chunk_samples))).astype(np.float32)
            self.feeds.append([(self.inputs["samples"], ov.Tensor(block, shared_memory=True))])

    def reset(self) -> None:
        self.number = 0
        for value, _ in self.states:
            value[:] = 0
        if not self.states:
            self.request.reset_state()

    def __call__(self):
        found = []
        for port, tensor in self.feeds[self.number % len(self.feeds)]:
            self.request.set_tensor(port, tensor)
            self.request.infer()
            for value, output in self.states:
                np.copyto(value, self.request.get_tensor(output).data)
            found.append(self.request.get_tensor(self.logits).data.copy())
        self.number += 1
        return found[0] if len(found) == 1 else np.concatenate(found)


def named(ports, endings: tuple):
    """The one that has a name with such an ending, `:0` aside."""
    for port in ports:
        for name in port.get_names():
            if name.split(":")[0].endswith(endings):
                return port
    return None


if __name__ == "__main__":
    serve(Worker())
