"""What a graph holds: what a recipe knows, LSTMs, states, or nothing for us to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from deepspeech_recipe.audio.lowering import AUDIO_OPS
from deepspeech_recipe.errors import NoMatch, RecipeError, Refusal
from deepspeech_recipe.files import last_net
from deepspeech_recipe.graphdef.view import GraphView, Node
from deepspeech_recipe.patterns.block_lstm import CS_PREV, H_PREV, LSTM_OPS, recognise_block_lstm
from deepspeech_recipe.patterns.dynamic_rnn import find_loop_lstms
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.state import State, recognise_state
from deepspeech_recipe.patterns.state_links import Link, links_of
from deepspeech_recipe.patterns.stateful import carried_states, constant_states
from deepspeech_recipe.patterns.static_rnn import find_static_lstms
from deepspeech_recipe.recipes import AcousticModel, Model, registry
from deepspeech_recipe.recipes.registry import Recipe


@dataclass(frozen=True)
class Recognition:
    """What a graph holds.

    model: what the first recipe that fits made of the graph, or None; misses: the recipes that were asked in vain
    → what they looked for and did not find.
    lstms: every LSTM that can be converted, whatever it is written as; refused: the reasons for those that cannot.
    states: what the graph carries from call to call besides the variables that its BlockLSTMs name themselves.
    links: where states go in and come out of cells. constants: what was such a state once, as far as can be told, and
    begins every call anew. audio: the operations that compute features of samples.
    An acoustic model stands for all of its graph, of which only its LSTMs are named here.
    """

    model: Model | AcousticModel | None
    lstms: tuple[Lstm, ...] = ()
    refused: tuple[Refusal, ...] = ()
    states: tuple[State, ...] = ()
    links: tuple[Link, ...] = ()
    constants: tuple[State, ...] = ()
    misses: dict[str, str] = field(default_factory=dict)
    audio: tuple[str, ...] = ()

    @property
    def acoustic(self) -> AcousticModel | None:
        """The model if it has the IR contract, else None."""
        return self.model if isinstance(self.model, AcousticModel) else None

    @property
    def why_not(self) -> str | None:
        """Why there is no acoustic model; None if there is one."""
        if self.model is None:
            return "; ".join(self.misses.values())
        return None if self.acoustic else f"the recipe '{self.model.recipe}' fits"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do in the graph."""
        return self.model is None and not self.lstms and not self.states and not self.audio

    @property
    def all_states(self) -> tuple[State, ...]:
        """Those of BlockLSTMs too."""
        return (*(state for lstm in self.lstms for state in lstm.states), *self.states)

    @property
    def has_state(self) -> bool:
        """Whether anything goes from call to call."""
        carried = any(state.kind != "constant" for state in self.all_states)
        return carried or (self.model is not None and bool(self.model.states))


@last_net("the graph")
def recognise(view: GraphView, recipes: Iterable[Recipe] = ()) -> Recognition:
    """Describes a graph. Raises Refusal if a model of a recipe, or the state of any LSTM, would come out wrong.

    recipes: asked before this project's own and those that are installed.
    """
    misses: dict[str, str] = {}
    model = _ask(view, registry.recipes(recipes), misses)
    if isinstance(model, AcousticModel):
        constants = tuple(each for each in model.own_states if each.kind == "constant")
        return Recognition(model, model.lstms, constants=constants, misses=misses)
    blocks, refused = _block_lstms(view)
    loops, loops_refused = find_loop_lstms(view)
    rows, rows_refused = find_static_lstms(view)
    own = [state.name for lstm in blocks for state in lstm.states if state.kind == "variable"]
    links = links_of(view, blocks)
    return Recognition(
        model,
        (*blocks, *loops, *rows),
        (*refused, *loops_refused, *rows_refused),
        carried_states(view, links, own),
        tuple(links),
        constant_states(view, links, loops),
        misses,
        tuple(dict.fromkeys(node.op for node in view.of_op(*AUDIO_OPS))),
    )


def check_named(recognition: Recognition, recipes: Iterable[Recipe]) -> None:
    """Raises RecipeError if a recipe that the user named does not fit."""
    for recipe in recipes:
        if recipe.name in recognition.misses:
            raise RecipeError(
                f"The recipe '{recipe.name}' ({recipe.where}) does not fit the graph: "
                f"{recognition.misses[recipe.name]}. Correct it, or convert without it."
            )


def _ask(view: GraphView, recipes: Iterable[Recipe], misses: dict[str, str]) -> AcousticModel | Model | None:
    """The model of the first recipe that fits; what the others before it missed goes to `misses`."""
    for recipe in recipes:
        try:
            return recipe.recognise(view)
        except NoMatch as miss:
            misses[recipe.name] = str(miss)
    return None


def _block_lstms(view: GraphView) -> tuple[list[Lstm], list[Refusal]]:
    """Every BlockLSTM that can be converted, with its states, and the reasons for those that cannot."""
    lstms, refused = [], []
    for node in view.of_op(*LSTM_OPS):
        try:
            lstm = recognise_block_lstm(view, node, plain=False)
        except Refusal as refusal:
            _refuse_lost_state(view, node, refusal)
            refused.append(refusal)
        else:
            layer = lstm.layer
            state_c = recognise_state(view, layer.initial_c, layer.last_c, what="cell state")
            state_h = recognise_state(view, layer.initial_h, layer.last_h, what="hidden state")
            lstms.append(replace(lstm, state_c=state_c, state_h=state_h))
    return lstms, refused


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
