"""A benchmark of the user's own IRs and models on their machine."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from deepspeech_recipe.alphabet import label_texts
from deepspeech_recipe.benchmarking import scenarios as make
from deepspeech_recipe.benchmarking.contenders import PACKAGE, PROGRAMS, Contender, ir_contender
from deepspeech_recipe.benchmarking.machine import usable_processors
from deepspeech_recipe.benchmarking.recordings import write_speech
from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.benchmarking.rounds import Entry, take_turns
from deepspeech_recipe.benchmarking.serving import STREAMS, serve
from deepspeech_recipe.benchmarking.write import check_output, write
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.pure import pure_graph
from deepspeech_recipe.installation import tensorflow
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.options import Precision
from deepspeech_recipe.ir.runner import check_precision
from deepspeech_recipe.processes.worker import Failed, Worker
from deepspeech_recipe.recipes.recognition import recognise
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.temporary import temporary_directory
from deepspeech_recipe.verification.find_original import find_original

SCENARIOS = ("chunk", "utterance", "corpus", "start", "serve")
DEFAULT_SCENARIOS = ("chunk", "utterance", "start")
RECORDINGS = 8  # of a corpus, each an eighth longer than the one before
REPEAT = 10  # chunks of a turn
_SHORT = 1  # seconds: warms up
_SHORT_LIVE = 3  # seconds: calls of several streams come in several sizes, each of which has a first time
# What a model file is converted to.
_FORMS = {"fp32": {"weights": "fp32"}, "int8": {"weights": "int8"}}
_BATCHED = {"int8, batches": {"weights": "int8", "batch": "dynamic"}}


def benchmark(
    models: Sequence[str | os.PathLike],
    *,
    against: str | os.PathLike | None = None,
    scenarios: Sequence[str] = DEFAULT_SCENARIOS,
    rounds: int = 5,
    seconds: float = 20,
    streams: Sequence[int] = STREAMS,
    threads: int | None = None,
    device: str = "CPU",
    precision: Sequence[Precision] = (),
    python: Sequence[str | os.PathLike] = (),
    output: str | os.PathLike | None = None,
    log: Callable[[str], None] | None = None,
) -> Report:
    """Measures IRs and models side by side on this machine.

    A model of any kind is converted to FP32 and to 8 bits, and runs in TensorFlow if that is installed.

    - against: the IR or model to compare with; by default TensorFlow if it takes part, else the first of `models`.
    - scenarios: some of 'chunk', 'utterance', 'corpus', 'start' and 'serve'.
    - rounds: how often every contender takes its turn.
    - seconds: the length of an utterance, and of the longest recording of a corpus.
    - streams: how many live streams a server has at the same time, of 'serve': one figure for each number.
    - threads: of every contender; None: all processors.
    - device: OpenVINO's. precision: further ones than f32 in which the IRs are to run too, 'bf16' or 'f16'.
    - python: other interpreters with openvino and numpy, in which the IRs run too.
    - output: a directory for benchmark.json, benchmark.md and, if matplotlib is installed, benchmark.png.
    - log: gets a line for every step.

    Raises RecipeError for bad input; what one contender cannot do is a line of the report.
    """
    log = log or (lambda line: None)
    threads = _check(models, scenarios, rounds, seconds, streams, threads)
    for other in precision:
        check_precision(device, other)
    if output is not None:
        check_output(output)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(temporary_directory()))
        forms = _FORMS | (_BATCHED if {"corpus", "serve"} & set(scenarios) else {})
        contenders, baseline = _contenders(models, against, device, folder, forms, log)
        contenders = _everywhere(contenders, python, threads)
        irs = [contender for contender in contenders if contender.worker == "openvino"]
        contenders = [*contenders, *(each.in_precision(other) for other in precision for each in irs)]
        frames, step, rate = _sizes(contenders)
        report = Report(baseline, threads, frames * step)
        log("starting " + ", ".join(contender.name for contender in contenders))
        team = stack.enter_context(make.Team(contenders, threads))
        report.add_team(team)
        for scenario in scenarios:
            log(scenario)
            asked = _entries(team, scenario, folder, frames, seconds, streams, rate, step)
            report.add(take_turns(asked, rounds, log))
            if scenario == "chunk":
                report.differences = make.differences(team, frames)
    if report.failed:
        reasons = {row["failure"] for row in report.contenders} | {row.failure for row in report.measurements}
        said = "; ".join(sorted(reason.rstrip(".") for reason in filter(None, reasons)))
        raise RecipeError(f"Nothing could be measured: {said}.")
    if output is not None:
        write(report, output)
    return report


def _entries(
    team, scenario: str, folder: Path, frames: int, seconds: float, streams: Sequence[int], rate: int, step: float
) -> list[Entry]:
    if scenario == "chunk":
        return [*make.chunk(team, REPEAT, frames), *make.floor(team, frames)]
    short = write_speech(folder, [_SHORT], rate)[_SHORT]
    if scenario == "corpus":
        lengths = [seconds * (number + 1) / RECORDINGS for number in range(RECORDINGS)]
        return make.corpus(team, [*write_speech(folder, lengths, rate).values()], sum(lengths), short)
    recordings = write_speech(folder, [seconds], rate)
    if scenario == "serve":
        short = write_speech(folder, [_SHORT_LIVE], rate)[_SHORT_LIVE]
        return serve(team, streams, recordings[seconds], short, step)
    if scenario == "start":
        return make.start(team, recordings[seconds], short)
    return [*make.utterance(team, recordings, short), *make.features(team, recordings, short)]


def _check(models, scenarios, rounds: int, seconds: float, streams: Sequence[int], threads: int | None) -> int:
    """The number of threads."""
    if not models:
        raise RecipeError("Nothing to measure: give an IR (.xml) or a model file.")
    for scenario in scenarios:
        if scenario not in SCENARIOS:
            raise RecipeError(f"There is no scenario {scenario!r}, only {', '.join(SCENARIOS)}.")
    if rounds < 1:
        raise RecipeError(f"{rounds} rounds measure nothing; give at least 1.")
    if not 0 < seconds <= 3600:
        raise RecipeError(f"An utterance of {seconds:g} seconds cannot be measured; give more than 0, and up to 3600.")
    if not streams or min(streams) < 1:
        raise RecipeError(f"{min(streams, default=0)} live streams cannot be measured; give at least 1.")
    available = usable_processors()
    if threads is not None and not 1 <= threads <= available:
        raise RecipeError(f"{threads} threads: this machine has {available} processors; give 1 to {available}.")
    return threads or available


def _contenders(models, against, device: str, folder: Path, forms: dict, log) -> tuple[list[Contender], str]:
    """Who takes part, and the baseline's name."""
    found: list[Contender] = []
    first = None
    if against is not None:
        if _is_ir(against):
            found.append(ir_contender(against, device=device, ours=False))
        else:
            installed = tensorflow()
            if not installed.usable:
                raise RecipeError(
                    f"--against {against}: a model file runs in TensorFlow, which {installed.problem}. "
                    f"To install it: {installed.remedy}; or give an IR."
                )
            found.append(_tensorflow(open_model(against), folder))
        first = found[0].name
    for model in models:
        if _is_ir(model):
            found.append(ir_contender(model, _name(model, found), device=device))
        else:
            found += _converted(model, found, device, folder, forms, log)
    graphs = [contender.name for contender in found if contender.worker == "tensorflow"]
    return found, first or (graphs[0] if graphs else found[0].name)


