"""Train on WORK/train.npz: ``python -m training.train WORK``, one thread, some 20 minutes.

Nothing is selected by a test split: the rate falls to zero on a fixed schedule and the last
weights are kept. ``dev`` is only printed.
"""

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from training.features import N_INPUT
from training.network import initial, logits, windows
from training.plan import SEED
from training.text import ALPHABET, edits, greedy

EPOCHS, BATCH, RATE, DROP = 24, 32, 2e-3, 0.1
JITTER, COLOUR = 0.1, 0.3  # noise a frame, and an offset an utterance, in deviations of the feature


def load(work: Path, split: str):
    """``[(frames [T, 26], text)]``."""
    with np.load(work / f"{split}.npz") as data:
        frames = np.split(data["frames"], np.cumsum(data["lengths"])[:-1])
        return list(zip(frames, data["texts"].tolist(), strict=True))


def pack(part):
    """Frames ``[B, T, 26]`` padded with zeros, lengths, and the labels as a sparse pair."""
    lengths = np.array([len(frames) for frames, _ in part], np.int32)
    padded = np.zeros((len(part), lengths.max(), N_INPUT), np.float32)
    for row, (frames, _) in zip(padded, part, strict=True):
        row[: len(frames)] = frames
    codes = [[ALPHABET.index(letter) for letter in text] for _, text in part]
    where = np.array([(i, j) for i, code in enumerate(codes) for j in range(len(code))], np.int64)
    return padded, lengths, where, np.array([letter for code in codes for letter in code], np.int32)


def batches(data, std, draw):
    """Shuffled batches of similar length, with fresh noise on the features.

    A constant offset of the cepstrum is another timbre: a filter over the whole utterance.
    """
    order = draw.permutation(len(data))
    rough = [len(data[i][0]) * draw.uniform(0.9, 1.1) for i in order]
    order = order[np.argsort(rough)]
    groups = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    for g in draw.permutation(len(groups)):
        part = [data[i] for i in groups[g]]
        yield pack([(frames + std * noise(draw, len(frames)), text) for frames, text in part])


def noise(draw, count):
    """float32 ``[count, 26]`` in deviations of the feature."""
    frames, utterance = draw.standard_normal((count, N_INPUT)), draw.standard_normal(N_INPUT)
    return (JITTER * frames + COLOUR * utterance).astype(np.float32)


def step_function(weights, mean, std, total):
    """One Adam step as a graph: (frames, lengths, label places, labels, step) → loss."""
    names = sorted(weights)
    first = [tf.Variable(tf.zeros_like(weights[n])) for n in names]
    second = [tf.Variable(tf.zeros_like(weights[n])) for n in names]

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, N_INPUT]),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, 2], tf.int64),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def step(x, lengths, where, labels, number):
        x = windows(x, mean, std)
        with tf.GradientTape() as tape:
            scores = logits(weights, x, DROP, tf.stack([SEED, 8 * number]))
            loss = tf.reduce_mean(
                tf.raw_ops.CTCLoss(
                    inputs=scores,
                    labels_indices=where,
                    labels_values=labels,
                    sequence_length=lengths,
                ).loss
            )
        variables = [weights[n] for n in names]
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 5.0)
        at = tf.cast(number, tf.float32)
        rate = RATE * tf.minimum(at / 200, 0.5 + 0.5 * tf.cos(np.pi * at / total))
        rate *= tf.sqrt(1 - 0.999**at) / (1 - 0.9**at)
        for variable, gradient, m, v in zip(variables, gradients, first, second, strict=True):
            m.assign(0.9 * m + 0.1 * gradient)
            v.assign(0.999 * v + 0.001 * gradient**2)
            variable.assign_sub(rate * m / (tf.sqrt(v) + 1e-8))
        return loss

    return step


def error_rate(weights, data, mean, std) -> float:
    """Character error rate of greedy decoding."""
    wrong = letters = 0
    infer = tf.function(lambda x: logits(weights, windows(x, mean, std)), reduce_retracing=True)
    for start in range(0, len(data), BATCH):
        part = data[start : start + BATCH]
        x, lengths, _, _ = pack(part)
        scores = infer(x).numpy()
        for i, (_, text) in enumerate(part):
            wrong += edits(text, greedy(scores[: lengths[i], i]))
            letters += len(text)
    return wrong / letters


def main(work: Path) -> None:
    """Write WORK/weights.npz: the variables of :mod:`training.network`, ``mean`` and ``std``."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    data, dev = load(work, "train"), load(work, "dev")
    everything = np.concatenate([frames for frames, _ in data])
    mean, std = everything.mean(0), everything.std(0)
    draw = np.random.default_rng(SEED)
    weights = initial(SEED)
    step = step_function(weights, mean, std, EPOCHS * -(-len(data) // BATCH))
    started, number = time.time(), 0
    for epoch in range(1, EPOCHS + 1):
        losses = []
        for batch in batches(data, std, draw):
            number += 1
            losses.append(float(step(*batch, number)))
        report = f"epoch {epoch}: loss {np.mean(losses):.3f}, {time.time() - started:.0f} s"
        if epoch % 4 == 0 or epoch == EPOCHS:
            report += f", dev CER {100 * error_rate(weights, dev, mean, std):.2f} %"
        print(report, flush=True)
    values = {name: variable.numpy() for name, variable in weights.items()}
    np.savez(work / "weights.npz", mean=mean, std=std, **values)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
