"""The bundled model, from a frozen graph to text: converted, compared with TensorFlow, transcribed."""

import csv
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.converters import mo
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.extensions import extensions

MODEL = Path(__file__).resolve().parent / "data" / "model"
# Largest differences allowed; states relative to the largest cell state. Measured 5e-6, 2e-7 and 1e-5.
LIMITS = {"probabilities": 1e-5, "states": 1e-6, "MFCCs": 1e-4}


def demo(output=None, *, say: Callable[[str], None] = print) -> bool:
    """Converts the bundled model with the real `mo`, checks it against TensorFlow, and transcribes its recordings.

    output: directory for the IR, by default a new temporary one, which stays. say: gets each line of the report.
    Returns whether every check passed. Raises RecipeError where Model Optimizer or TensorFlow is missing, or `mo`
    fails.
    """
    works, reason = mo.usable()
    if not works:
        raise RecipeError(f"The demo converts with Model Optimizer: {reason}. Install it with {mo.INSTALL}.")
    directory = _directory(output)
    started = time.perf_counter()
    say("1. Conversion with Model Optimizer and the plugin")
    _convert(["--model_name", "acoustic"], directory, say)
    _convert(["--model_name", "features", "--input", "input_samples[?]", "--output", "mfccs"], directory, say)

    from deepspeech_recipe import demo_run

    model = demo_run.Model(directory / "acoustic.xml", directory / "features.xml")
    recordings = _recordings()
    checks = [demo_run.structure(model, say)]
    say("")
    name, samples, _ = recordings[0]
    say(f"2. The IR and TensorFlow, on '{name}' ({samples.size / model.sample_rate:.1f} s) in chained chunks")
    checks += demo_run.compare(model, MODEL / "output_graph.pb", samples, LIMITS, say)
    say("")
    say("3. Speech to text with the IR, greedy decoding; the model has not heard these voices or texts before")
    checks += demo_run.transcribe(model, recordings, say)
    say("")
    say(f"IR: {directory / 'acoustic.xml'} (features: {directory / 'features.xml'})")
    passed = sum(checks)
    say(f"{passed} of {len(checks)} checks passed in {time.perf_counter() - started:.0f} s")
    return all(checks)


def _directory(output) -> Path:
    if output is None:
        return Path(tempfile.mkdtemp(prefix="deepspeech-recipe-demo-"))
    directory = Path(output).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _convert(options: list[str], directory: Path, say) -> None:
    arguments = ["--input_model", str(MODEL / "output_graph.pb"), "--output_dir", str(directory), *options]
    arguments += ["--compress_to_fp16=False"]
    say(f"   $ {shlex.join(['mo', '--extensions', str(extensions()), *arguments])}")
    started = time.perf_counter()
    # mo also looks for extensions in the current directory: run it where there are none.
    for line in mo.run(arguments, directory).splitlines():
        if "deepspeech-recipe" in line or "SUCCESS" in line:
            say(f"     {line}")
    say(f"     ({time.perf_counter() - started:.0f} s)")


def _recordings() -> list[tuple[str, np.ndarray, str]]:
    """(name, samples −1…1, text) of each bundled recording."""
    from deepspeech_recipe.demo_run import read_wav

    with (MODEL / "transcripts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(Path(row["wav_filename"]).stem, read_wav(MODEL / row["wav_filename"]), row["transcript"]) for row in rows]
