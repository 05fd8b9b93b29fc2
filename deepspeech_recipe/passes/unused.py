"""Results that Model Optimizer needed to number the outputs of an LSTMSequence, and nobody asked for."""

from deepspeech_recipe.ov_api import rebuild


def drop_unused_outputs(model):
    """Removes every Result that reads an LSTMSequence itself: outputs of the model read what is squeezed from it."""
    results = [
        result for result in model.get_results() if result.input_value(0).get_node().get_type_name() != "LSTMSequence"
    ]
    return rebuild(model, results=results)
