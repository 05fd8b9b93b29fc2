"""What was typed for `mo`, against the graph: one line with both sides of a contradiction, before MO acts on it.

MO itself would name a node deep inside, or report an internal error, or do what nobody can have meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from openvino.runtime import PartialShape

from deepspeech_recipe.converters.mo_arguments import Arguments
from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.rewrite.edits import LAST_CELL, LAST_HIDDEN, RECIPE_LSTM, Edits
from deepspeech_recipe.rewrite.reachability import edited_inputs, ends, needed

# What '0:node', an input of a node, and 'node:0', an output, have besides its name.
_PORT = re.compile(r"^\d+:|:\d+$")


@dataclass(frozen=True)
class StateNames:
    """input, output: what a state and its new value are called in the IR. names, new: all node names they go by."""

    input: str
    output: str
    names: frozenset[str]
    new: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str], new: Iterable[str]) -> StateNames:
        """names, new: names of tensors, first the one in the IR."""
        names, new = ([Tensor.parse(name).node for name in tensors] for tensors in (names, new))
        return cls(names[0], new[0], frozenset(names), frozenset(new))


def check_names(arguments: Arguments, view: GraphView, edits: Edits, outputs: Iterable[str]) -> None:
    """Raises RecipeError for a name of a node that the edits replace. outputs: the names to recommend."""
    for name in (*(arguments.outputs or ()), *arguments.named_shapes):
        node = _PORT.sub("", name)
        new = next((tensor for old, tensor in edits.redirect.items() if old.node == node), None)
        if new is not None and _is_lstm(edits, new.node):
            lasts = [_carrier(edits, Tensor(new.node, port)) for port in (LAST_HIDDEN, LAST_CELL)]
            parts = [f"The hidden states of all steps are '{new.node}'"]
            parts += [f"the last {what} state is '{last}'" for what, last in zip(("hidden", "cell"), lasts) if last]
            raise RecipeError(f"'{name}' is inside of what becomes one LSTMSequence. {', '.join(parts)}")
        if node in edits.remove:
            raise RecipeError(
                f"'{name}' is not in the converted graph: the plugin replaces what it belongs to. "
                f"Outputs are {some_of(outputs)}"
            )


def _is_lstm(edits: Edits, name: str) -> bool:
    return any(node.name == name and node.op == RECIPE_LSTM for node in edits.add)


def _carrier(edits: Edits, tensor: Tensor) -> str | None:
    """The node that stands for an output of a new LSTM under a name of the graph's."""
    return next((node.name for node in edits.replace if node.inputs == (tensor,)), None)


def check_sizes(shapes: Mapping, sizes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises RecipeError for a typed shape that the graph cannot take. sizes: input → its own, -1 for any."""
    for name, own in sizes.items():
        if shapes.get(name) is None:
            continue
        typed, wanted = PartialShape(shapes[name]), PartialShape(list(own))
        if not typed.compatible(wanted):
            raise RecipeError(
                f"'{name}' was given the shape {typed}, but the graph takes {wanted}. Give it a shape like that"
            )
        if any(dimension.is_static and dimension.get_length() == 0 for dimension in typed):
            raise RecipeError(f"'{name}' was given the shape {typed}, which holds nothing. Give it sizes above zero")


def check_types(arguments: Arguments, inputs: Iterable[str]) -> None:
    """Raises RecipeError for a type other than f32 of inputs that the graph computes with in f32."""
    for name in inputs:
        typed = arguments.types.get(name)
        if typed is not None and np.dtype(typed) != np.float32:
            raise RecipeError(
                f"'{name}' was given the type {np.dtype(typed).name}, but the graph computes with it in float32. "
                "Leave the type out; --compress_to_fp16 halves the weights"
            )


def check_not_frozen(arguments: Arguments, states: Iterable[StateNames]) -> None:
    """Raises RecipeError for a state that was given a constant value: it would be lost."""
    for state in states:
        if any(Tensor.parse(key).node in state.names for key in arguments.frozen):
            raise RecipeError(
                f"'{state.input}' is a state: frozen, every call would begin with it. Feed it, with zeros in an "
                "utterance's first call"
            )


def check_untouched(arguments: Arguments, view: GraphView, edits: Edits, states: Iterable[StateNames]) -> None:
    """Raises RecipeError for what would change states between two calls: on their way in, but not on their way out."""
    outputs = [Tensor.parse(name).node for name in arguments.outputs or ends(view, edits)]
    reached = needed(edited_inputs(view, edits), outputs)
    states = [state for state in states if state.names & reached]
    every = ", ".join(state.input for state in states)
    named = 'Name the input that is meant: --scale_values "INPUT[2]"'
    values = arguments.mean_scale
    if states and arguments.scale not in (None, 1):
        raise RecipeError(f"--scale {arguments.scale:g} would divide the states too ({every}). {named}")
    if states and not isinstance(values, Mapping) and len(values):
        raise RecipeError(f"Unnamed --mean_values and --scale_values would change the states too ({every}). {named}")
    for option, names in (("--mean_values or --scale_values", values), ("--layout", arguments.transposed)):
        for name in names if isinstance(names, Mapping) else ():
            if any(Tensor.parse(name).node in state.names | state.new for state in states):
                raise RecipeError(
                    f"{option} would change '{name}', which is a state: a call gets it as the call before left it. "
                    "Leave it out"
                )


def asks_for_internal_state(arguments: Arguments, states: Iterable[StateNames]) -> bool:
    """Whether --transform MakeStateful names the states; the plugin then makes them internal, and MO does nothing.

    Raises RecipeError if the request names only some of them, or pairs them wrongly.
    """
    states, typed = list(states), arguments.make_stateful
    if typed is None or not states:
        return False
    pairs = {Tensor.parse(name).node: Tensor.parse(new).node for name, new in typed.items()}
    if pairs and not any(name in state.names for name in pairs for state in states):
        return False
    fits = [any(name in state.names and new in state.new for state in states) for name, new in pairs.items()]
    if not all(fits) or len(fits) != len(states):
        given = ", ".join(f"{name} → {new}" for name, new in pairs.items()) or "no names"
        right = ",".join(f"'{state.input}':'{state.output}'" for state in states)
        raise RecipeError(
            f"MakeStateful was given {given}. It needs every state of the network, each with its own new value: "
            f'--transform "MakeStateful[param_res_names={{{right}}}]"'
        )
    arguments.forget_make_stateful()
    return True
