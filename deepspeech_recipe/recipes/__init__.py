"""Recipes: what a kind of model looks like, and what its tensors are to be called in the IR.

A recipe is a module (or any object) with

    NAME                 a word
    recognise(view)      returns what the model is; raises `NoMatch` if the graph is not of this kind, saying what was
                         looked for and what was found, and `Refusal` if it is, but an exact conversion is not possible

`view` is a `GraphView`. The class of what is returned decides what is made of the graph:

    Model                roles and names of tensors: an IR with these names, the states carried
    AcousticModel        a DeepSpeech model, or one like it: the whole IR contract (docs/ir-contract.md), with lengths,
                         audio, internal state, head and metadata, for verify, diagnose and the speech runtime

A recipe is found by its path (`--recipe FILE.py`, or `recipe` in mo's --transformations_config), or as an entry point
of the group `deepspeech_recipe.recipes` of an installed package. The first that fits is used: the one that was named,
then this project's own, `recipes.deepspeech` and `recipes.deepspeech_v01`, then installed ones by name.
A recipe for a fork of DeepSpeech begins with the AcousticModel that `recognise` of one of these returns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.block_lstm import fused_lstms
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.patterns.state_links import links_of
from deepspeech_recipe.patterns.stateful import carried_states
from deepspeech_recipe.recipes.acoustic_model import AcousticModel

__all__ = ["AcousticModel", "GraphView", "Model", "NoMatch", "Node", "Refusal", "State", "Tensor", "states_of"]


@dataclass(frozen=True)
class Model:
    """A model that a recipe recognised: roles and names.

    inputs, outputs: name in the IR → tensor of the graph; a state that is kept in a variable is an input too, named
    by the variable's own tensor. The IR has these outputs only.
    states: name of an input → name of the output that is its new value.
    summary: one line for a person. metadata: JSON values for the IR.
    """

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    states: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    metadata: dict = field(default_factory=dict)
    recipe: str = ""


def states_of(view: GraphView) -> tuple[State, ...]:
    """Finds the states of LSTM cells, of fused LSTMs and of loops, wherever they are kept.

    `source` is the variable or the input of a state; `new` are the tensors that can be its new value, the likeliest
    first. Raises Refusal if one would be lost.
    """
    return carried_states(view, links_of(view, fused_lstms(view)))
