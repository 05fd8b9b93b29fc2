"""Runs a frozen graph in TensorFlow: `run_tensorflow.py THREADS`."""

import os
import sys
import time
from typing import Any

from loop import NO_CHUNKS, Commands, limit_threads, serve, timed

THREADS = limit_threads()
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from signals import flat_windows, greedy_text, int16_samples, softmax, windows  # noqa: E402

tf1 = tf.compat.v1
# The tensors of a graph as DeepSpeech v0.6 and later exports it.
NAMES = {
    "windows": "input_node:0", "lengths": "input_lengths:0", "state_c": "previous_state_c:0",
    "state_h": "previous_state_h:0", "logits": "logits:0", "new_c": "new_state_c:0", "new_h": "new_state_h:0",
    "samples": "input_samples:0", "mfccs": "mfccs:0",
}  # fmt: skip


class Worker(Commands):
    packages: tuple = ("tensorflow-cpu", "numpy")

    def about(self) -> dict:
        self.packages = ()
        return {**super().about(), "tensorflow": tf.__version__, "numpy": np.__version__}

    def load(self, model: str, labels=(), package: str = "", vectors=None, names=None) -> None:
        """Notes what to run. names: the tensors' by their roles in NAMES; those that the graph does not have are left
        out.

        vectors: arguments of `classic_mfcc.input_vectors`, for a graph that reads whole utterances; package:
        where this project lies, which has it."""
        self.model, self.labels = model, list(labels)
        self.session: Any = None
        self.names = NAMES if names is None else names
        if vectors is not None:
            sys.path.append(package)
            from deepspeech_recipe.runtime.frame_features.classic_mfcc import input_vectors

            self._vectors = lambda samples: input_vectors(samples, **vectors)[None]

    def compile(self, cache: str = "") -> dict:
        """From the file to a first result, as a session makes its plan only then."""
        if cache:
            raise ValueError("TensorFlow has no model cache")
        start = time.perf_counter()
        self._open()
        self._step()
        return {"ms": [1000 * (time.perf_counter() - start)]}

    def chunk(self, frames: int, repeat: int) -> dict:
        self._prepare(frames)
        return {"ms": timed(self._step, repeat)}

    def probabilities(self, frames: int, chunks: int) -> list:
        self._prepare()
        if self.whole:
            return [softmax(self._run(flat_windows(frames * chunks, self.sizes[0]))).tolist()]
        self._prepare(frames)
        self._reset()
        return [self._step().tolist() for _ in range(chunks)]

    def utterance(self, audio: str) -> dict:
        """A recording to text as DeepSpeech's client does it: the graph's feature part window by window, then chunks;
        v0.1's: one call."""
        self._prepare()
        samples = int16_samples(audio)
        start = time.perf_counter()
        if self.whole:
            frames = len(self._run(self._vectors(samples)))
            return {"ms": [1000 * (time.perf_counter() - start)], "frames": frames}
        self._reset()
        mfccs = self._features(samples)
        context = self.sizes[0] // 2
        mfccs = np.pad(mfccs, [(context, context), (0, 0)])
        count, found = len(mfccs) - 2 * context, []
        for at in range(0, count, self.steps):
            used = min(self.steps, count - at)
            block = np.zeros((1, self.steps, *self.sizes), np.float32)
            for row in range(used):
                block[0, row] = mfccs[at + row : at + row + self.sizes[0]]
            found.append(self._run(block)[:used, 0])
        text = greedy_text(np.concatenate(found), self.labels)
        return {"ms": [1000 * (time.perf_counter() - start)], "text": text}

    def features(self, audio: str) -> dict:
        self._prepare()
        samples = int16_samples(audio)
        start = time.perf_counter()
        (self._vectors if self.whole else self._features)(samples)
        return {"ms": [1000 * (time.perf_counter() - start)]}

    def _features(self, samples) -> np.ndarray:
        if "samples" not in self.names:
            raise ValueError("the graph has no feature part")
        ends = self.names["mfccs"], [self.names["samples"]]
        size = self.graph.get_tensor_by_name(self.names["samples"]).shape[0]
        nodes = self.graph.get_operations()
        stride = next(node for node in nodes if node.type == "AudioSpectrogram").get_attr("stride")
        samples = samples.astype(np.float32) / 32768
        count = max(0, (len(samples) - size) // stride + 1) + 1
        samples = np.pad(samples, (0, max(0, (count - 1) * stride + size - len(samples))))
        run = self.session.make_callable(*ends)
        return np.concatenate([run(samples[at * stride : at * stride + size]).reshape(1, -1) for at in range(count)])

    def _open(self) -> None:
        definition = tf1.GraphDef()
        with open(self.model, "rb") as file:
            definition.ParseFromString(file.read())
        with tf1.Graph().as_default() as graph:
            tf1.import_graph_def(definition, name="")
        self.graph = graph
        config = tf1.ConfigProto(intra_op_parallelism_threads=THREADS, inter_op_parallelism_threads=1)
        self.session = tf1.Session(graph=graph, config=config)
        nodes = {node.name for node in graph.get_operations()}
        self.names = {role: name for role, name in self.names.items() if name.rpartition(":")[0] in nodes}
        self.fed = [role for role in ("state_c", "state_h") if role in self.names]
        self.lengths = "lengths" in self.names
        roles = ["windows", *self.fed, *["lengths"] * self.lengths]
        inputs = [self.names[role] for role in roles]
        outputs = [self.names[role] for role in ("logits", "new_c", "new_h") if role in self.names]
        self.network = self.session.make_callable(outputs, inputs)
        shape = graph.get_tensor_by_name(self.names["windows"]).shape.as_list()
        self.rows, self.steps, self.sizes = shape[0] or 1, shape[1] or 16, shape[2:]
        self.whole = len(self.sizes) == 1
        if self.whole:
            self.values = [flat_windows(self.steps, *self.sizes)]
        else:
            self.values = windows(8, self.rows, self.steps, *self.sizes)
        if self.fed:
            self.size = graph.get_tensor_by_name(self.names["state_c"]).shape.as_list()[1]
        self._reset()

    def _prepare(self, frames=None) -> None:
        if self.session is None:
            self._open()
        if frames is not None and self.whole:
            raise ValueError(NO_CHUNKS)
        if frames is not None and frames != self.steps:
            raise ValueError(f"the graph takes {self.steps} windows a call, a chunk has {frames}")
        if self.rows != 1:
            raise ValueError(f"the graph has a batch of {self.rows}")

    def _reset(self) -> None:
        self.number = 0
        self.state = [np.zeros((self.rows, self.size), np.float32) for _ in self.fed]

    def _step(self):
        self.number += 1
        return self._run(self.values[(self.number - 1) % len(self.values)])

    def _run(self, block):
        lengths = [np.full(len(block), block.shape[1], np.int32)] * self.lengths
        logits, *self.state = self.network(block, *self.state, *lengths)
        return logits


if __name__ == "__main__":
    serve(Worker())
