"""What a graph that holds no DeepSpeech model gets: decided once, for both converters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.patterns.stateful import lost_variable
from deepspeech_recipe.recipes.recognition import Recognition, StatefulLstm
from deepspeech_recipe.recipes.summary import begins_anywhere, span
from deepspeech_recipe.rewrite.edits import Edits, follow_redirects
from deepspeech_recipe.rewrite.lstm import free_variable, new_state_name, replace_lstm, states_of
from deepspeech_recipe.rewrite.reachability import remove_unused, savers
from deepspeech_recipe.rewrite.recipe_names import Roles, apply_roles
from deepspeech_recipe.rewrite.rnn import replace_rnn
from deepspeech_recipe.rewrite.static_rnn import replace_static_rnn


@dataclass
class General:
    """edits: what to change. states: variable that becomes an input → its new output; initial: what it holds before
    the first call. pairs: input that is fed a
    state → the outputs that can be its new value, the likeliest first. lines: for a person to read. roles: what a
    recipe says besides."""

    edits: Edits = field(default_factory=Edits)
    states: dict[str, str] = field(default_factory=dict)
    initial: dict[str, np.ndarray | None] = field(default_factory=dict)
    pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    roles: Roles = field(default_factory=Roles)

    @property
    def carried(self) -> dict[str, tuple[str, ...]]:
        """All states, as `converters.stateful` wants them."""
        found = {**{name: (output,) for name, output in self.states.items()}, **self.pairs}
        return {**found, **{name: (output,) for name, output in self.roles.states.items()}}

    @property
    def ends(self) -> list[str] | None:
        """The nodes that shall be the outputs; None: all that nobody reads."""
        return [*self.roles.ends, *self.states.values()] if self.roles.ends else None


def rewrite_general(view: GraphView, recognition: Recognition, frozen: Mapping, *, freeze: str) -> General:
    """Replaces the LSTMs that an LSTMSequence is exact for, and frees their state variables.

    frozen: input name → the value it will have; freeze: how the user gives it such a value, for the message.
    Raises Refusal where a state would be lost.
    """
    general = General()
    if recognition.model is not None:
        general.roles = apply_roles(view, recognition.model, general.edits)
        general.initial.update(general.roles.initial)
    for stateful in recognition.lstms:
        reason, steps = _steps(view, stateful, frozen)
        if reason:
            _refuse_lost_state(stateful, reason, freeze)
            general.lines.append(f"BlockLSTM '{stateful.lstm.node}' is left as it is: {reason}")
            continue
        replace_lstm(view, stateful.lstm, general.edits, steps=steps)
        for state in states_of(stateful):
            _carry(view, state, general)
        plain = not stateful.lstm.clip and stateful.lstm.peepholes is None
        made = "an LSTMSequence" if plain else "a loop, for its peepholes or its clipped cell state"
        general.lines.append(f"BlockLSTM '{stateful.lstm.node}' becomes {made}")
    for state in recognition.states:
        if state.kind == "variable":
            _carry(view, state, general)
        elif recognition.model is None:
            general.pairs[state.name] = tuple(map(str, state.new))
    for rnn in recognition.rnns:
        direction = replace_rnn(view, rnn, general.edits)
        backwards = " that runs backwards" if direction == "reverse" else ""
        general.lines.append(f"loop '{rnn.node}' becomes {_sequences(rnn.layers)}{backwards}")
    for rnn in recognition.static_rnns:
        replace_static_rnn(view, rnn, general.edits)
        general.lines.append(f"the {rnn.steps} steps of '{rnn.node}' become {_sequences(rnn.layers)}")
    follow_redirects(general.edits)
    if general.edits.replace or general.pairs:  # else the graph is left alone
        general.edits.remove += [name for name in savers(view) if name not in general.edits.remove]
    remove_unused(view, general.edits, general.roles.ends)
    general.lines += [f"left as it is: {refusal}" for refusal in recognition.refused]
    freed = {**general.roles.claimed, **general.states}
    lost = lost_variable(view, freed) if freed or recognition.lstms else None
    if lost is not None:
        raise Refusal(
            f"The variable '{lost[0]}' is assigned '{lost[1]}', but is no recurrent cell's state as far as can be "
            "told: what it keeps from call to call would be lost",
            node=lost[0],
            remedy="Name it in a recipe of your own (--recipe)",
        )
    if freed:
        general.lines.append(
            f"state variables become inputs ({', '.join(freed)}) and outputs ({', '.join(freed.values())})"
        )
        begins = [f"{name} {span(value)}" for name, value in general.initial.items() if begins_anywhere(value)]
        if begins:
            general.lines.append(f"initial values kept: {', '.join(begins)}")
    if general.pairs:
        general.lines.append(f"inputs that are fed their new state: {', '.join(general.pairs)}")
    return general


def _carry(view: GraphView, state: State, general: General) -> None:
    """A state variable becomes an input and an output; what is no variable is one already."""
    if state.kind == "variable" and state.name not in general.roles.claimed:
        free_variable(view, state, general.edits, output=new_state_name(state))
        general.states[state.name] = new_state_name(state)
        general.initial[state.name] = state.initial


def _sequences(layers: tuple) -> str:
    return "an LSTMSequence" if len(layers) == 1 else f"{len(layers)} LSTMSequences"


def describe(recognition: Recognition, general: General) -> str:
    """One line: what was found and done."""
    done = "; ".join(general.lines) or "the graph is left as it is"
    model = recognition.model
    if model is not None:
        return f"{model.recipe}{': ' + model.summary if model.summary else ''}; {done}"
    return f"no DeepSpeech model ({recognition.why_not}); {done}"


def _steps(view: GraphView, stateful: StatefulLstm, frozen: Mapping) -> tuple[str, int | None]:
    """(why the LSTM must stay as it is, or '', and the only T it is exact for; None: any)."""
    lstm = stateful.lstm
    if lstm.lengths is None:
        return "", lstm.steps
    value = view.value(lstm.lengths)
    if value is None or not np.isfinite(value).all():
        value = frozen.get(lstm.lengths.node)
    lengths = set() if value is None else {int(length) for length in np.unique(value)}
    if len(lengths) == 1:
        return "", lengths.pop()
    return f"its lengths '{lstm.lengths}' are {'not all the same' if lengths else 'an input'}", None


def _refuse_lost_state(stateful: StatefulLstm, reason: str, freeze: str) -> None:
    kept = [state.name for state in states_of(stateful) if state.kind == "variable"]
    if kept:
        raise Refusal(
            f"The state in the variable '{kept[0]}' would be lost: {reason}",
            node=stateful.lstm.node,
            remedy=f"Freeze the lengths to the number of time steps with {freeze}",
        )
