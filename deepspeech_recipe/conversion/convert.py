"""Any model file → an IR, by either converter, with every option of the IR contract."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deepspeech_recipe.conversion.options import Options
from deepspeech_recipe.converters import mo
from deepspeech_recipe.converters.mo_safety import check_outputs
from deepspeech_recipe.converters.request import Request
from deepspeech_recipe.files import error_context
from deepspeech_recipe.graphdef.pure import NotRepeatable
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.installation import NoTensorFlow, tensorflow
from deepspeech_recipe.ir.names import DYNAMIC
from deepspeech_recipe.patterns.state_links import LOOPS
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.recognition import Recognition, recognise
from deepspeech_recipe.recipes.registry import load
from deepspeech_recipe.recipes.summary import initial_values, one_line, warnings
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.temporary import temporary_directory

_NAMES = {
    *("input_node", "previous_state_c", "previous_state_h", "lengths", "samples", "sample_lengths", "end_of_stream"),
    *("logits", "new_state_c", "new_state_h"),
}


@dataclass(frozen=True)
class ConvertResult:
    """What `convert` made.

    files: the IR's .xml first. inputs, outputs: {"name", "names", "shape", "type"} of each tensor, -1 where a size
    is open. metadata: what the IR says of itself; empty for a graph that is no DeepSpeech model.
    notes: lines for a person. verification: a `verify.Report`, or None where nothing was compared.
    """

    files: tuple[Path, ...]
    converter: str
    inputs: tuple[dict, ...]
    outputs: tuple[dict, ...]
    metadata: dict
    notes: tuple[str, ...] = ()
    verification: Any = None

    def as_dict(self) -> dict:
        """JSON values."""
        return {
            "files": [str(path) for path in self.files],
            "converter": self.converter,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "metadata": self.metadata,
            "notes": list(self.notes),
            "verification": None if self.verification is None else self.verification.as_dict(),
        }


@dataclass
class _Job:
    """A model on its way. source and view are given up where they are no longer needed: they hold the weights."""

    source: LoadedModel
    view: GraphView | None
    recognition: Recognition
    options: Options
    log: Callable[[str], None]
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> AcousticModel | None:
        return self.recognition.acoustic

    @property
    def has_metadata(self) -> bool:
        """Whether the IR will say what it was made of."""
        return self.recognition.model is not None or self.recognition.has_state

    def forget_graph(self) -> None:
        self.source, self.view = replace(self.source, graph=None), None


def convert(
    model: str | os.PathLike,
    output: str | os.PathLike,
    *,
    name: str | None = None,
    recipe: str | os.PathLike | None = None,
    converter: str = "auto",
    state: str = "external",
    time_steps: int | str | None = None,
    batch: int | str | None = None,
    lengths: str = "enforce",
    audio: str = "none",
    weights: str = "fp32",
    keep_fp16: Collection[str] = (),
    activations: str | None = None,
    device: str = "CPU",
    head: str | None = None,
    verify: bool | None = None,
    alphabet: str | os.PathLike | bytes | None = None,
    sample_rate: int | None = None,
    window_ms: int | None = None,
    step_ms: int | None = None,
    n_steps: int | None = None,
    log: Callable[[str], None] | None = None,
    **known,
) -> ConvertResult:
    """Converts a model file of any kind (`sources.open_model`) to `<output>/<name>.xml` and `.bin`.

    name: by default the file's own. recipe: a Python file that says what the model is (`recipes`).
    converter: 'mo', 'openvino', or 'auto': mo where it is usable.
    state: 'external' or 'internal'. time_steps, batch: a number, 'dynamic', or None for what the graph has.
    lengths: 'enforce' (one call consumes all its windows) or 'input' (`passes.sequence_lengths`).
    audio: 'none', 'separate' (also writes `<name>.audio.xml`: samples → windows) or 'attached' (samples → logits;
    with state 'internal' in blocks of any size, `passes.streaming`).
    weights: 'fp32', 'fp16', or 'int8' (`passes.compress`); keep_fp16: the layers that int8 leaves in FP16;
    activations: 'int8' (the default) or 'fp32', what is multiplied by 8 bits on processors with VNNI; device: 'CPU',
    'GPU' or 'NPU', what an int8 IR is for. head: 'probabilities', 'raw', or None for the graph's own.
    verify: compare the IR with the original; None: where TensorFlow is installed.
    alphabet, sample_rate, window_ms, step_ms, n_steps and `known` (further keywords of `open_model`): what the file
    itself does not know. log: gets a line for each stage.
    Nothing is written unless everything succeeds. Raises RecipeError or Refusal.
    """
    log = log or (lambda line: None)
    named = [] if recipe is None else [load(recipe)]
    request = Request(state, head, time_steps, batch, recipe=None if recipe is None else str(Path(recipe).resolve()))
    options = Options(request, converter, lengths, audio, weights, tuple(keep_fp16), activations, device)
    options.check()
    chosen, why = _choose(converter)
    name = _name(model) if name is None else name
    from deepspeech_recipe.ir import save
    from deepspeech_recipe.passes.compress import compress_weights

    irs = [name, f"{name}.audio"] if audio == "separate" else [name]
    save.check_output(output, irs)
    log(f"reading {model}")
    source = open_model(
        model,
        alphabet=alphabet,
        sample_rate=sample_rate,
        window_ms=window_ms,
        step_ms=step_ms,
        n_steps=n_steps,
        **known,
    )
    with error_context(model):
        view = GraphView.of(source.graph)
        found = recognise(view, named)
        job = _Job(source, view, found, options, log, [*source.notes, *why, *warnings(found.constants)])
        if job.model is not None and job.model.states and (kept := initial_values(job.model)):
            job.notes.append(f"initial values of the state kept: {kept}")
        options.check_model(source, job.recognition)
        if converter == "auto" and chosen == "mo" and (loop := _loop_left(job)):
            chosen = "openvino"
            job.notes.append(f"converted without mo, which cannot convert the loop '{loop}'")
        compare = job.has_metadata and (_can_compare(job) if verify is None else verify)
        log(_found(job))
        if compare or chosen == "mo":  # TensorFlow will run it
            check_outputs(source.graph, job.model)
        with _converted(job, chosen, keep=compare) as (ov_model, converter_name):
            models = _passes(job, ov_model, name)
            if weights == "int8":
                log("storing the weights in 8 bits")
                compressed = {"fp16": keep_fp16, "device": device, "activations": activations or "int8"}
                models[name] = compress_weights(models[name], **compressed)
            log(f"writing {', '.join(f'{ir}.xml' for ir in models)} in {output}")
            result = ConvertResult(
                files=tuple(save.save_irs(models, output, fp16=weights == "fp16")),
                converter=converter_name,
                inputs=_tensors(models[name], models[name].inputs),
                outputs=_tensors(models[name], models[name].outputs),
                metadata=_metadata(models[name]),
                notes=tuple(job.notes),
            )
        del ov_model, models
        if not compare or not result.metadata:
            return result
        try:
            return replace(result, verification=_verify(job, result))
        except (NotRepeatable, NoTensorFlow) as reason:
            if verify:
                raise
            return replace(result, notes=(*result.notes, f"not compared with the original: {reason}"))


def _choose(converter: str) -> tuple[str, list[str]]:
    if converter == "mo":
        mo.require()
    if converter == "auto":
        works, reason = mo.usable()
        return ("mo", []) if works else ("openvino", [f"converted without mo: {reason}"])
    return converter, []


def _loop_left(job: _Job) -> str:
    """A loop of TensorFlow 2 that stays one: Model Optimizer knows few of them."""
    replaced = {rnn.node for rnn in job.recognition.rnns}
    loops = job.view.of_op(*LOOPS) if job.model is None else []
    return next((loop.name for loop in loops if loop.name not in replaced), "")


def _name(model) -> str:
    """The file's name without what tells its kind."""
    name = Path(model).absolute().name
    for suffix in (".gz", ".bz2", ".xz", ".zip", ".tar", ".tgz", ".pbmm", ".pbtxt", ".pb", ".tflite"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) and name.lower() != suffix else name
    return name


