"""What the Model Optimizer plugin does with a graph that was just loaded. See `mo_extensions/`, which calls this."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from deepspeech_recipe import __version__
from deepspeech_recipe.converters import mo_checks, mo_frontend, mo_graph, mo_request
from deepspeech_recipe.converters.contract import apply_contract, names_of
from deepspeech_recipe.converters.lowering import exact_lstms
from deepspeech_recipe.converters.mo_arguments import Arguments
from deepspeech_recipe.converters.mo_checks import StateNames
from deepspeech_recipe.converters.mo_hook import on_finished
from deepspeech_recipe.converters.mo_options import check_options
from deepspeech_recipe.converters.request import check_request
from deepspeech_recipe.converters.stateful import apply_general_contract
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import last_net
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Tensor
from deepspeech_recipe.ir.options import DYNAMIC, Options
from deepspeech_recipe.passes.internal_state import internal_state
from deepspeech_recipe.passes.outputs import drop_unused_outputs
from deepspeech_recipe.patterns.state_links import projected
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.recognition import Recognition, check_named, recognise
from deepspeech_recipe.recipes.registry import load
from deepspeech_recipe.recipes.summary import one_line, warnings
from deepspeech_recipe.rewrite.acoustic_model import rewrite_acoustic
from deepspeech_recipe.rewrite.edits import Edits
from deepspeech_recipe.rewrite.general import describe, rewrite_general
from deepspeech_recipe.rewrite.reachability import ends

_CONVERTER = f"mo, plugin {__version__}"


@last_net("the graph")
def prepare(graph, operations: dict, options: dict) -> None:
    """Recognises and rewrites an MO graph between its loading and MO's reading of inputs and outputs.

    operations: op name → MO class for the ops of `rewrite.edits`. options: the plugin's own, as MO read them.
    Raises RecipeError for what must not go on.
    """
    arguments, options = Arguments.of(graph), dict(options)
    check_options(options, arguments.configuration)
    view = mo_graph.view_of(graph)
    file = options.pop("recipe", None)
    recipes = [load(file)] if file else []
    recognition = recognise(view, recipes)
    check_named(recognition, recipes)
    if recognition.acoustic is not None:
        line = _prepare_acoustic(graph, arguments, view, recognition.acoustic, options, operations)
    else:
        line = _prepare_general(graph, arguments, view, recognition, options, operations)
    if not arguments.silent:
        for told in (line, *warnings(recognition.constants)):
            print(f"[ deepspeech-recipe ] {told}", flush=True)


def _prepare_acoustic(graph, arguments: Arguments, view: GraphView, model: AcousticModel, options, operations) -> str:
    """Returns the line for a person."""
    states = [
        StateNames.of([name, *names_of(view, model.inputs[name])], [new, *names_of(view, model.outputs[new])])
        for name, new in model.states.items()
    ]
    if mo_checks.asks_for_internal_state(arguments, states):
        options["state"] = "internal"
    mo_checks.check_not_frozen(arguments, states)
    edits = rewrite_acoustic(view, model)
    audio = mo_request.complete_audio(arguments, view, model)
    if audio is not None:
        mo_checks.check_names(arguments, view, edits, model.outputs)
        _apply(graph, edits, operations)
        return f"DeepSpeech {model.generation}: only its feature part, {audio.samples} → {audio.mfccs}"
    ordered = arguments.outputs is None
    steps, batch = mo_request.complete_acoustic(arguments, view, model)
    internal = options.get("state") == "internal"
    if internal:
        mo_request.add_new_states(arguments, states)
    mo_checks.check_names(arguments, view, edits, model.outputs)
    _apply(graph, edits, operations)
    check_request(Options(**options, time_steps=steps or DYNAMIC, batch=batch or DYNAMIC), model)
    if not internal:
        mo_checks.check_untouched(arguments, view, edits, states)

    def contract(ov_model):
        return apply_contract(ov_model, view, model, _CONVERTER, options.get("head"), ordered=ordered)

    _at_end(graph, contract, internal)
    return one_line(model, steps=steps, batch=batch)


def _prepare_general(
    graph, arguments: Arguments, view: GraphView, recognition: Recognition, options, operations
) -> str:
    """Returns the line for a person."""
    general = rewrite_general(view, recognition, arguments.frozen, freeze='--freeze_placeholder_with_value "{}->[T]"')
    lengths = [lstm.lengths.node for lstm in recognition.lstms if lstm.lengths is not None]
    mo_request.take_used_lengths(arguments, general.edits.remove, lengths)
    states = [
        StateNames.of([name, *general.recipe_names.inputs.get(name, ())], new) for name, new in general.carried.items()
    ]
    if mo_checks.asks_for_internal_state(arguments, states):
        options["state"] = "internal"
    _refuse_options(recognition, options)
    if arguments.outputs is None and general.ends is not None:
        arguments.outputs = general.ends
    freed = {**general.recipe_names.claimed, **general.states}
    mo_request.complete_general(arguments, list(freed), list(freed.values()))
    last = [name for name in ends(view, general.edits) if name not in view.nodes or view.nodes[name].op != "NoOp"]
    mo_checks.check_names(arguments, view, general.edits, general.ends or last)
    mo_checks.check_sizes(arguments.named_shapes, _state_sizes(recognition))
    internal = options.get("state") == "internal"
    if not internal:
        mo_checks.check_untouched(arguments, view, general.edits, states)
    named = [Tensor.parse(name).node for name in arguments.outputs or ends(view, general.edits)]
    if mo_frontend.has_loops(view, general.edits) and mo_frontend.convert(graph, arguments, view, general):
        general.lines.append("the loops that are left are converted by OpenVINO's own frontend")
    else:
        mo_graph.apply_edits(graph, general.edits, operations)
        # MO's BasicLSTMCell takes a cell with a projection for one without, and fails.
        for name in projected(view, recognition.links, recognition.states):
            mo_graph.exchange_terms(graph, name)
    _finish(graph, general.edits, named)
    starts = [node.name for node in view.of_op(*PLACEHOLDER_OPS)]

    def contract(ov_model):
        return apply_general_contract(ov_model, recognition, general, _CONVERTER, starts, named)

    _at_end(graph, contract, internal)
    return describe(recognition, general)


def _state_sizes(recognition: Recognition) -> dict[str, tuple[int, ...]]:
    """State → its sizes: the last, the cells, as in the graph, and any batch and the like before it."""
    return {
        state.name: (*[-1] * (len(state.shape) - 1), state.shape[-1])
        for state in recognition.all_states
        if state.kind != "constant" and state.shape
    }


def _apply(graph, edits: Edits, operations) -> None:
    mo_graph.apply_edits(graph, edits, operations)
    _finish(graph, edits)


def _finish(graph, edits: Edits, named: list[str] | None = None) -> None:
    """What remains to be done with the edits' LSTMs when they are an ov.Model's. named: the nodes that are the outputs
    of a general graph."""
    # Before any other pass: they read the LSTM until it is exchanged for another.
    on_finished(graph, "unused outputs", partial(drop_unused_outputs, named=named))
    for name, apply in exact_lstms(edits):
        on_finished(graph, name, apply)


def _at_end(graph, contract: Callable, internal: bool) -> None:
    on_finished(graph, "contract", contract)
    if internal:
        on_finished(graph, "internal state", internal_state)


def _refuse_options(recognition: Recognition, options: dict) -> None:
    if options.get("state", "external") != "external" and not recognition.has_state:
        raise RecipeError(
            "Internal state was asked for, but neither a DeepSpeech model nor another recurrent cell whose state goes "
            f"from call to call was found ({recognition.why_not}). Convert without --transformations_config"
        )
