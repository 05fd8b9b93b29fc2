"""The head: probabilities or raw scores at the output `logits`."""

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import both_forms, find
from deepspeech_recipe.ir.ov_api import opset, rebuild

HEADS = ("probabilities", "raw")


def set_head(model, current: str, wanted: str):
    """Adds a Softmax over the classes to `logits`, or takes it away. Returns the model.

    Raises RecipeError where there is no Softmax to take away.
    """
    if current == wanted:
        return model
    output = find(model.outputs, both_forms("logits"))
    if output is None:
        raise RecipeError("The model has no output 'logits' whose head could be changed.")
    source = output.get_node().input_value(0)
    names = both_forms("logits")
    if wanted == "probabilities":
        new = opset.softmax(source, axis=-1).output(0)
    elif source.get_node().get_type_name() == "Softmax":
        new = source.get_node().input_value(0)
        names |= both_forms("raw_logits")
    else:
        raise RecipeError("The output 'logits' does not come from a Softmax, so raw scores cannot be taken from it.")
    source.get_tensor().set_names(source.get_names() - names)  # the framework's own names stay where they were
    result = opset.result(new)
    result.set_friendly_name(output.get_node().get_friendly_name())
    result.output(0).get_tensor().add_names(names)
    old = output.get_node()
    results = [result if each.get_friendly_name() == old.get_friendly_name() else each for each in model.get_results()]
    return rebuild(model, results=results)
