"""The bundled model, from a frozen graph to text: converted, compared with TensorFlow, transcribed."""

import csv
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.converters import mo
from deepspeech_recipe.converters.extensions import extensions

MODEL = Path(__file__).resolve().parents[1] / "data" / "model"
GRAPH = MODEL / "output_graph.pb"
# Largest differences allowed; states relative to the largest cell state. Measured 5e-6, 2e-7 and 1e-5.
LIMITS = {"probabilities": 1e-5, "states": 1e-6, "MFCCs": 1e-4}


def demo(output=None, *, log: Callable[[str], None] = print) -> bool:
    """Converts the bundled model with the real `mo`, checks it against TensorFlow, and transcribes its recordings.

    If Model Optimizer or TensorFlow is missing, OpenVINO's own frontend converts it and `verify` checks it.

    - output: a directory for the IR, by default a new temporary one, which stays.
    - log: gets every line of the report.

    Returns whether every check passed. Raises RecipeError if a conversion fails.
    """
    directory = _directory(output)
    started = time.perf_counter()
    works, reason = mo.usable()
    recordings = _recordings()
    if works:
        model, checks = _with_mo(directory, recordings[0], log)
    else:
        log(f"Without Model Optimizer: {reason}. {mo.remedy()}")
        log("")
        model, checks = _without_mo(directory, log)
    log("")
    log("3. Speech to text with the IR, greedy decoding; none of these recordings was trained on")
    checks += model.transcribe(recordings, log)
    log("")
    log(f"IR: {model.acoustic} (features: {model.features})")
    log(f"{sum(checks)} of {len(checks)} checks passed in {time.perf_counter() - started:.0f} s")
    return all(checks)


def _with_mo(directory: Path, recording, log):
    """(model, checks passed)"""
    log("1. Conversion with Model Optimizer and the plugin")
    _convert(["--model_name", "acoustic"], directory, log)
    _convert(["--model_name", "features", "--input", "input_samples[?]", "--output", "mfccs"], directory, log)

    from deepspeech_recipe.demonstration.compare import compare
    from deepspeech_recipe.demonstration.run import Model

    model = Model(directory / "acoustic.xml", directory / "features.xml")
    checks = [model.check_structure(log)]
    log("")
    name, samples, _ = recording
    log(f"2. The IR and TensorFlow, on '{name}' ({samples.size / model.sample_rate:.1f} s) in chained chunks")
    return model, checks + compare(model, GRAPH, samples, LIMITS, log)


def _without_mo(directory: Path, log):
    """(model, checks passed)"""
    from deepspeech_recipe.conversion.convert import convert
    from deepspeech_recipe.demonstration.run import Model

    options = ["--converter", "openvino", "--audio", "separate", "--name", "acoustic", "--verify"]
    log("1. Conversion with OpenVINO's TensorFlow frontend")
    log(f"   $ {shlex.join(['deepspeech-recipe', 'convert', str(GRAPH), '-o', str(directory), *options])}")
    result = convert(GRAPH, directory, name="acoustic", converter="openvino", audio="separate", verify=True)
    model = Model(*(path for path in result.files if path.suffix == ".xml"))
    checks = [model.check_structure(log)]
    log("")
    log(f"2. The IR and the original ({result.verification.reference})")
    for check in result.verification.checks:
        log(f"   {check.line()}")
    return model, checks + [check.passed for check in result.verification.checks]


def _directory(output) -> Path:
    if output is None:
        return Path(tempfile.mkdtemp(prefix="deepspeech-recipe-demo-"))
    directory = Path(output).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _convert(options: list[str], directory: Path, log) -> None:
    arguments = ["--input_model", str(GRAPH), "--output_dir", str(directory), *options]
    arguments += ["--compress_to_fp16=False"]
    log(f"   $ {shlex.join(['mo', '--extensions', str(extensions()), *arguments])}")
    started = time.perf_counter()
    # mo also looks for extensions in the current directory: run it where there are none.
    for line in mo.run(arguments, directory).splitlines():
        if "deepspeech-recipe" in line or "SUCCESS" in line:
            log(f"     {line}")
    log(f"     ({time.perf_counter() - started:.0f} s)")


def _recordings() -> list[tuple[str, np.ndarray, str]]:
    """(name, samples −1…1, text) of each bundled recording."""
    from deepspeech_recipe.demonstration.run import read_wav

    with (MODEL / "transcripts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(Path(row["wav_filename"]).stem, read_wav(MODEL / row["wav_filename"]), row["transcript"]) for row in rows]
