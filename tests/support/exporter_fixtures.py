"""Access to the files in fixtures/exporter, which the real exporter wrote (see its README)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "fixtures" / "exporter"
PLAIN, OTHER, DYNAMIC = FOLDER / "plain", FOLDER / "other", FOLDER / "dynamic"

# What the synthetic builder needs to make the same nodes.
WIDTHS = ("dense_1", "dense_2", "dense_3", "n_hidden", "dense_5")
OPTIONS = {
    "plain": {"batch": 1, **dict(zip(WIDTHS, (48, 40, 56, 64, 52), strict=True))},
    "other": {
        **{"batch": 1, "layer_norm": True, "n_steps": 24, "sample_rate": 8000, "beam_width": 100, "language": "de-AT"},
        **dict(zip(WIDTHS, (32, 44, 36, 40, 28), strict=True)),
    },
    "dynamic": {
        **{"batch": 2, "n_steps": -1, "window_ms": 25, "step_ms": 10},
        **dict(zip(WIDTHS, (20, 24, 28, 32, 36), strict=True)),
    },
}


@dataclass(frozen=True)
class Expected:
    """What TensorFlow 1.15 computes, float32.

    chunks [K, B, T, 19, 26] chained from zero state; logits (probabilities) and raw_logits [K, T, B, classes];
    c, h [K, B, H] after each chunk; samples [window] in -1 … 1 and their mfccs [1, 26].
    """

    chunks: np.ndarray
    logits: np.ndarray
    raw_logits: np.ndarray
    c: np.ndarray
    h: np.ndarray
    samples: np.ndarray
    mfccs: np.ndarray


def expected(variant: str) -> Expected:
    with np.load(FOLDER / variant / "expected.npz") as arrays:
        values = dict(arrays)
    values["chunks"] = values["chunks"] / np.float32(16)
    values["samples"] = values["samples"] / np.float32(32768)
    return Expected(**values)


def describe(tf, node):
    """Everything but the values of weights: name, op, inputs, device, attributes, shape and type of constants."""
    attributes = {name: value.SerializeToString(deterministic=True) for name, value in node.attr.items()}
    if node.op == "Const":
        value = tf.make_ndarray(node.attr["value"].tensor)
        attributes["value"] = (value.dtype, value.shape, value.tolist() if value.dtype == np.int32 else None)
    return node.op, list(node.input), node.device, attributes
