"""Takes a model the whole way: read, recognised, checked, converted, and through the passes in their order."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from deepspeech_recipe.audio.samples import start_at_samples
from deepspeech_recipe.conversion.options import check_found, check_model
from deepspeech_recipe.converters import mo, openvino
from deepspeech_recipe.converters.complex_numbers import COMPLEX_OPS
from deepspeech_recipe.converters.mo_safety import check_outputs
from deepspeech_recipe.converters.request import size_of
from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.files import error_context
from deepspeech_recipe.graphdef.cut import cut_graph, with_open_inputs
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.metadata import metadata_of, read_metadata, write_metadata
from deepspeech_recipe.ir.names import stem
from deepspeech_recipe.ir.options import DYNAMIC, Options
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.passes.attach_audio import attach_audio, feature_model
from deepspeech_recipe.passes.compress import compress_in_place, compress_to_fp16
from deepspeech_recipe.passes.internal_state import fix_batch, internal_state
from deepspeech_recipe.passes.sequence_lengths import lengths_input
from deepspeech_recipe.passes.streaming import streaming_model
from deepspeech_recipe.patterns.dropout import dropout_lines
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.recognition import Recognition, check_named, recognise
from deepspeech_recipe.recipes.registry import named
from deepspeech_recipe.recipes.summary import initial_values, one_line, warnings
from deepspeech_recipe.rewrite.frozen_inputs import freeze_inputs
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.sources.loaded_model import TYPED
from deepspeech_recipe.temporary import temporary_directory

Pass = Callable[[ov.Model], ov.Model]


@dataclass
class Job:
    """A model on its way. graph, view: given up as soon as nobody needs them, for they hold the weights."""

    source: LoadedModel
    view: GraphView | None
    recognition: Recognition
    options: Options
    log: Callable[[str], None]
    notes: list[str] = field(default_factory=list)

    def forget_graph(self) -> None:
        self.source, self.view = self.source.without_graph(), None


def start(model: str | os.PathLike, options: Options, facts: Mapping[str, Any], log: Callable[[str], None]) -> Job:
    """Reads a model, recognises what it is, and checks that the options fit it. Raises RecipeError.

    facts: what the file itself does not know, keywords of `open_model`.
    """
    options.check()
    if options.converter == "mo":
        mo.require()
    recipes = named(options.recipe)
    log(f"reading {model}")
    source = open_model(model, **facts)
    with error_context(model):
        frozen = freeze_inputs(source.graph, options.freeze) if options.freeze else []
        source, from_wav = _cut(source, options)
        view = GraphView.of(source.graph)
        recognition = recognise(view, recipes)
        check_named(recognition, recipes)
        check_found(source, view, recognition)
        check_model(options, source, recognition, from_wav=from_wav)
    notes = [*source.notes, *frozen, *warnings(recognition.constants), *dropout_lines(view)]
    acoustic = recognition.acoustic
    if acoustic is not None and acoustic.states and (kept := initial_values(acoustic)):
        notes.append(f"initial values of the state kept: {kept}")
    if options.converter == "mo" and acoustic is None and (made := view.of_op(*COMPLEX_OPS)):
        raise RecipeError(
            f"{model}: mo cannot convert the complex numbers of '{made[0].name}'. Leave --converter mo out."
        )
    job = Job(source, view, recognition, options, log, notes)
    log(_summary(job))
    return job


def _cut(source: LoadedModel, options: Options) -> tuple[LoadedModel, bool]:
    """The part of the graph that is asked for, from samples on if it reads WAV files, and whether it did."""
    graph = source.graph
    if options.inputs or options.outputs:
        graph = cut_graph(graph, options.inputs, options.outputs)
    started = start_at_samples(graph, source.overrides.get("sample_rate"))
    return replace(source, graph=started), started is not graph


def _summary(job: Job) -> str:
    model = job.recognition.model
    if isinstance(model, AcousticModel):
        steps, batch = size_of(job.options, "time_steps", model), size_of(job.options, "batch", model)
        return one_line(model, steps=steps, batch=batch)
    if model is not None:
        return f"{model.recipe}: {model.summary}"
    return f"no DeepSpeech model ({job.recognition.why_not}); its LSTMs are converted, its states carried"


def convert(job: Job, *, keep_graph: bool) -> tuple[ov.Model, str]:
    """Runs the converter and all passes; returns the model, and the converter with its version. Raises RecipeError.

    keep_graph: the job's graph is needed afterwards, for a comparison in TensorFlow.
    """
    if keep_graph or job.options.converter == "mo":  # TensorFlow will run it
        check_outputs(job.source.graph, job.recognition.acoustic)
    model, converter = _converted(job, keep_graph)
    _check_ranks(model)
    for line, apply in passes(job):
        if line:
            job.log(line)
        model = apply(model)
    return model, converter


def _converted(job: Job, keep_graph: bool) -> tuple[ov.Model, str]:
    typed = [text for text in job.options.inputs if "[" in text]
    graph = job.source.graph if typed else None
    try:
        return (_by_mo if job.options.converter == "mo" else _by_openvino)(job, keep_graph)
    except RecipeError as error:
        if graph is None or not _converts_with_open_shapes(graph):
            raise
        raise RecipeError(
            f"The graph does not take the shapes that were given, {some_of(typed)}: it is converted with any sizes in "
            f"their place ('?'). {error}"
        ) from error


def _converts_with_open_shapes(graph: Any) -> bool:
    """Whether OpenVINO's frontend converts a GraphDef if the sizes of its inputs are open."""
    opened = with_open_inputs(graph)
    view = GraphView.of(opened)
    try:
        openvino.prepare(opened, view, recognise(view), Options()).convert()
    except RecipeError:
        return False
    return True


