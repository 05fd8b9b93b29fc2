"""The bundled model, from a frozen graph to text: converted, compared with the original, transcribed."""

import os
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.converters import mo
from deepspeech_recipe.converters.extensions import extensions
from deepspeech_recipe.ir.read import read_ir
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings.audio_files import audio_blocks
from deepspeech_recipe.runtime.recordings.clips import Clip, read_clips
from deepspeech_recipe.verification import verify
from deepspeech_recipe.verification.report import tick

MODEL = Path(__file__).parent / "data" / "model"
GRAPH = MODEL / "output_graph.pb"
NAME = "acoustic"


def demo(output: str | os.PathLike | None = None, *, log: Callable[[str], None] = print) -> bool:
    """Converts the bundled model with the real `mo`, compares it with the original, and transcribes its recordings.

    Without Model Optimizer, OpenVINO's own frontend converts it.
    output: directory for the IR, by default a new temporary one, which stays. log: gets each line of the report.
    Returns whether every check passed. Raises RecipeError if a conversion fails.
    """
    directory = Path(tempfile.mkdtemp(prefix="deepspeech-recipe-demo-") if output is None else output).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    works, reason = mo.usable()
    if not works:
        log(f"Without Model Optimizer: {reason}. {mo.remedy()}")
        log("")
    log(f"1. Conversion with {'Model Optimizer and the plugin' if works else 'the TensorFlow frontend of OpenVINO'}")
    (_by_mo if works else _by_openvino)(directory, log)
    log(f"   ({time.perf_counter() - started:.0f} s)")
    ir = directory / f"{NAME}.xml"
    checks = [_structure(ir, log)]
    log("")
    log("2. The IR and the original, in chained chunks")
    report = verify(GRAPH, ir)
    checks += [check.passed for check in report.checks]
    for line in report.lines()[1:]:
        log(f"   {line}")
    log("")
    log("3. Speech to text with the IR, greedy decoding; none of these recordings was trained on")
    checks += _transcribe(ir, read_clips(MODEL / "transcripts.csv"), log)
    log("")
    log(f"IR: {ir}")
    log(f"{sum(checks)} of {len(checks)} checks passed in {time.perf_counter() - started:.0f} s")
    return all(checks)


def _by_mo(directory: Path, log: Callable[[str], None]) -> None:
    arguments = ["--input_model", str(GRAPH), "--output_dir", str(directory), "--model_name", NAME]
    arguments += ["--compress_to_fp16=False"]
    log(f"   $ {shlex.join(['mo', '--extensions', str(extensions()), *arguments])}")
    # mo also looks for extensions in the current directory: run it where there are none.
    for line in mo.run(arguments, directory).splitlines():
        if "deepspeech-recipe" in line or "SUCCESS" in line:
            log(f"     {line}")


def _by_openvino(directory: Path, log: Callable[[str], None]) -> None:
    options = ["--converter", "openvino", "--audio", "separate", "--name", NAME, "--no-verify"]
    log(f"   $ {shlex.join(['deepspeech-recipe', 'convert', str(GRAPH), '-o', str(directory), *options])}")
    convert(GRAPH, directory, converter="openvino", audio="separate", name=NAME, verify=False)


def _structure(ir: Path, log: Callable[[str], None]) -> bool:
    operations = Counter(node.get_type_name() for node in read_ir(ir).get_ops())
    sequences, loops = operations["LSTMSequence"], operations["Loop"] + operations["TensorIterator"]
    passed = sequences == 1 and not loops
    log(f"   {tick(passed)} LSTMSequence: {sequences}, loops: {loops}")
    return passed


def _transcribe(ir: Path, clips: list[Clip], log: Callable[[str], None]) -> list[bool]:
    """Transcribes the recordings, and returns for each whether its text was recognised."""
    checks, recognizer = [], Recognizer(ir)
    rate = recognizer.sample_rate
    recognizer.transcribe_blocks(audio_blocks(clips[0].path, rate))  # loads what reads audio: not timed
    for clip in clips:
        started = time.perf_counter()
        result = recognizer.transcribe_blocks(audio_blocks(clip.path, rate))
        checks.append(result.text == clip.transcript)
        worked = time.perf_counter() - started
        log(f"   {tick(checks[-1])} {clip.path.stem}: {result.seconds:.1f} s of audio in {1000 * worked:.0f} ms")
        log(f"       expected    {clip.transcript}")
        log(f"       recognised  {result.text}")
    return checks
