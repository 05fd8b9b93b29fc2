"""The IR of a model that is not an acoustic one: which input is fed which output, and what else is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deepspeech_recipe import __version__
from deepspeech_recipe.ir.initial_state import initial_state_json
from deepspeech_recipe.ir.metadata import write_metadata
from deepspeech_recipe.ir.names import find_input, find_output, in_order, name_tensors, stem
from deepspeech_recipe.ir.ov_api import ov, rebuild
from deepspeech_recipe.recipes import Model
from deepspeech_recipe.recipes.recognition import Recognition
from deepspeech_recipe.rewrite.general import General


def apply_general_contract(
    ov_model: ov.Model, recognition: Recognition, general: General, converter: str, ends: Iterable[str] = ()
) -> ov.Model:
    """Names the tensors of a model that is not an acoustic one, and writes its metadata, if it has states or a recipe.

    converter: its name and version. A state's input or output that the user cut off is passed over. ends: the graph's
    output nodes, whose names go before other names of outputs. The IR's metadata has in `states` the pairs, input →
    output, in `inputs` and `outputs` the names of the other tensors, in `graph` the framework's names of the states.
    """
    model = recognition.model if isinstance(recognition.model, Model) else None
    inputs, outputs = general.recipe_names.inputs, general.recipe_names.outputs
    name_tensors(ov_model, inputs, outputs)
    pairs: dict[str, str] = {}
    for name, candidates in general.carried.items():
        output = _output(ov_model, name, [new for new in candidates if new not in pairs.values()])
        if output is not None:
            pairs[name] = stem(output)
    if pairs or model is not None:
        named = _names(ov_model.inputs, {*inputs, *pairs}), _names(ov_model.outputs, {*outputs, *pairs.values(), *ends})
        name_tensors(ov_model, *named)
        ov_model = rebuild(
            ov_model,
            parameters=in_order(ov_model.inputs, ov_model.get_parameters(), list(inputs)),
            results=in_order(ov_model.outputs, ov_model.get_results(), list(outputs)),
        )
        known = {} if model is None else {**model.metadata, "recipe": model.recipe}
        metadata = {
            "recipe": "general",
            **known,
            "recipe_version": __version__,
            "converter": converter,
            "state": "external",
            "states": pairs,
            "inputs": [name for name in named[0] if name not in pairs],
            "outputs": [name for name in named[1] if name not in pairs.values()],
            "graph": _graph_names(ov_model, pairs),
            **initial_state_json({name: general.initial.get(name) for name in pairs}),
        }
        write_metadata(ov_model, metadata)
    return ov_model


def _names(ports, preferred: set[str]) -> dict[str, set[str]]:
    """Every tensor under all of its names, with and without ':0', the recipe's first."""
    named = {}
    for port in ports:
        names = sorted({stem(name) for name in port.get_names()}, key=lambda name: (len(name), name))
        if names:
            named[next((name for name in names if name in preferred), names[0])] = port.get_names()
    return named


def _graph_names(ov_model, pairs: Mapping[str, str]) -> dict[str, list[str]]:
    """The framework's names of the states' tensors, which internal states no longer have."""
    ports = [(name, find_input(ov_model, name)) for name in pairs]
    ports += [(name, find_output(ov_model, name)) for name in pairs.values()]
    return {name: sorted({stem(alias) for alias in port.get_names()}) for name, port in ports}


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
