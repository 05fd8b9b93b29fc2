"""Any model file → an OpenVINO model in memory, or an IR in files, with every option of the IR contract."""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from deepspeech_recipe.conversion import pipeline
from deepspeech_recipe.conversion.result import ConvertResult, tensors
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context
from deepspeech_recipe.graphdef.pure import NotRepeatable
from deepspeech_recipe.installation import NoTensorFlow, tensorflow
from deepspeech_recipe.ir import save
from deepspeech_recipe.ir.metadata import metadata_of
from deepspeech_recipe.ir.names import FEATURE_PART
from deepspeech_recipe.ir.options import (
    Activations,
    Audio,
    Converter,
    Device,
    Head,
    Lengths,
    Options,
    Size,
    State,
    Weights,
)
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.sources.loaded_model import METADATA, SHAPE
from deepspeech_recipe.verification import verify as compare
from deepspeech_recipe.verification.report import Report

_SUFFIXES = (".gz", ".bz2", ".xz", ".zip", ".tar", ".tgz", ".pbmm", ".pbtxt", ".pb", ".tflite")


def convert_model(
    model: str | os.PathLike,
    *,
    recipe: str | os.PathLike | None = Options.recipe,
    freeze: Mapping[str, float] | None = Options.freeze,
    inputs: Collection[str] = Options.inputs,
    outputs: Collection[str] = Options.outputs,
    converter: Converter = Options.converter,
    state: State = Options.state,
    time_steps: Size | None = Options.time_steps,
    batch: Size | None = Options.batch,
    lengths: Lengths = Options.lengths,
    audio: Audio = Options.audio,
    weights: Weights = Options.weights,
    keep_fp16: Collection[str] = Options.keep_fp16,
    activations: Activations | None = Options.activations,
    device: Device = Options.device,
    head: Head | None = Options.head,
    alphabet: str | os.PathLike | bytes | None = None,
    sample_rate: int | None = None,
    window_ms: int | None = None,
    step_ms: int | None = None,
    beam_width: int | None = None,
    language: str | None = None,
    n_steps: int | None = None,
    n_context: int | None = None,
    upper_frequency: float | None = None,
    log: Callable[[str], None] | None = None,
) -> ov.Model:
    """Converts a model file of any kind to an OpenVINO model in memory, as `openvino.convert_model` does.

    The options are those of `convert`, and the model is the one that `convert` writes: compile it, save it with
    `openvino.save_model(model, path, compress_to_fp16=False)`, or give it to `Recognizer`, `transcribe` and `verify`.
    It is not compared with the original: `verify(path, model)` does that. One model is one `ov.Model`, so
    audio='separate', which is two, is refused.

    Raises RecipeError or Refusal.
    """
    given = locals()  # all keywords by their names, which are those of Options and of open_model
    if audio == "separate":
        raise RecipeError(
            "convert_model returns one model, and audio 'separate' is two: the network, and the audio part beside it. "
            "Give audio='attached' for one model, or write both with convert."
        )
    job = _start(given)
    with error_context(model):
        return pipeline.convert(job, keep_graph=False)[0]


