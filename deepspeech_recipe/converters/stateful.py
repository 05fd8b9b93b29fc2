"""The IR of a model that is not an acoustic one: which input is fed which output, and what else is known of it."""

from __future__ import annotations

from collections.abc import Iterable

from deepspeech_recipe import __version__
from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.ir.initial_state import initial_state_json
from deepspeech_recipe.ir.metadata import write_metadata
from deepspeech_recipe.ir.names import EXTERNAL, NO_STATE, find_input, find_output, in_order, name_tensors, stem
from deepspeech_recipe.ir.ov_api import ov, rebuild
from deepspeech_recipe.recipes import Model
from deepspeech_recipe.recipes.recognition import Recognition
from deepspeech_recipe.rewrite.general import General


def apply_general_contract(
    ov_model: ov.Model,
    recognition: Recognition,
    general: General,
    converter: str,
    starts: Iterable[str] = (),
    ends: Iterable[str] = (),
) -> ov.Model:
    """Names the tensors of a model that is not an acoustic one, and writes its metadata, if anything was recognised.

    converter: its name and version. starts, ends: the graph's own input and output nodes, whose names go before others
    of the same tensors. A state's input or output that the user cut off is passed over. The IR's metadata has in
    `states` the pairs, input → output, in `inputs` and `outputs` the names of the other tensors, in `graph` which of
    the framework's tensors each of them is.
    """
    model = recognition.model if isinstance(recognition.model, Model) else None
    inputs, outputs = general.recipe_names.inputs, general.recipe_names.outputs
    name_tensors(ov_model, inputs, outputs)
    pairs: dict[str, str] = {}
    for name, candidates in general.carried.items():
        output = _output(ov_model, name, [new for new in candidates if new not in pairs.values()])
        if output is not None:
            pairs[name] = stem(output)
    if not recognition.is_empty:
        named = (
            _names(ov_model.inputs, {*pairs}, {*inputs}, {*starts}),
            _names(ov_model.outputs, {*pairs.values()}, {*outputs}, {*ends}),
        )
        name_tensors(ov_model, *named)
        ov_model = rebuild(
            ov_model,
            parameters=in_order(ov_model.inputs, ov_model.get_parameters(), list(inputs)),
            results=in_order(ov_model.outputs, ov_model.get_results(), list(outputs)),
        )
        known = {} if model is None else {**model.metadata, "recipe": model.recipe}
        of_recipe = {} if model is None else {name: stem(str(own)) for name, own in _tensors(model)}
        metadata = {
            "recipe": "general",
            **known,
            "recipe_version": __version__,
            "converter": converter,
            "state": EXTERNAL if pairs else NO_STATE,
            "states": pairs,
            "inputs": [name for name in named[0] if name not in pairs],
            "outputs": [name for name in named[1] if name not in pairs.values()],
            "graph": {name: _first(of_recipe.get(name, name), names) for each in named for name, names in each.items()},
            **initial_state_json({name: general.initial.get(name) for name in pairs}),
        }
        write_metadata(ov_model, metadata)
    return ov_model


def _tensors(model: Model) -> list[tuple[str, Tensor]]:
    return [*model.inputs.items(), *model.outputs.items()]


def _names(ports, states: set[str], roles: set[str], own: set[str]) -> dict[str, set[str]]:
    """Every tensor under all of its names, with and without ':0': the state's, else the recipe's, else the graph's own.
    A state's new value that the graph has as an output too is named twice."""
    named = {}
    for port in ports:
        names = {stem(name) for name in port.get_names()}
        state = names & states
        others = names & (roles | own) - states or (set() if state else names)
        if others and not (state and port.get_node().get_type_name() == "Parameter"):
            named[min(others, key=lambda name: (name not in roles, len(name), name))] = port.get_names()
        named.update(dict.fromkeys(state, port.get_names()))
    return named


def _first(name: str, names: Iterable[str]) -> list[str]:
    """The framework's names of a tensor, the graph's own for it first, even if the IR calls another one so."""
    return [name, *sorted({stem(each) for each in names} - {name})]


def _output(ov_model, name: str, candidates) -> str | None:
    """The first candidate that is an output of the input's shape."""
    state = find_input(ov_model, name)
    if state is None:
        return None
    for candidate in candidates:
        output = find_output(ov_model, candidate)
        if output is not None and output.get_partial_shape().compatible(state.get_partial_shape()):
            return candidate
    return None
