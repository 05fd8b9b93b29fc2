"""The bundled model in TensorFlow and in OpenVINO, call by call."""

import os
import time
from pathlib import Path

import numpy as np

from deepspeech_recipe.demonstration.run import Model, chunks, flushed, tick, windows
from deepspeech_recipe.processes.programs.plain_session import plain_session


def compare(model: Model, graph: Path, samples: np.ndarray, limits: dict[str, float], log) -> list[bool]:
    """MFCCs, then every chunk's probabilities and states, each framework feeding back its own states.

    limits: largest differences allowed; for states a multiple of the largest cell state, which has no bound.
    """
    errors = {"MFCCs": 0.0, "probabilities": 0.0, "states": 0.0}
    seconds = {"TensorFlow": 0.0, "OpenVINO": 0.0}
    largest_state = 1.0
    with _session(graph) as session:
        expected = _mfccs(session, flushed(samples, model.window, model.stride), model)
        errors["MFCCs"] = _difference(model.mfccs(samples), expected)
        zeros = np.zeros((1, model.hidden), np.float32)
        ours = theirs = (zeros, zeros)
        everything = chunks(windows(expected, model.context), model.steps)
        _step(session, everything[0], zeros, zeros)  # the first call is slow: not timed
        model.step(everything[0], zeros, zeros)
        for chunk in everything:
            started = time.perf_counter()
            reference = _step(session, chunk, *theirs)
            seconds["TensorFlow"] += time.perf_counter() - started
            started = time.perf_counter()
            found = model.step(chunk, *ours)
            seconds["OpenVINO"] += time.perf_counter() - started
            errors["probabilities"] = max(errors["probabilities"], _difference(found[0], reference[0]))
            errors["states"] = max(errors["states"], *map(_difference, found[1:], reference[1:]))
            largest_state = max(largest_state, float(np.abs(reference[1]).max()))
            ours, theirs = found[1:], reference[1:]
    limits = {**limits, "states": limits["states"] * largest_state}
    checks = []
    for what, error in errors.items():
        checks.append(bool(error <= limits[what]))
        log(f"   {tick(checks[-1])} {what}: largest difference {error:.1e} (allowed {limits[what]:.1e})")
    times = ", ".join(f"{name} {1000 * total:.0f} ms" for name, total in seconds.items())
    log(f"   {len(everything)} chunks of {model.steps} steps: {times}; cell states reach {largest_state:.0f}")
    return checks


def _session(graph: Path):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(graph.read_bytes())
    with tf.Graph().as_default() as loaded:
        tf.import_graph_def(definition, name="")
    return plain_session(loaded)


def _mfccs(session, samples: np.ndarray, model: Model) -> np.ndarray:
    """One window a call, as the graph takes them."""
    starts = range(0, samples.size - model.window + 1, model.stride)
    rows = [session.run("mfccs:0", {"input_samples:0": samples[start : start + model.window]}) for start in starts]
    return np.concatenate(rows)


def _step(session, chunk: np.ndarray, c: np.ndarray, h: np.ndarray):
    feeds = {"input_node": chunk, "input_lengths": [chunk.shape[1]], "previous_state_c": c, "previous_state_h": h}
    return session.run(
        ["logits:0", "new_state_c:0", "new_state_h:0"], {f"{name}:0": value for name, value in feeds.items()}
    )


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest absolute difference; infinite where there is a NaN."""
    return float(np.nan_to_num(np.abs(ours - theirs), nan=np.inf).max())