def convert(
    model: str | os.PathLike,
    output: str | os.PathLike,
    *,
    name: str | None = None,
    recipe: str | os.PathLike | None = Options.recipe,
    freeze: Mapping[str, float] | None = Options.freeze,
    inputs: Collection[str] = Options.inputs,
    outputs: Collection[str] = Options.outputs,
    converter: Converter = Options.converter,
    state: State = Options.state,
    time_steps: Size | None = Options.time_steps,
    batch: Size | None = Options.batch,
    lengths: Lengths = Options.lengths,
    audio: Audio = Options.audio,
    weights: Weights = Options.weights,
    keep_fp16: Collection[str] = Options.keep_fp16,
    activations: Activations | None = Options.activations,
    device: Device = Options.device,
    head: Head | None = Options.head,
    verify: bool | None = None,
    alphabet: str | os.PathLike | bytes | None = None,
    sample_rate: int | None = None,
    window_ms: int | None = None,
    step_ms: int | None = None,
    beam_width: int | None = None,
    language: str | None = None,
    n_steps: int | None = None,
    n_context: int | None = None,
    upper_frequency: float | None = None,
    log: Callable[[str], None] | None = None,
) -> ConvertResult:
    """Converts a model file of any kind (`sources.open_model`) to `<output>/<name>.xml` and `.bin`.

    - name: by default the file's own. recipe: a Python file that says what the model is (`recipes`).
    - freeze: input → the number that it holds for good, {'keep_prob': 1} for one, which leaves dropout out.
    - inputs, outputs: where to cut the graph, as Model Optimizer's --input and --output say it: 'node', 'node:1',
      '1:node', an input also with its shape, 'node[1,16,?]'.
    - converter: 'openvino', OpenVINO's own TensorFlow frontend, or 'mo', Model Optimizer: the results are the same.
    - state: 'external' or 'internal'. time_steps, batch: a number, 'dynamic', or None for what the graph has.
    - lengths: 'enforce' (one call consumes all its windows) or 'input' (`passes.sequence_lengths`).
    - audio: 'none', 'separate' (also writes `<name>.audio.xml`: samples → windows) or 'attached' (samples → logits;
      with state 'internal' in blocks of any size, `passes.streaming`).
    - weights: 'fp32', 'fp16', or 'int8' (`passes.compress`). keep_fp16: the layers that int8 leaves in FP16.
    - activations: 'int8' (the default) or 'fp32', what is multiplied by 8 bits on processors with VNNI.
    - device: 'CPU', 'GPU' or 'NPU', what an int8 IR is for.
    - head: 'probabilities', 'raw', or None for the graph's own.
    - verify: compare the IR with the original; None: if TensorFlow is installed.
    - alphabet, sample_rate, window_ms, step_ms, beam_width, language: what the file itself may not know.
    - n_steps, n_context, upper_frequency: of the graph that is rebuilt from a checkpoint.
    - log: gets a line for every stage.

    Nothing is written unless everything succeeds. Raises RecipeError or Refusal.
    """
    given = locals()  # all keywords by their names, which are those of Options and of open_model
    name = _name(model) if name is None else name
    save.check_output(output, [name, f"{name}{FEATURE_PART}"] if audio == "separate" else [name])
    job = _start(given)
    with error_context(model):
        wanted = _can_compare(job) if verify is None else verify
        result = write_irs(job, Path(output), name, keep_graph=wanted)
        if not wanted or not result.metadata:
            return result
        try:
            return replace(result, verification=_verify(job, result))
        except (NotRepeatable, NoTensorFlow) as reason:
            if verify:
                raise
            return replace(result, notes=(*result.notes, f"not compared with the original: {reason}"))


def _start(given: Mapping[str, Any]) -> pipeline.Job:
    """Begins with what `convert` or `convert_model` was given, each by its keyword."""
    values = {**given, "recipe": _absolute(given["recipe"])}
    values |= {name: _names(given[name]) for name in ("inputs", "outputs", "keep_fp16")}
    options = Options(**{field.name: values[field.name] for field in fields(Options)})
    facts = {name: values[name] for name in (*METADATA, *SHAPE)}
    return pipeline.start(given["model"], options, facts, given["log"] or _silent)


def write_irs(job: pipeline.Job, output: Path, name: str, *, keep_graph: bool) -> ConvertResult:
    """Converts, and writes the models to files; nothing of them stays in memory."""
    model, converter = pipeline.convert(job, keep_graph=keep_graph)
    models = {name: model}
    if (features := pipeline.audio_part(job, model)) is not None:
        models[f"{name}{FEATURE_PART}"] = features
    job.log(f"writing {', '.join(f'{each}.xml' for each in models)} in {output}")
    return ConvertResult(
        files=tuple(save.save_irs(models, output)),
        converter=converter,
        inputs=tensors(model, model.inputs),
        outputs=tensors(model, model.outputs),
        metadata=metadata_of(model),
        notes=tuple(job.notes),
    )


def _verify(job: pipeline.Job, result: ConvertResult) -> Report:
    job.log("comparing the IR with the original")
    return compare(job.source, result.files[0], recipe=job.options.recipe)


def _absolute(recipe: str | os.PathLike | None) -> str | None:
    """The path that mo finds too, in a directory of its own."""
    return None if recipe is None else str(Path(recipe).resolve() if Path(recipe).exists() else recipe)


def _names(names: Collection[str]) -> tuple[str, ...]:
    """One name alone is a collection too: of letters."""
    return (names,) if isinstance(names, str) else tuple(names)


def _name(model: str | os.PathLike) -> str:
    """The file's name without what tells its kind."""
    name = Path(model).absolute().name
    for suffix in _SUFFIXES:
        name = name[: -len(suffix)] if name.lower().endswith(suffix) and name.lower() != suffix else name
    return name


def _can_compare(job: pipeline.Job) -> bool:
    """Whether to compare if nothing was said: if TensorFlow is usable. One that is there and is not is worth a note."""
    found = tensorflow()
    if not found.usable and not found.absent:
        job.notes.append(f"not compared with the original: TensorFlow {found.problem}. {found.remedy}")
    return found.usable


def _silent(line: str) -> None:
    pass
