"""A frozen v0.9 graph run in TensorFlow, call by call as DeepSpeech's client runs it."""

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf


class Frozen:
    """``Frozen(path)``: sizes in ``steps``, ``context``, ``n_input``, ``window``; then the methods below."""

    def __init__(self, path):
        graph_def = tf.compat.v1.GraphDef()
        with open(path, "rb") as file:
            graph_def.ParseFromString(file.read())
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
        threads = {"intra_op_parallelism_threads": 1, "inter_op_parallelism_threads": 1}
        self._session = tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto(**threads))
        shape = graph.get_tensor_by_name("input_node:0").shape
        self.steps, self.context, self.n_input = shape[1], shape[2] // 2, shape[3]
        self.window = graph.get_tensor_by_name("input_samples:0").shape[0]
        self._stride = graph.get_operation_by_name("AudioSpectrogram").get_attr("stride")
        self._hidden = graph.get_tensor_by_name("previous_state_c:0").shape[1]

    def constant(self, name: str):
        """The value of a node without inputs, such as ``metadata_alphabet``."""
        return self._session.run(f"{name}:0")

    def mfccs(self, pcm: np.ndarray) -> np.ndarray:
        """int16 ``[samples]`` → ``[frames, n_input]``, one window a call, the zero-padded rest at the end."""
        count = max(0, (pcm.size - self.window) // self._stride + 1) + 1
        samples = np.zeros((count - 1) * self._stride + self.window, np.float32)
        samples[: pcm.size] = pcm / np.float32(32768)
        starts = np.arange(count) * self._stride
        frames = [
            self._session.run("mfccs:0", {"input_samples:0": samples[start : start + self.window]}) for start in starts
        ]
        return np.concatenate(frames)

    def probabilities(self, frames: np.ndarray) -> np.ndarray:
        """MFCCs ``[T, n_input]`` → ``[T, classes]``: chained calls of ``steps`` windows from zero state, the
        last one padded with zeros."""
        padded = np.pad(frames, [(self.context, self.context), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.context + 1, axis=0)
        windows = windows.transpose(0, 2, 1)
        c = h = np.zeros((1, self._hidden), np.float32)
        rows = []
        for start in range(0, len(frames), self.steps):
            chunk = windows[start : start + self.steps]
            feed = np.zeros((1, self.steps, *chunk.shape[1:]), np.float32)
            feed[0, : len(chunk)] = chunk
            out, c, h = self._session.run(
                ["logits:0", "new_state_c:0", "new_state_h:0"],
                {
                    "input_node:0": feed,
                    "input_lengths:0": [len(chunk)],
                    "previous_state_c:0": c,
                    "previous_state_h:0": h,
                },
            )
            rows.append(out[: len(chunk), 0])
        return np.concatenate(rows)
