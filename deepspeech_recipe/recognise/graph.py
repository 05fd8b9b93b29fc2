"""What a graph holds: a DeepSpeech model, other fused LSTMs, or nothing for us to do."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node
from deepspeech_recipe.recipes import Model, deepspeech, registry
from deepspeech_recipe.recipes.registry import Recipe
from deepspeech_recipe.recognise.carried import carried_states
from deepspeech_recipe.recognise.cells import links_of
from deepspeech_recipe.recognise.deepspeech import LSTM_OPS, DeepSpeech
from deepspeech_recipe.recognise.dynamic_rnn import recognise_dynamic_rnn
from deepspeech_recipe.recognise.first_release import recognise_first_release
from deepspeech_recipe.recognise.lstm import CS_PREV, H_PREV, FusedLstm, recognise_lstm
from deepspeech_recipe.recognise.rnn import Rnn
from deepspeech_recipe.recognise.state import VARIABLE_OPS, State, recognise_state
from deepspeech_recipe.recognise.static_rnn import StaticRnn, find_static_rnns
from deepspeech_recipe.recognise.while_loop import find_loops


@dataclass(frozen=True)
class StatefulLstm:
    """A fused LSTM and its states; None for a state that is computed in the graph."""

    lstm: FusedLstm
    state_c: State | None
    state_h: State | None


@dataclass(frozen=True)
class Recognition:
    """deepspeech: the acoustic model, or None and `why_not`. model: what another recipe made of the graph, or None;
    misses: the recipes that were asked in vain → what they looked for and did not find.
    lstms: every fused LSTM that can be converted; rnns: every loop of LSTM cells that can;
    static_rnns: those that stand in the graph step by step.
    refused: the reasons for those that cannot. states: what the graph carries from call to call besides the variables
    of `lstms`."""

    deepspeech: DeepSpeech | None
    why_not: str | None
    lstms: tuple[StatefulLstm, ...]
    refused: tuple[Refusal, ...]
    rnns: tuple[Rnn, ...] = field(default=(), kw_only=True)
    static_rnns: tuple[StaticRnn, ...] = field(default=(), kw_only=True)
    states: tuple[State, ...] = ()
    model: Model | None = field(default=None, kw_only=True)
    misses: dict[str, str] = field(default_factory=dict, kw_only=True)

    @property
    def has_state(self) -> bool:
        """Whether anything goes from call to call."""
        own = [state for each in self.lstms for state in (each.state_c, each.state_h) if state is not None]
        carried = any(state.kind != "constant" for state in (*own, *self.states))
        return carried or (self.model is not None and bool(self.model.states))


def recognise(view: GraphView, recipes: Iterable[Recipe] = ()) -> Recognition:
    """Describes a graph. Raises Refusal where a model of a recipe, or the state of any LSTM, would come out wrong.

    recipes: asked before DeepSpeech's and those that are installed.
    """
    misses: dict[str, str] = {}
    model = _ask(view, registry.recipes(recipes), misses)
    if isinstance(model, DeepSpeech):
        return Recognition(model, None, (StatefulLstm(model.lstm, model.state_c, model.state_h),), ())
    why_not = misses.get(deepspeech.NAME) or f"the recipe '{model.recipe}' fits"
    lstms, refused = [], []
    for cell in view.of_op(*LSTM_OPS):
        try:
            lstm = recognise_lstm(view, cell, plain=False)
        except Refusal as refusal:
            _refuse_lost_state(view, cell, refusal)
            refused.append(refusal)
        else:
            lstms.append(_with_states(view, lstm))
    rnns = _rnns(view, refused)
    static_rnns, reasons = find_static_rnns(view)
    refused += reasons
    first = recognise_first_release(view, rnns)
    if model is None and first is not None:
        return Recognition(first, None, (), ())
    own = [state.name for each in lstms for state in (each.state_c, each.state_h) if state and state.kind == "variable"]
    states = carried_states(view, links_of(view, tuple(each.lstm for each in lstms)), own)
    return Recognition(
        None,
        why_not,
        tuple(lstms),
        tuple(refused),
        states,
        rnns=rnns,
        static_rnns=tuple(static_rnns),
        model=model,
        misses=misses,
    )


def _ask(view: GraphView, recipes: Iterable[Recipe], misses: dict[str, str]) -> DeepSpeech | Model | None:
    """The model of the first recipe whose pattern fits; what the others before it missed goes to `misses`."""
    for recipe in recipes:
        reason = recipe.pattern(view)
        if reason is None:
            return recipe.model(view)
        misses[recipe.name] = reason
    return None


def _rnns(view: GraphView, refused: list[Refusal]) -> tuple[Rnn, ...]:
    """The loops of LSTM cells; adds to `refused` the reasons why others are none."""
    found = []
    for loop in find_loops(view):
        try:
            found.append(recognise_dynamic_rnn(view, loop))
        except Refusal as refusal:
            refused.append(refusal)
    return tuple(found)


def _with_states(view: GraphView, lstm: FusedLstm) -> StatefulLstm:
    def state(initial, last, what):
        return recognise_state(view, initial, tuple(state.tensor for state in last), what=what)

    return StatefulLstm(
        lstm,
        state(lstm.initial_c, lstm.last_c, "cell state"),
        state(lstm.initial_h, lstm.last_h, "hidden state"),
    )


def _refuse_lost_state(view: GraphView, cell: Node, refusal: Refusal) -> None:
    """Model Optimizer drops Assigns: a state kept in variables would be lost without a word."""
    for port in (CS_PREV, H_PREV):
        if port < len(cell.inputs):
            source = view.source_node(cell.inputs[port])
            if source is not None and source.op in VARIABLE_OPS:
                raise Refusal(
                    f"The state in the variable '{source.name}' would be lost: {refusal.reason}",
                    node=refusal.node or cell.name,
                    remedy=refusal.remedy,
                )
