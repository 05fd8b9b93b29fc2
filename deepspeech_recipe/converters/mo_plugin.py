"""What the Model Optimizer plugin does with a graph that was just loaded. See `mo_extensions/`, which calls this."""

from deepspeech_recipe.converters import mo_graph, mo_request
from deepspeech_recipe.converters.mo_hook import on_finished
from deepspeech_recipe.converters.mo_options import read_options
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.passes.carry import finish_general
from deepspeech_recipe.passes.contract import Conversion, finish
from deepspeech_recipe.passes.unused import drop_unused_outputs
from deepspeech_recipe.recipes.registry import load
from deepspeech_recipe.recognise.acoustic_model import AcousticModel
from deepspeech_recipe.recognise.cells import links_of, projected
from deepspeech_recipe.recognise.graph import Recognition, recognise
from deepspeech_recipe.recognise.text import one_line
from deepspeech_recipe.rewrite.acoustic_model import rewrite_acoustic
from deepspeech_recipe.rewrite.edits import RECIPE_LSTM, Edits
from deepspeech_recipe.rewrite.general import describe, rewrite_general
from deepspeech_recipe.rewrite.reach import ends
from deepspeech_recipe.version import __version__


def prepare(graph, operations: dict) -> None:
    """Recognises and rewrites an MO graph between its loading and MO's reading of inputs and outputs.

    operations: op name → MO class for the ops of `rewrite.edits`. Raises RecipeError for what must not go on.
    """
    argv = graph.graph["cmd_params"]
    options = read_options(argv)
    view = mo_graph.view_of(graph)
    file = options.pop("recipe", None)
    recognition = recognise(view, [load(file)] if file else [])
    if recognition.acoustic is not None:
        _prepare_acoustic(graph, argv, view, recognition.acoustic, options, operations)
    else:
        _prepare_general(graph, argv, view, recognition, options, operations)


def _prepare_acoustic(graph, argv, view: GraphView, model: AcousticModel, options, operations) -> None:
    ordered = argv.output is None
    sizes = mo_request.complete_acoustic(argv, view, model)
    _apply(graph, rewrite_acoustic(view, model), operations)
    if sizes is None:
        _say(f"DeepSpeech {model.generation}: only its feature part, {model.audio.samples} → {model.audio.mfccs}")
        return
    _say(one_line(model, steps=sizes[0], batch=sizes[1]))
    conversion = Conversion(converter=f"mo, plugin {__version__}", **options)
    on_finished(graph, "contract", lambda ov_model: finish(ov_model, view, model, conversion, ordered=ordered))


def _prepare_general(graph, argv, view: GraphView, recognition: Recognition, options, operations) -> None:
    _refuse_options(recognition, options)
    frozen = argv.freeze_placeholder_with_value or {}
    general = rewrite_general(view, recognition, frozen, freeze="--freeze_placeholder_with_value")
    if argv.output is None and general.ends is not None:
        argv.output = list(general.ends)
    freed = general.roles.claimed | general.states
    mo_request.complete_general(argv, list(freed), list(freed.values()))
    _apply(graph, general.edits, operations)
    # MO's BasicLSTMCell takes a cell with a projection for one without, and fails.
    for name in projected(view, links_of(view), recognition.states):
        mo_graph.exchange_terms(graph, name)
    conversion = Conversion(converter=f"mo, plugin {__version__}", **options)
    named = [Tensor.parse(name).node for name in argv.output or ends(view, general.edits)]
    on_finished(graph, "states", lambda ov_model: finish_general(ov_model, recognition, general, conversion, named))
    _say(describe(recognition, general))


def _apply(graph, edits: Edits, operations) -> None:
    mo_graph.apply_edits(graph, edits, operations)
    if any(node.op == RECIPE_LSTM for node in edits.add):
        # Before any other pass: they read the LSTM until it is exchanged for another.
        on_finished(graph, "unused outputs", drop_unused_outputs)


def _refuse_options(recognition: Recognition, options: dict) -> None:
    if options.get("state", "external") != "external" and not recognition.has_state:
        raise RecipeError(
            "Internal state was asked for, but neither a DeepSpeech model nor another recurrent cell whose state goes "
            f"from call to call was found ({recognition.why_not}). Convert without --transformations_config"
        )


def _say(line: str) -> None:
    print(f"[ deepspeech-recipe ] {line}", flush=True)
