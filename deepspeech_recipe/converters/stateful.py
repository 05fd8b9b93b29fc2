"""States of any model: which input is fed which output, written into the IR, or made internal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from deepspeech_recipe import __version__
from deepspeech_recipe.converters.contract import Conversion
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.initial_state import initial_state_json, initial_states
from deepspeech_recipe.ir.metadata import metadata_of, write_metadata
from deepspeech_recipe.ir.names import both_forms, find, name_tensors, stem
from deepspeech_recipe.ir.ov_api import rebuild
from deepspeech_recipe.passes.internal_state import internal_state

if TYPE_CHECKING:
    from deepspeech_recipe.recipes.recognition import Recognition
    from deepspeech_recipe.rewrite.general import General

_NO_STATE = (
    "Internal state was asked for, but no input of the IR is a state whose new value is an output. "
    "Convert it with external state"
)


def carry_states(
    ov_model,
    states: Mapping[str, tuple[str, ...]],
    conversion: Conversion,
    *,
    inputs: Mapping[str, set[str]] = MappingProxyType({}),
    outputs: Mapping[str, set[str]] = MappingProxyType({}),
    ends: Iterable[str] = (),
    known: Mapping | None = None,
    initial: Mapping[str, np.ndarray | None] = MappingProxyType({}),
):
    """Names tensors, writes the metadata, makes states internal if asked. Returns the ov.Model.

    states: input → the outputs that can be its new value, the likeliest first; an input or output that the user cut
    off is passed over. inputs, outputs: names that a recipe gives → names the tensor may be found by. ends: nodes
    whose names go before other names of outputs. known: the recipe's metadata; None: no recipe fitted.
    initial: input → what it holds before the first call, as `initial_state.initial_state_json` takes it.
    The IR's metadata has in `states` the pairs, input → output, in `inputs` and `outputs` the names of the other
    tensors, in `graph` the framework's names of the states.
    Raises RecipeError where no state is left that could become internal.
    """
    name_tensors(ov_model, dict(inputs), dict(outputs))
    pairs: dict[str, str] = {}
    for name, candidates in states.items():
        output = _output(ov_model, name, [each for each in candidates if each not in pairs.values()])
        if output is not None:
            pairs[name] = stem(output)
    if not pairs and conversion.state == "internal":
        raise RecipeError(_NO_STATE)
    if not pairs and known is None:
        return ov_model
    named = _names(ov_model.inputs, {*inputs, *pairs}), _names(ov_model.outputs, {*outputs, *pairs.values(), *ends})
    name_tensors(ov_model, *named)
    ov_model = rebuild(
        ov_model,
        parameters=_in_order(ov_model.inputs, ov_model.get_parameters(), list(inputs)),
        results=_in_order(ov_model.outputs, ov_model.get_results(), list(outputs)),
    )
    metadata = {
        "recipe": "general",
        **(known or {}),
        "recipe_version": __version__,
        "converter": conversion.converter,
        "state": conversion.state,
        "states": pairs,
        "inputs": [name for name in named[0] if name not in pairs],
        "outputs": [name for name in named[1] if name not in pairs.values()],
        "graph": _graph_names(ov_model, pairs),
        **initial_state_json({name: initial.get(name) for name in pairs}),
    }
    if conversion.state == "internal":
        ov_model = internal_state(ov_model, pairs, initial_states(metadata))
    write_metadata(ov_model, metadata)
    return ov_model


def _names(ports, preferred: set[str]) -> dict[str, set[str]]:
    """Every tensor under all of its names, with and without ':0', the recipe's first."""
    found = {}
    for port in ports:
        names = sorted({stem(name) for name in port.get_names()}, key=lambda name: (len(name), name))
        if names:
            found[next((name for name in names if name in preferred), names[0])] = port.get_names()
    return found


def _in_order(ports, nodes, names: list[str]) -> list:
    """The nodes as the recipe has them; the others after them."""
    found = [[names.index(name) for name in port.get_names() if name in names] for port in ports]
    places = [min(each, default=len(names)) for each in found]
    return [nodes[index] for index in sorted(range(len(nodes)), key=places.__getitem__)]


def _graph_names(ov_model, pairs: Mapping[str, str]) -> dict[str, list[str]]:
    """The framework's names of the states' tensors, which internal states no longer have."""
    ports = [(name, find(ov_model.inputs, both_forms(name))) for name in pairs]
    ports += [(name, find(ov_model.outputs, both_forms(name))) for name in pairs.values()]
    return {name: sorted({stem(each) for each in port.get_names()}) for name, port in ports}


def _output(ov_model, name: str, candidates) -> str | None:
    """The first candidate that is an output of the input's shape."""
    state = find(ov_model.inputs, both_forms(name))
    if state is None:
        return None
    for candidate in candidates:
        output = find(ov_model.outputs, both_forms(candidate))
        if output is not None and output.get_partial_shape().compatible(state.get_partial_shape()):
            return candidate
    return None


def with_options(ov_model, *, batch: int | None, state: str):
    """A converted model, its state still outside, with the batch (of inputs that leave it open) and the state asked
    for. Raises RecipeError where there is no state to keep inside, or its batch is open."""
    if batch is not None:
        shapes = {}
        for port in ov_model.inputs:
            shape = port.get_partial_shape()
            if shape.rank.is_static and len(shape) and shape[0].is_dynamic:
                shape[0] = batch
                shapes[port] = shape
        ov_model.reshape(shapes)
    if state == "internal":
        metadata = metadata_of(ov_model)
        if not metadata.get("states"):
            raise RecipeError(_NO_STATE)
        ov_model = internal_state(ov_model, metadata["states"], initial_states(metadata))
        write_metadata(ov_model, {**metadata, "state": "internal"})
    return ov_model


def finish_general(ov_model, recognition: Recognition, general: General, conversion: Conversion, ends=()):
    """`carry_states` with what was recognised and rewritten. ends: the graph's output nodes."""
    model, roles = recognition.model, general.roles
    known = None if model is None else {**model.metadata, "recipe": model.recipe}
    return carry_states(
        ov_model,
        general.carried,
        conversion,
        inputs=roles.inputs,
        outputs=roles.outputs,
        ends=ends,
        known=known,
        initial=general.initial,
    )
