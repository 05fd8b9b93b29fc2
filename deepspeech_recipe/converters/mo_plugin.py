"""What the Model Optimizer plugin does with a graph that was just loaded. See `mo_extensions/`, which calls this."""

from deepspeech_recipe.converters import mo_graph, mo_request
from deepspeech_recipe.converters.mo_hook import on_finished
from deepspeech_recipe.converters.mo_options import read_options
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.passes.contract import Conversion, finish
from deepspeech_recipe.recognise.deepspeech import DeepSpeech
from deepspeech_recipe.recognise.graph import Recognition, StatefulLstm, recognise
from deepspeech_recipe.recognise.text import one_line
from deepspeech_recipe.rewrite.deepspeech import rewrite_deepspeech
from deepspeech_recipe.rewrite.edits import Edits
from deepspeech_recipe.rewrite.lstm import free_variable, new_state_name, replace_lstm, states_of
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
    steps, batch = mo_request.complete_deepspeech(argv, view, model)
    mo_graph.apply_edits(graph, rewrite_deepspeech(view, model), operations)
    _say(one_line(model, steps=steps, batch=batch))
    conversion = Conversion(converter=f"mo, plugin {__version__}", **options)
    on_finished(graph, "contract", lambda ov_model: finish(ov_model, view, model, conversion, ordered=ordered))


def _prepare_general(graph, argv, view: GraphView, recognition: Recognition, options, operations) -> None:
    _refuse_options(options)
    edits, lines = Edits(), []
    variables, new_states = [], []
    for stateful in recognition.lstms:
        steps = _steps(argv, view, stateful, lines)
        if steps is False:
            continue
        replace_lstm(view, stateful.lstm, edits, steps=steps)
        for state in states_of(stateful):
            if state.kind == "variable":
                free_variable(view, state, edits, output=new_state_name(state))
                variables.append(state.name)
                new_states.append(new_state_name(state))
        lines.append(f"BlockLSTM '{stateful.lstm.node}' becomes an LSTMSequence")
    lines += [f"left as it is: {refusal}" for refusal in recognition.refused]
    mo_request.complete_general(argv, variables, new_states)
    mo_graph.apply_edits(graph, edits, operations)
    if variables:
        lines.append(f"state variables become inputs ({', '.join(variables)}) and outputs ({', '.join(new_states)})")
    _say(f"no DeepSpeech model ({recognition.why_not}); " + ("; ".join(lines) or "the graph is left as it is"))


def _steps(argv, view: GraphView, stateful: StatefulLstm, lines: list[str]) -> int | None | bool:
    """The T this LSTM is exact for (None: any), or False where its lengths are open: then it stays as it is."""
    lstm = stateful.lstm
    if lstm.lengths is None:
        return lstm.steps
    value = view.value(lstm.lengths)
    if value is None:
        value = (argv.freeze_placeholder_with_value or {}).get(lstm.lengths.node)
    lengths = set() if value is None else {int(length) for length in _flat(value)}
    if len(lengths) == 1:
        return lengths.pop()
    reason = f"its lengths '{lstm.lengths}' are {'not all the same' if lengths else 'an input'}"
    kept = [state.name for state in states_of(stateful) if state.kind == "variable"]
    if kept:
        raise Refusal(
            f"The state in the variable '{kept[0]}' would be lost: {reason}",
            node=lstm.node,
            remedy="Freeze the lengths to the number of time steps with --freeze_placeholder_with_value",
        )
    lines.append(f"BlockLSTM '{lstm.node}' is left as it is: {reason}")
    return False


def _flat(value) -> list:
    return list(value.reshape(-1)) if hasattr(value, "reshape") else list(value if isinstance(value, list) else [value])


def _refuse_options(options: dict) -> None:
    if options.get("state", "external") != "external":
        raise RecipeError(
            "Internal state was asked for, but no DeepSpeech model was found in the graph. "
            "Convert without --transformations_config"
        )


def _say(line: str) -> None:
    print(f"[ deepspeech-recipe ] {line}", flush=True)
