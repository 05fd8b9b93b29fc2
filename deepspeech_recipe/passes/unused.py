"""Results that Model Optimizer needed to number the outputs of an LSTMSequence, and nobody asked for."""

from deepspeech_recipe.ir.ov_api import rebuild


def drop_unused_outputs(model):
    """Removes every Result that reads an LSTMSequence itself: outputs of the model read what is squeezed from it."""
    kept = []
    for result in model.get_results():
        source = result.input_value(0)
        if source.get_node().get_type_name() == "LSTMSequence":
            source.get_tensor().set_names(set())  # MO named each of them after the node
        else:
            kept.append(result)
    return rebuild(model, results=kept)