def _found(job: _Job) -> str:
    if job.model is None and job.recognition.model is not None:
        return f"{job.recognition.model.recipe}: {job.recognition.model.summary}"
    if job.model is None:
        return f"no DeepSpeech model ({job.recognition.why_not}); its LSTMs are converted, its states carried"
    sizes = {name: job.options.request.size_of(name, job.model) for name in ("time_steps", "batch")}
    return one_line(job.model, steps=sizes["time_steps"], batch=sizes["batch"])


@contextmanager
def _converted(job: _Job, converter: str, *, keep: bool) -> Iterator[tuple[Any, str]]:
    """(ov.Model, converter and its version). keep: the graph is needed afterwards."""
    request = job.options.request
    if job.options.audio == "attached":
        request = replace(request, time_steps=DYNAMIC, state="external")  # the passes make states internal
    if job.model is None:
        request = replace(request, state="external")  # the batch goes before the state, see `_passes`
    if converter == "openvino":
        from deepspeech_recipe.converters import openvino

        job.log(f"converting with OpenVINO {openvino.version()}'s TensorFlow frontend")
        prepared = openvino.prepare(job.source.graph, job.view, job.recognition, request)
        if not keep:
            job.forget_graph()
        job.notes += prepared.notes
        yield prepared.convert(), f"openvino {openvino.version()}"
        return
    job.log("converting with mo (this takes a while: it loads TensorFlow)")
    with temporary_directory() as folder:
        graph = Path(folder) / "graph.pb"
        job.source.write_pb(graph)
        if not keep:
            job.forget_graph()
        xml, lines = mo.convert(graph, Path(folder), job.model, request)
        graph.unlink()
        if job.model is None:
            told = [line.removeprefix("[ deepspeech-recipe ] ") for line in lines]
            job.notes += [line for line in told if line not in job.notes]
        from deepspeech_recipe.ir.ov_api import ov

        yield ov.Core().read_model(xml), f"mo {mo.usable()[1]}"


