"""Runs an IR: `run_openvino.py THREADS`. Needs openvino and numpy; whole utterances need this project's package."""

import sys
import time
from typing import Any

from loop import NO_CHUNKS, Commands, limit_threads, serve, timed

THREADS = limit_threads()

import numpy as np  # noqa: E402
import openvino as ov  # noqa: E402
from least import Multiplying, Reading  # noqa: E402
from signals import flat_windows, int16_samples, softmax, windows  # noqa: E402

STATES = {"c": ("new_state_c",), "h": ("new_state_h",)}  # how the names of outputs may end


class Worker(Commands):
    packages = ("openvino", "numpy")

    def load(self, model: str, device: str = "CPU", package: str = "", chunk_samples: int = 0, precision: str = "f32"):
        """Notes what to run. package: where this project lies. chunk_samples: of one chunk, for an IR that takes audio
        in blocks. precision: in which it runs; empty: chunks in the device's own, all else in f32."""
        self.model, self.device, self.chunk_samples = model, device, chunk_samples
        self.chunk_precision, self.precision = precision, precision or "f32"
        self.config = {"INFERENCE_NUM_THREADS": THREADS} if device == "CPU" else {}
        self.call: Any = None
        self.multiplying: Any = None
        self.network: Any = None
        self.served: Any = None
        self.address = ""
        self.server: Any = None
        sys.path.append(package)

    def compile(self, cache: str = "") -> dict:
        """From the file to a compiled model, by a model cache if one is named; from then on chunks run on it."""
        start = time.perf_counter()
        compiled = self._compile(self.model, cache)
        spent = 1000 * (time.perf_counter() - start)
        self.call = Call(compiled, self.chunk_samples)
        return {"ms": [spent]}

    def chunk(self, frames: int, repeat: int) -> dict:
        return self._timed(self._call(), frames, repeat)

    def least(self, frames: int, once: int, each_frame: int, multiply_adds: int, whole: bool) -> dict:
        """What a chunk costs at least: reading its weights, or multiplying by them, whichever takes longer.

        once, each_frame: bytes that are read for the chunk, and for each frame; multiply_adds: of a frame; whole: by
        whole numbers of 8 bits."""
        read = sum(min(timed(Reading(size), 3)) * times for size, times in ((once, 1), (each_frame, frames)) if size)
        if self.multiplying is None or self.multiplying.whole != whole:
            self.multiplying = Multiplying(whole, self._compile)
        rate = self.multiplying.count / min(timed(self.multiplying, 3))
        multiply = frames * multiply_adds / rate
        return {
            "ms": [max(read, multiply)],
            "bytes_a_second": 1000 * (once + frames * each_frame) / read if read else None,
            "multiply_adds_a_second": 1000 * rate,
        }

    def probabilities(self, frames: int, chunks: int) -> list:
        """Probabilities of chained chunks from zero state, row after row; of one call with all frames if there are no
        chunks."""
        call = self._call()
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

    def corpus(self, audio: list, batches: bool = True) -> dict:
        """Several recordings in one batch, if the IR takes batches, and batches are wanted."""
        network, samples = self._network(), [int16_samples(path) for path in audio]
        if not (batches and hasattr(network, "transcribe_batch")):
            return super().corpus(audio)
        start = time.perf_counter()
        texts = [result.text for result in network.transcribe_batch(samples)]
        return {"ms": [1000 * (time.perf_counter() - start)], "texts": texts}

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

    def serve(self) -> dict:
        """Live streams over WebSockets, on a port of this machine that is free, until the process ends."""
        if not self.address:
            import queue
            import threading

            from deepspeech_recipe.serve import serve

            said: Any = queue.SimpleQueue()
            options: Any = {"max_streams": 1000, "max_connections": 1100, "silence": 0, "max_utterance": 1e6}
            options |= {"device": self.device, "precision": self.precision, "port": 0}
            self.server = threading.Thread(target=lambda: serve(self.model, log=said.put, **options), daemon=True)
            self.server.start()
            self.address = said.get(timeout=60)
        return {"address": self.address}

    def serves(self) -> dict:
        """Whether the server that `serve` began is still there: it ends if its model cannot be loaded."""
        return {"alive": self.server.is_alive()}

    def live(self, audio: str, rows: int) -> dict:
        """That many streams that hear the audio at real-time pace, without a server: how late each chunk's text is."""
        from deepspeech_recipe.runtime.load import load

        found = load(self._streams(), int16_samples(audio), rows)
        return {
            "ms": (1000 * found.latencies).tolist(),
            "processor_ms_a_second": 1000 * found.cpu / found.audio,
            "memory": self.memory().get("now"),
        }

    def used(self) -> dict:
        """Seconds of the processors so far, and bytes of memory now."""
        return {"processor": time.process_time(), "memory": self.memory().get("now")}

    def _call(self):
        if self.call is None:
            self.call = Call(self._compile(self.model), self.chunk_samples)
        return self.call

    def _timed(self, call, frames: int, repeat: int) -> dict:
        call.prepare(frames)
        return {"ms": timed(call, repeat)}

    def _compile(self, model, cache: str = ""):
        core, config = ov.Core(), dict(self.config)
        supported = core.get_property(self.device, "SUPPORTED_PROPERTIES")
        if self.chunk_precision and "INFERENCE_PRECISION_HINT" in supported:
            config["INFERENCE_PRECISION_HINT"] = self.chunk_precision
        if cache:
            config["CACHE_DIR"] = cache
        return core.compile_model(model, self.device, config)

    def _network(self):
        """The runtime's Recognizer, or its DeepSpeechV01."""
        if self.network is None:
            from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import extractor

            model, options = self._recognizer()
            self.network = extractor(model, self.device, config=self.config, **options)
        return self.network

    def _streams(self):
        """A Recognizer, the same that the server makes."""
        if self.served is None:
            from deepspeech_recipe.serve.engine import recognizer_for
            from deepspeech_recipe.serve.options import Options

            self.served, _ = recognizer_for(
                self.model, Options().max_batch, device=self.device, precision=self.precision
            )
        return self.served

    def _recognizer(self):
        """What the Recognizer is made of, and its further options."""
        return self.model, {"precision": self.precision}


class Call:
    """One chunk of all rows, its state fed back. Tensors are set once and shared, as a fast program would."""

    def __init__(self, compiled, chunk_samples: int, rows: int = 1):
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
