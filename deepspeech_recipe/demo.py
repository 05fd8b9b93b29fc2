"""The bundled model, from a frozen graph to text: converted, compared with TensorFlow, transcribed."""

import csv
import importlib.util
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.extensions import extensions

MODEL = Path(__file__).resolve().parent / "data" / "model"
INSTALL = "pip install openvino-dev==2024.6.0 tensorflow-cpu==2.17.*, on Python 3.10 to 3.12"
# Largest differences allowed, FP32 weights; measured 3e-7, 1e-6 and 5e-5.
PROBABILITIES, STATES, MFCCS = 1e-5, 1e-5, 1e-4


def demo(output=None, *, say: Callable[[str], None] = print) -> bool:
    """Converts the bundled model with the real `mo`, checks it against TensorFlow, and transcribes its recordings.

    output: directory for the IR, by default a new temporary one, which stays. say: gets each line of the report.
    Returns whether every check passed. Raises RecipeError where Model Optimizer or TensorFlow is missing, or `mo`
    fails.
    """
    mo = _requirements()
    directory = _directory(output)
    started = time.perf_counter()
    say("1. Conversion with Model Optimizer and the plugin")
    graph, plugin = str(MODEL / "output_graph.pb"), str(extensions())
    common = [mo, "--input_model", graph, "--extensions", plugin, "--output_dir", str(directory)]
    _convert([*common, "--model_name", "acoustic", "--compress_to_fp16=False"], directory, say)
    features = ["--input", "input_samples[?]", "--output", "mfccs", "--model_name", "features"]
    _convert([*common, *features, "--compress_to_fp16=False"], directory, say)

    from deepspeech_recipe import demo_run

    model = demo_run.Model(directory / "acoustic.xml", directory / "features.xml")
    recordings = _recordings()
    checks = [demo_run.structure(model, say)]
    say("")
    name, samples, _ = recordings[0]
    say(f"2. The IR and TensorFlow, on '{name}' ({samples.size / model.sample_rate:.1f} s) in chained chunks")
    limits = {"probabilities": PROBABILITIES, "states": STATES, "MFCCs": MFCCS}
    checks += demo_run.compare(model, MODEL / "output_graph.pb", samples, limits, say)
    say("")
    say("3. Speech to text with the IR, greedy decoding; the model has not heard these voices or texts before")
    checks += demo_run.transcribe(model, recordings, say)
    say("")
    say(f"IR: {directory / 'acoustic.xml'} (features: {directory / 'features.xml'})")
    passed = sum(checks)
    say(f"{passed} of {len(checks)} checks passed in {time.perf_counter() - started:.0f} s")
    return all(checks)


def _requirements() -> str:
    """The command `mo`. Raises RecipeError naming all that is missing."""
    beside = Path(sys.executable).with_name("mo")
    mo = str(beside) if beside.exists() else shutil.which("mo")
    missing = [] if mo else ["Model Optimizer (the command mo, of openvino-dev 2024.6.0)"]
    missing += [] if importlib.util.find_spec("tensorflow") else ["TensorFlow"]
    if missing:
        raise RecipeError(f"The demo needs {' and '.join(missing)}: {INSTALL}.")
    return mo


def _directory(output) -> Path:
    if output is None:
        return Path(tempfile.mkdtemp(prefix="deepspeech-recipe-demo-"))
    directory = Path(output).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _convert(command: list[str], directory: Path, say) -> None:
    say(f"   $ {shlex.join(['mo', *command[1:]])}")
    started = time.perf_counter()
    # mo also looks for extensions in the current directory: run it where there are none.
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, errors="replace", check=False)
    printed = done.stdout + done.stderr
    if done.returncode:
        errors = [line.strip() for line in printed.splitlines() if "ERROR" in line]
        raise RecipeError(f"mo failed with exit code {done.returncode}: {' '.join(errors) or printed[-500:]}")
    for line in printed.splitlines():
        if "deepspeech-recipe" in line or "SUCCESS" in line:
            say(f"     {line}")
    say(f"     ({time.perf_counter() - started:.0f} s)")


def _recordings() -> list[tuple[str, np.ndarray, str]]:
    """(name, samples −1…1, text) of each bundled recording."""
    from deepspeech_recipe.demo_run import read_wav

    with (MODEL / "transcripts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        (Path(row["wav_filename"]).stem, read_wav(MODEL / row["wav_filename"]), row["transcript"]) for row in rows
    ]
