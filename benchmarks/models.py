"""Model files to measure with: the v0.9 network of any size with random weights of a fixed seed, in every form.

Speed does not depend on what a network has learned. Files are made once and kept; each appears whole or not at all.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.files import atomic_path
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical import Dense, Weights, canonical_graph

ROOT = Path(__file__).resolve().parent.parent
SEED = 5
FRAMES, CONTEXT, FEATURES = 16, 9, 26
LABELS = [" ", *"abcdefghijklmnopqrstuvwxyz", "'"]
AUDIO = AudioSettings(
    window_size=512, stride=320, magnitude_squared=True, sample_rate=16000, upper_frequency_limit=8000.0,
    dct_coefficient_count=FEATURES,
)  # fmt: skip
CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
# So that MFCCs, which reach 200, neither silence nor flood a layer.
GAINS = {"layer_1": 0.4, "layer_5": 3.0, "layer_6": 5.0}


class CannotMake(Exception):
    """One line: why a form of the model cannot be had here."""


def weights(hidden: int) -> Weights:
    rng = np.random.default_rng(SEED)

    def dense(name: str, inputs: int, outputs: int) -> Dense:
        kernel = GAINS.get(name, 1.3) / np.sqrt(inputs) * rng.standard_normal((inputs, outputs), np.float32)
        return Dense(kernel.astype(np.float32), (0.3 * rng.standard_normal(outputs)).astype(np.float32))

    first = dense("layer_1", (2 * CONTEXT + 1) * FEATURES, hidden)
    middle = [dense(name, hidden, hidden) for name in ("layer_2", "layer_3")]
    lstm = dense("lstm", 2 * hidden, 4 * hidden)
    last = [dense("layer_5", hidden, hidden), dense("layer_6", hidden, len(LABELS) + 1)]
    return Weights(first, *middle, lstm.kernel, lstm.bias, *last)


def frozen_graph(path: Path, hidden: int) -> None:
    """A .pb that TensorFlow, `mo` and Mozilla's client read."""
    graph = canonical_graph(
        weights(hidden), n_context=CONTEXT, n_steps=FRAMES, audio=AUDIO, language="en-US",
        alphabet=serialize_alphabet([label.encode() for label in LABELS]),
    )  # fmt: skip
    path.write_bytes(graph.SerializeToString())


def memory_mapped(path: Path, pb: Path) -> None:
    """A .pbmm, which Mozilla's client maps instead of reading it."""
    from deepspeech_recipe.graphdef.proto import GraphDef
    from tests.support.pbmm_writer import write_pbmm

    write_pbmm(GraphDef.FromString(pb.read_bytes()), path)


def mo(python: Path, pb: Path, xml: Path, hidden: int, form: str) -> None:
    """mo's IR. form: 'plugin'; 'legacy' or 'default', its frontend without the plugin and with every name typed."""
    arguments = ["--input_model", str(pb), "--output_dir", str(xml.parent), "--model_name", xml.stem]
    if form == "plugin":
        arguments += ["--extensions", str(ROOT / "mo_extensions")]
    else:
        states = ",".join(f"previous_state_{kind}[1,{hidden}]" for kind in "hc")
        arguments += [
            "--input",
            f"input_lengths->[{FRAMES}],input_node[1,{FRAMES},{2 * CONTEXT + 1},{FEATURES}],{states}",
        ]
        arguments += ["--output", f"{CELL}/GatherNd_1,{CELL}/GatherNd,logits"]
        arguments += ["--use_legacy_frontend"] if form == "legacy" else []
    _run([python, "-m", "openvino.tools.mo", *arguments], cwd=xml.parent)


def convert(python: Path, pb: Path, xml: Path, *options: str) -> None:
    """An IR by this project's `convert`."""
    command = ["-m", "deepspeech_recipe", "convert", pb, "-o", xml.parent, "--name", xml.stem, "--no-verify", *options]
    _run([python, *command], cwd=xml.parent)


def metadata() -> dict:
    """What this project writes into an IR of these models."""
    from dataclasses import asdict

    return {
        "recipe": "deepspeech", "sample_rate": AUDIO.sample_rate, "features": asdict(AUDIO), "n_input": FEATURES,
        "n_context": CONTEXT, "alphabet": {"encoding": "utf-8", "labels": LABELS}, "head": "probabilities",
    }  # fmt: skip


def tensorflow_lite(python: Path, path: Path, hidden: int) -> None:
    """Coqui's int8 .tflite of the same weights, by its real exporter (see `export_tflite.py`)."""
    values = weights(hidden)
    arrays = {"lstm_kernel": values.lstm_kernel, "lstm_bias": values.lstm_bias}
    for number in (1, 2, 3, 5, 6):
        layer = getattr(values, f"layer_{number}")
        arrays |= {f"layer_{number}_weights": layer.kernel, f"layer_{number}_bias": layer.bias}
    np.savez(path.parent / "weights.npz", **arrays)
    alphabet = path.parent / "alphabet.txt"
    alphabet.write_text("".join(f"{label}\n" for label in LABELS))
    script = ROOT / "benchmarks" / "export_tflite.py"
    environment = {"PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}
    _run([python, script, path.parent, str(hidden), path], cwd=path.parent, **environment)


def file_name(name: str, suffix: str) -> str:
    """Of a contender's file."""
    return name.replace(" ", "_").replace(",", "") + suffix


def made(path: Path, make: Callable[[Path], None], *, again: bool = False) -> Path:
    """`path`, after `make` has written it to another directory, if it is not there yet or is to be made again; weights
    beside an IR come along."""
    if path.exists() and not again:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as folder:
        make(Path(folder) / path.name)
        for suffix in (".bin", path.suffix):
            file = (Path(folder) / path.name).with_suffix(suffix)
            if file.exists():
                with atomic_path(path.with_suffix(suffix)) as temporary:
                    shutil.move(file, temporary)
    return path


def _run(command: list, cwd: Path, **environment: str) -> None:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **quiet, **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        raise CannotMake((errors or lines or ["no output"])[-1])
