"""States of any model: which input is fed which output, written into the IR, or made internal."""

from collections.abc import Mapping

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.passes.contract import Conversion
from deepspeech_recipe.passes.internal_state import internal_state
from deepspeech_recipe.passes.metadata import write_metadata
from deepspeech_recipe.passes.names import both_forms, find, name_tensors
from deepspeech_recipe.version import __version__


def carry_states(ov_model, states: Mapping[str, tuple[str, ...]], conversion: Conversion, known: Mapping = {}):
    """Names the states' tensors, writes the metadata, makes states internal if asked. Returns the ov.Model.

    states: input → the outputs that can be its new value, the likeliest first; an input or output that the user cut
    off is passed over. known: further metadata. The metadata's `states` are the pairs, input → output.
    Raises RecipeError where no state is left that could become internal.
    """
    pairs: dict[str, str] = {}
    for name, candidates in states.items():
        output = _output(ov_model, name, [each for each in candidates if each not in pairs.values()])
        if output is not None:
            pairs[name] = output.removesuffix(":0")
    if not pairs and conversion.state == "internal":
        raise RecipeError(
            "Internal state was asked for, but no input of the IR is a state whose new value is an output. "
            "Convert it with external state"
        )
    if not pairs:
        return ov_model
    name_tensors(ov_model, _names(ov_model.inputs), _names(ov_model.outputs))
    if conversion.state == "internal":
        ov_model = internal_state(ov_model, pairs)
    metadata = {
        "recipe": "general",
        "recipe_version": __version__,
        "converter": conversion.converter,
        "state": conversion.state,
        "states": pairs,
    }
    write_metadata(ov_model, metadata | dict(known))
    return ov_model


def _names(ports) -> dict[str, set[str]]:
    """Every tensor under all of its names, with and without ':0'."""
    named = (sorted(port.get_names(), key=lambda name: (len(name), name)) for port in ports)
    return {names[0].removesuffix(":0"): set(names) for names in named if names}


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