def _passes(job: _Job, ov_model, name: str) -> dict:
    """IR name → ov.Model, after all passes and with all metadata."""
    if job.model is None:
        from deepspeech_recipe.passes.internal_state import fix_batch, internal_state

        if job.options.request.batch is not None:
            ov_model = fix_batch(ov_model, job.options.request.batch)
        return {name: internal_state(ov_model) if job.options.request.state == "internal" else ov_model}
    from deepspeech_recipe.conversion.settings import complete_metadata
    from deepspeech_recipe.ir.metadata import read_metadata, write_metadata
    from deepspeech_recipe.passes.attach_audio import attach_audio, feature_model
    from deepspeech_recipe.passes.sequence_lengths import lengths_input
    from deepspeech_recipe.passes.streaming import streaming_model

    options, model = job.options, job.model
    if options.lengths == "input":
        job.log("adding the input of lengths")
        ov_model = lengths_input(ov_model)
    metadata = complete_metadata(read_metadata(ov_model), job.source)
    metadata |= {"lengths": options.lengths, "audio": options.audio, "weights": options.weights}
    write_metadata(ov_model, metadata)
    if options.audio == "none":
        return {name: ov_model}
    job.log(f"adding the audio part ({options.audio})")
    settings = model.audio.settings
    if options.audio == "attached":
        ov_model = (streaming_model if options.streaming else attach_audio)(ov_model, settings, model.n_context)
        return {name: ov_model}
    features = feature_model(settings, model.n_context)
    write_metadata(features, metadata)
    return {name: ov_model, f"{name}.audio": features}


def _verify(job: _Job, result: ConvertResult):
    from deepspeech_recipe.verification import verify

    job.log("comparing the IR with the original")
    return verify(job.source, result.files[0], recipe=job.options.request.recipe)


def _can_compare(job: _Job) -> bool:
    """By default, in TensorFlow only; one that is there and cannot be used is worth a note."""
    found = tensorflow()
    if not found.usable and not found.absent:
        job.notes.append(f"not compared with the original: TensorFlow {found.problem}. {found.remedy}")
    return found.usable


def _metadata(ov_model) -> dict:
    from deepspeech_recipe.ir.metadata import metadata_of

    return metadata_of(ov_model)


def _tensors(ov_model, ports) -> tuple[dict, ...]:
    metadata = _metadata(ov_model)
    states = metadata.get("states", {})
    known = {*_NAMES, *metadata.get("inputs", ()), *metadata.get("outputs", ()), *states, *states.values()}
    return tuple(_tensor(port, known) for port in ports)


def _tensor(port, known: set[str]) -> dict:
    """The contract's name, or the recipe's, goes before the framework's."""
    names = sorted(port.get_names(), key=lambda name: (name not in known, len(name), name))
    shape = [size.get_length() if size.is_static else -1 for size in port.get_partial_shape()]
    kind = port.get_element_type().get_type_name()
    return {
        "name": names[0] if names else port.get_node().get_friendly_name(),
        "names": names,
        "shape": shape,
        "type": kind,
    }
