"""What the outputs of a model are."""

from __future__ import annotations

from collections.abc import Collection

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import LOGITS, RAW_LOGITS, both_forms, find_output, stem
from deepspeech_recipe.ir.ov_api import opset, ov, rebuild


def set_head(model: ov.Model, current: str, wanted: str) -> ov.Model:
    """Adds a Softmax over the classes to the output `logits`, or takes it away.

    current, wanted: what `logits` is and shall be, see `ir.options.Head`.
    Raises RecipeError if there is no Softmax to take away.
    """
    model = model.clone()
    if current == wanted:
        return model
    output = find_output(model, LOGITS)
    if output is None:
        raise RecipeError("The model has no output 'logits' whose head could be changed.")
    source = output.get_node().input_value(0)
    names = both_forms(LOGITS)
    if wanted == "probabilities":
        new = opset.softmax(source, axis=-1).output(0)
    elif source.get_node().get_type_name() == "Softmax":
        new = source.get_node().input_value(0)
        names |= both_forms(RAW_LOGITS)
    else:
        raise RecipeError("The output 'logits' does not come from a Softmax, so raw scores cannot be taken from it.")
    source.get_tensor().set_names(source.get_names() - names)  # the framework's own names stay where they were
    old = output.get_node().get_friendly_name()
    result = opset.result(new)
    result.set_friendly_name(old)
    result.output(0).get_tensor().add_names(names)
    return rebuild(model, results=[result if node.get_friendly_name() == old else node for node in model.get_results()])


def drop_unused_outputs(model: ov.Model, named: Collection[str] | None = None) -> ov.Model:
    """Removes the Results that Model Optimizer made of its own accord: those that read an LSTMSequence itself, and, if
    the model's own outputs are named, those of an LSTMCell that have none of the names.

    Model Optimizer needs the former to number the outputs of an LSTMSequence, while a model's own read what is squeezed
    from it; its cells have the latter, whatever --output says.
    """
    model, kept = model.clone(), []
    for result in model.get_results():
        source = result.input_value(0)
        kind = source.get_node().get_type_name()
        if kind == "LSTMSequence":
            source.get_tensor().set_names(set())  # MO named each of them after the node
        elif kind != "LSTMCell" or named is None or any(stem(name) in named for name in source.get_names()):
            kept.append(result)
    return rebuild(model, results=kept)
