"""What the Model Optimizer plugin does with a graph that was just loaded. See `mo_extensions/`, which calls this."""

from deepspeech_recipe.converters import mo_graph, mo_request
from deepspeech_recipe.converters.mo_hook import on_finished
from deepspeech_recipe.converters.mo_options import read_options
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.passes.contract import Conversion, finish
from deepspeech_recipe.passes.names import name_tensors
from deepspeech_recipe.recognise.deepspeech import DeepSpeech
from deepspeech_recipe.recognise.graph import Recognition, recognise
from deepspeech_recipe.recognise.text import one_line
from deepspeech_recipe.rewrite.deepspeech import rewrite_deepspeech
from deepspeech_recipe.rewrite.general import describe, rewrite_general
from deepspeech_recipe.version import __version__


def prepare(graph, operations: dict) -> None:
    """Recognises and rewrites an MO graph between its loading and MO's reading of inputs and outputs.

    operations: op name → MO class for the ops of `rewrite.edits`. Raises RecipeError for what must not go on.
    """
    argv = graph.graph["cmd_params"]
    options = read_options(argv)
    view = mo_graph.view_of(graph)
    recognition = recognise(view)
    if recognition.deepspeech is not None:
        _prepare_deepspeech(graph, argv, view, recognition.deepspeech, options, operations)
    else:
        _prepare_general(graph, argv, view, recognition, options, operations)


def _prepare_deepspeech(graph, argv, view: GraphView, model: DeepSpeech, options, operations) -> None:
    ordered = argv.output is None
    sizes = mo_request.complete_deepspeech(argv, view, model)
    mo_graph.apply_edits(graph, rewrite_deepspeech(view, model), operations)
    if sizes is None:
        _say(f"DeepSpeech {model.generation}: only its feature part, {model.audio.samples} → {model.audio.mfccs}")
        return
    _say(one_line(model, steps=sizes[0], batch=sizes[1]))
    conversion = Conversion(converter=f"mo, plugin {__version__}", **options)
    on_finished(graph, "contract", lambda ov_model: finish(ov_model, view, model, conversion, ordered=ordered))


def _prepare_general(graph, argv, view: GraphView, recognition: Recognition, options, operations) -> None:
    _refuse_options(options)
    frozen = argv.freeze_placeholder_with_value or {}
    general = rewrite_general(view, recognition, frozen, freeze="--freeze_placeholder_with_value")
    mo_request.complete_general(argv, list(general.states), list(general.states.values()))
    mo_graph.apply_edits(graph, general.edits, operations)
    on_finished(graph, "names", lambda ov_model: name_tensors(ov_model, general.names, general.names))
    _say(describe(recognition, general))


def _refuse_options(options: dict) -> None:
    if options.get("state", "external") != "external":
        raise RecipeError(
            "Internal state was asked for, but no DeepSpeech model was found in the graph. "
            "Convert without --transformations_config"
        )


def _say(line: str) -> None:
    print(f"[ deepspeech-recipe ] {line}", flush=True)