def _check_ranks(model: ov.Model) -> None:
    """Raises RecipeError for an input of any number of axes: such a model does not compile."""
    for port in model.inputs:
        if port.get_partial_shape().rank.is_dynamic:
            name = stem(port.get_any_name())
            raise RecipeError(
                f"The input '{name}' has no shape in the graph, and OpenVINO compiles no input of an unknown number of "
                f"axes. Give it a value for good (--freeze {name}=NUMBER), or export the graph with its shape."
            )


def _for_converter(job: Job) -> Options:
    """The options of which the converter takes care: the passes do the rest."""
    options = job.options
    if options.audio == "attached":
        return replace(options, time_steps=DYNAMIC, state="external")
    return replace(options, state="external") if job.recognition.acoustic is None else options


def _by_openvino(job: Job, keep_graph: bool) -> tuple[ov.Model, str]:
    assert job.view is not None, "the graph is given up only after it was converted"
    job.log(f"converting with OpenVINO {openvino.version()}'s TensorFlow frontend")
    prepared = openvino.prepare(job.source.graph, job.view, job.recognition, _for_converter(job))
    if not keep_graph:
        job.forget_graph()
    job.notes += prepared.notes
    return prepared.convert(), f"openvino {openvino.version()}"


def _by_mo(job: Job, keep_graph: bool) -> tuple[ov.Model, str]:
    job.log("converting with mo (this takes a while: it loads TensorFlow)")
    with temporary_directory() as folder:
        graph = Path(folder) / "graph.pb"
        job.source.write_pb(graph)
        if not keep_graph:
            job.forget_graph()
        xml, lines = mo.convert(graph, Path(folder), job.recognition.acoustic, _for_converter(job))
        graph.unlink()
        if job.recognition.acoustic is None:
            told = [line.removeprefix("[ deepspeech-recipe ] ") for line in lines]
            job.notes += [line for line in told if line not in job.notes]
        # Its weights stay mapped into memory when the folder is gone.
        return ov.Core().read_model(xml), f"mo {mo.usable()[1]}"


def passes(job: Job) -> Iterator[tuple[str, Pass]]:
    """Yields what follows the converter, in order: (a line for a person, the pass)."""
    options, model = job.options, job.recognition.acoustic
    if model is None:
        # The batch goes before the state: OpenVINO keeps variables of one shape between calls.
        if options.batch is not None:
            assert options.batch != DYNAMIC, "only a DeepSpeech model has that, see check_model"
            yield "", partial(fix_batch, batch=options.batch)
        if options.state == "internal":
            yield "", internal_state
        known = {"frozen": dict(options.freeze)} if options.freeze else {}
        if (rate := job.source.overrides.get("sample_rate")) is not None:
            known["sample_rate"] = rate  # `verify` begins the original at the samples with it
        yield "", partial(_add_metadata, weights=options.weights, **known)
    else:
        # Lengths in windows first: attached audio turns that input into one of lengths in samples.
        if options.lengths == "input":
            yield "adding the input of lengths", lengths_input
        # The metadata is whole before the audio: its passes read it, and add what they change.
        yield "", partial(_describe, options=options, source=job.source.without_graph())
        if options.audio == "attached":
            attach = streaming_model if options.streaming else attach_audio
            yield (
                "adding the audio part (attached)",
                partial(attach, settings=model.features, n_context=model.n_context),
            )
    # The form of the weights comes last: all passes above look for constants and an LSTMSequence, which 8 bits replace.
    if options.weights == "int8":
        yield (
            "storing the weights in 8 bits",
            partial(
                compress_in_place, fp16=options.keep_fp16, device=options.device,
                activations=options.activations or "int8",
            ),
        )  # fmt: skip
    if options.weights == "fp16":
        yield "", compress_to_fp16


def _add_metadata(model: ov.Model, **known: Any) -> ov.Model:
    write_metadata(model, {**read_metadata(model), **known})
    return model


def _describe(model: ov.Model, options: Options, source: LoadedModel) -> ov.Model:
    """Writes what the model says of itself, what was typed, and what of the options the converter does not know."""
    chosen = {"lengths": options.lengths, "audio": options.audio, "weights": options.weights}
    typed = {TYPED: sorted(source.overrides)} if source.overrides else {}
    return _add_metadata(model, **{**source.complete(read_metadata(model)), **chosen, **typed})


def audio_part(job: Job, model: ov.Model) -> ov.Model | None:
    """Makes the second model of `audio="separate"`, samples → windows, with the metadata of the first; else None."""
    acoustic = job.recognition.acoustic
    if job.options.audio != "separate" or acoustic is None or acoustic.features is None:
        return None
    job.log("adding the audio part (separate)")
    features = feature_model(acoustic.features, acoustic.n_context)
    write_metadata(features, metadata_of(model))
    return compress_to_fp16(features) if job.options.weights == "fp16" else features