def _is_ir(path) -> bool:
    return Path(path).suffix == ".xml"


def _name(path, others: list[Contender]) -> str:
    """The file's, with its directory if another one has the same."""
    name = Path(path).stem
    return str(path) if any(other.name == name for other in others) else name


def _tensorflow(source, folder: Path) -> Contender:
    """What the outputs need of the graph, and nothing else (`graphdef.pure`): a worker runs what it is given."""
    original = find_original(source)
    roles = ("windows", "lengths", "state_c", "state_h", "logits", "new_c", "new_h", "samples", "mfccs")
    tensors = {role: getattr(original, role) for role in roles}
    names = {role: str(tensor) for role, tensor in tensors.items() if tensor is not None}
    options: dict = {"labels": [], "names": names}
    model = recognise(original.view).acoustic
    if model is not None and model.flat:
        options["package"] = str(PACKAGE)
        options["vectors"] = {"sample_rate": 16000, "count": model.n_input, "context": model.n_context}
    elif model is not None and model.metadata.alphabet is not None:
        options["labels"] = label_texts(model.metadata.alphabet) or []
    graph = pure_graph(source.graph, original.fetched, original.fed)
    path = folder / f"{Path(source.path).stem}.tensorflow.pb"
    replace(source, graph=graph).write_pb(path)
    return Contender(f"TensorFlow, {Path(source.path).name}", path, "tensorflow", options=options)


def _converted(model, others: list[Contender], device: str, folder: Path, forms: dict, log) -> list[Contender]:
    found = []
    name = _name(model, others)
    for form, options in forms.items():
        log(f"converting {model} ({form})")
        place = folder / f"{len(others)}-{form}"
        # The quicker converter: the IRs are the same.
        result = convert(model, place, name="model", converter="openvino", verify=False, **options)
        made = f"`convert {' '.join(f'--{option} {value}' for option, value in options.items())}`"
        found.append(ir_contender(result.files[0], f"{name}, {form}", device=device, made=made))
    if tensorflow().usable and not any(other.worker == "tensorflow" for other in others):
        found.insert(0, _tensorflow(open_model(model), folder))
    return found


def _everywhere(contenders: list[Contender], pythons, threads: int) -> list[Contender]:
    """The IRs in other environments too."""
    found = list(contenders)
    for python in pythons:
        try:
            with Worker(python, PROGRAMS["openvino"], threads) as worker:
                version = f"OpenVINO {worker.ask('about')['openvino'].split('-')[0]}"
        except Failed as failure:
            raise RecipeError(f"--python {python}: cannot run IRs ({failure}). It needs openvino and numpy.") from None
        found += [contender.in_python(python, version) for contender in contenders if contender.worker == "openvino"]
    return _distinct(found)


def _distinct(contenders: list[Contender]) -> list[Contender]:
    """The same version in two environments must not be one row."""
    seen: dict[str, int] = {}
    for index, contender in enumerate(contenders):
        seen[contender.name] = seen.get(contender.name, 0) + 1
        if seen[contender.name] > 1:
            contenders[index] = replace(contender, name=f"{contender.name} ({seen[contender.name]})")
    return contenders


def _sizes(contenders: list[Contender]) -> tuple[int, float, int]:
    """Frames of a chunk: what the IRs take in a call, or DeepSpeech's 16; seconds of a frame; sample rate."""
    irs = [AcousticIR(contender.model) for contender in contenders if contender.worker == "openvino"]
    steps = [ir.steps for ir in irs if ir.steps]
    rates = [ir.audio.sample_rate for ir in irs if ir.audio is not None]
    step = irs[0].frame_step if irs else 0.02
    return max(steps, default=make.FRAMES), step, rates[0] if rates else 16000
