"""What a graph that holds no DeepSpeech model gets: decided once, for both converters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Tensor
from deepspeech_recipe.patterns.block_lstm import reads_past_lengths
from deepspeech_recipe.patterns.dropout import dropout_masks
from deepspeech_recipe.patterns.lstm import BLOCK, LOOP, Lstm
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.patterns.stateful import check_not_lost
from deepspeech_recipe.recipes import Model
from deepspeech_recipe.recipes.recognition import Recognition
from deepspeech_recipe.recipes.summary import begins_anywhere, span
from deepspeech_recipe.rewrite.edits import Edits, NewNode, follow_redirects
from deepspeech_recipe.rewrite.lstm import free_variable, new_state_name, replace_lstm
from deepspeech_recipe.rewrite.reachability import remove_unused, savers
from deepspeech_recipe.rewrite.recipe_names import RecipeNames, apply_recipe_names


@dataclass
class General:
    """What is to be done with a general graph.

    edits: what to change. states: variable that becomes an input → its new output; initial: what it holds before the
    first call. pairs: input that is fed a state → the outputs that can be its new value, the likeliest first.
    recipe_names: what a recipe says besides. lines: for a person to read.
    """

    edits: Edits = field(default_factory=Edits)
    states: dict[str, str] = field(default_factory=dict)
    initial: dict[str, np.ndarray | None] = field(default_factory=dict)
    pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    recipe_names: RecipeNames = field(default_factory=RecipeNames)

    @property
    def carried(self) -> dict[str, tuple[str, ...]]:
        """All states, as `converters.stateful` wants them."""
        carried = {**{name: (output,) for name, output in self.states.items()}, **self.pairs}
        return {**carried, **{name: (output,) for name, output in self.recipe_names.states.items()}}

    @property
    def ends(self) -> list[str] | None:
        """The nodes that shall be the outputs; None: all that nobody reads."""
        return [*self.recipe_names.ends.values(), *self.states.values()] if self.recipe_names.ends else None


def rewrite_general(view: GraphView, recognition: Recognition, frozen: Mapping, *, freeze: str) -> General:
    """Replaces the LSTMs that an LSTMSequence is exact for, and frees their state variables.

    frozen: input name → the value it will have; freeze: how the user gives the input {} the value T, for the message.
    Raises Refusal if a state would be lost.
    """
    general = General()
    if isinstance(recognition.model, Model):
        general.recipe_names = apply_recipe_names(view, recognition.model, general.edits)
        general.initial.update(general.recipe_names.initial)
    for lstm in recognition.lstms:
        general.lines.append(_replace(view, lstm, general, frozen, freeze))
    for state in recognition.states:
        _carry(view, state, general)
        if state.kind == "input" and recognition.model is None:
            general.pairs[state.name] = tuple(map(str, state.new))
    general.lines += _known_ranks(view, general.edits)
    if recognition.audio:
        general.lines.append(f"{' and '.join(recognition.audio)} in plain operations")
    follow_redirects(general.edits)
    if general.edits.replace or general.pairs:  # else the graph is left alone
        general.edits.remove += sorted(savers(view).difference(general.edits.remove))
    remove_unused(view, general.edits, general.recipe_names.ends.values())
    general.lines += [f"left as it is: {refusal}".rstrip(".") for refusal in recognition.refused]
    freed = {**general.recipe_names.claimed, **general.states}
    if freed or any(lstm.form == BLOCK for lstm in recognition.lstms):
        check_not_lost(view, freed)
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


def _known_ranks(view: GraphView, edits: Edits) -> list[str]:
    """The probability of dropout is a scalar, also if its input has no shape: OpenVINO compiles no input of an unknown
    rank."""
    lines = []
    for probability in dict.fromkeys(mask.probability for mask in dropout_masks(view)):
        for node in view.ancestors(probability):
            if node.op in PLACEHOLDER_OPS and node.attribute("shape") is None:
                edits.replace.append(NewNode(node.name, "Placeholder", (), {"shape": ()}))
                lines.append(f"the input '{node.name}' of dropout is a scalar (to leave dropout out, freeze it)")
    return lines


def _replace(view: GraphView, lstm: Lstm, general: General, frozen: Mapping, freeze: str) -> str:
    """What becomes of an LSTM, for a person to read."""
    if lstm.form == BLOCK:
        steps, reader = lstm.steps, None
        if lstm.lengths is not None and (reader := reads_past_lengths(view, lstm)) is not None:
            steps = _length_of_all(view, lstm.lengths, frozen)
            if steps is None:
                reason = f"its states past a row's own length are read by '{reader.name}' ({reader.op})"
                _refuse_lost_state(view, lstm, reason, freeze)
                return f"BlockLSTM '{lstm.node}' is left as it is: {reason}"
        replace_lstm(view, lstm, general.edits, lengths=reader is None, steps=steps)
        for state in lstm.states:
            _carry(view, state, general)
        return f"BlockLSTM '{lstm.node}' becomes {lstm.replacement}"
    replace_lstm(view, lstm, general.edits, lengths=True, steps=lstm.steps)
    if lstm.form == LOOP:
        return f"loop '{lstm.node}' becomes {lstm.replacement}{' that runs backwards' if lstm.reversals else ''}"
    return f"the {lstm.steps} steps of '{lstm.node}' become {lstm.replacement}"


def _carry(view: GraphView, state: State, general: General) -> None:
    """A state variable becomes an input and an output; what is not a variable is one already."""
    if state.kind == "variable" and state.name not in general.recipe_names.claimed:
        free_variable(view, state, general.edits, output=new_state_name(state))
        general.states[state.name] = new_state_name(state)
        general.initial[state.name] = state.initial


def describe(recognition: Recognition, general: General) -> str:
    """One line: what was found and done."""
    done = "; ".join(general.lines) or "the graph is left as it is"
    model = recognition.model
    if isinstance(model, Model):
        return f"{model.recipe}{': ' + model.summary if model.summary else ''}; {done}"
    return f"no DeepSpeech model ({recognition.why_not}); {done}"


def _length_of_all(view: GraphView, lengths: Tensor, frozen: Mapping) -> int | None:
    """The length of every row, if it is known and the same."""
    value = view.value(lengths)
    if value is None:
        value = frozen.get(lengths.node)
    try:
        known = set() if value is None else set(np.asarray(value).astype(np.int64).reshape(-1).tolist())
    except ValueError:  # what was typed is not a number: MO says so
        return None
    return known.pop() if len(known) == 1 else None


def _refuse_lost_state(view: GraphView, lstm: Lstm, reason: str, freeze: str) -> None:
    kept = [state.name for state in lstm.states if state.kind == "variable"]
    lengths = None if lstm.lengths is None else view.producer(lstm.lengths)
    if kept and lengths is not None:
        remedy = "Export the graph without lengths, or with hidden states that are zeros past them"
        if lengths.op in PLACEHOLDER_OPS:
            remedy = f"If every call has all of its T time steps, freeze the lengths: {freeze.format(lengths.name)}"
        raise Refusal(f"The state in the variable '{kept[0]}' would be lost: {reason}", node=lstm.node, remedy=remedy)
