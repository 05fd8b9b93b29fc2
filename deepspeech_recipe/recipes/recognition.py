"""What a graph holds: what a recipe knows, LSTMs, states, or nothing for us to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.files import last_net
from deepspeech_recipe.graphdef.view import GraphView, Node
from deepspeech_recipe.patterns.dynamic_rnn import find_rnns
from deepspeech_recipe.patterns.lstm import CS_PREV, H_PREV, FusedLstm, recognise_lstm
from deepspeech_recipe.patterns.rnn import Rnn
from deepspeech_recipe.patterns.state import State, recognise_state
from deepspeech_recipe.patterns.state_links import links_of
from deepspeech_recipe.patterns.stateful import carried_states, constant_states
from deepspeech_recipe.patterns.static_rnn import StaticRnn, find_static_rnns
from deepspeech_recipe.recipes import AcousticModel, Model, registry
from deepspeech_recipe.recipes.deepspeech import LSTM_OPS
from deepspeech_recipe.recipes.registry import Recipe


@dataclass(frozen=True)
class StatefulLstm:
    """A fused LSTM and its states; None for a state that is computed in the graph."""

    lstm: FusedLstm
    state_c: State | None
    state_h: State | None


@dataclass(frozen=True)
class Recognition:
    """model: what the first recipe that fits made of the graph, or None; misses: the recipes that were asked in vain
    → what they looked for and did not find.
    lstms: every fused LSTM that can be converted; rnns: every loop of LSTM cells that can;
    static_rnns: those that stand in the graph step by step.
    refused: the reasons for those that cannot. states: what the graph carries from call to call besides the variables
    of `lstms`. constants: what was such a state once, as far as can be told, and begins every call anew.
    An acoustic model stands for all of its graph, of which only its LSTM is named here."""

    model: Model | AcousticModel | None
    lstms: tuple[StatefulLstm, ...] = ()
    refused: tuple[Refusal, ...] = ()
    rnns: tuple[Rnn, ...] = ()
    static_rnns: tuple[StaticRnn, ...] = ()
    states: tuple[State, ...] = ()
    constants: tuple[State, ...] = ()
    misses: dict[str, str] = field(default_factory=dict)

    @property
    def acoustic(self) -> AcousticModel | None:
        """The model where it has the IR contract."""
        return self.model if isinstance(self.model, AcousticModel) else None

    @property
    def why_not(self) -> str | None:
        """Why there is no acoustic model; None where there is one."""
        if self.model is None:
            return "; ".join(self.misses.values())
        return None if self.acoustic else f"the recipe '{self.model.recipe}' fits"

    @property
    def has_state(self) -> bool:
        """Whether anything goes from call to call."""
        own = [state for each in self.lstms for state in (each.state_c, each.state_h) if state is not None]
        carried = any(state.kind != "constant" for state in (*own, *self.states))
        return carried or (self.model is not None and bool(self.model.states))


@last_net("the graph")
def recognise(view: GraphView, recipes: Iterable[Recipe] = ()) -> Recognition:
    """Describes a graph. Raises Refusal where a model of a recipe, or the state of any LSTM, would come out wrong.

    recipes: asked before this project's own and those that are installed.
    """
    misses: dict[str, str] = {}
    model = _ask(view, registry.recipes(recipes), misses)
    if isinstance(model, AcousticModel):
        lstms = () if model.rnns else (StatefulLstm(model.lstm, model.state_c, model.state_h),)
        constants = tuple(each for each in model.own_states if each.kind == "constant")
        return Recognition(model, lstms, constants=constants, misses=misses)
    lstms, refused = [], []
    for cell in view.of_op(*LSTM_OPS):
        try:
            lstm = recognise_lstm(view, cell, plain=False)
        except Refusal as refusal:
            _refuse_lost_state(view, cell, refusal)
            refused.append(refusal)
        else:
            lstms.append(_with_states(view, lstm))
    rnns, loops_refused = find_rnns(view)
    static_rnns, static_refused = find_static_rnns(view)
    own = [state.name for each in lstms for state in (each.state_c, each.state_h) if state and state.kind == "variable"]
    links = links_of(view, tuple(each.lstm for each in lstms))
    states = carried_states(view, links, own)
    return Recognition(
        model,
        tuple(lstms),
        (*refused, *loops_refused, *static_refused),
        tuple(rnns),
        tuple(static_rnns),
        states,
        constant_states(view, links, rnns),
        misses,
    )


def _ask(view: GraphView, recipes: Iterable[Recipe], misses: dict[str, str]) -> AcousticModel | Model | None:
    """The model of the first recipe that fits; what the others before it missed goes to `misses`."""
    for recipe in recipes:
        try:
            return recipe.recognise(view)
        except NoMatch as miss:
            misses[recipe.name] = str(miss)
    return None


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
            if source is not None and view.is_variable(source):
                raise Refusal(
                    f"The state in the variable '{source.name}' would be lost: {refusal.reason}",
                    node=refusal.node or cell.name,
                    remedy=refusal.remedy,
                )
