"""The recipe of `model.py`'s kind of model: one LSTM, its state in two variables, a Softmax at the end."""

from deepspeech_recipe.recipes import Model, NoMatch, Refusal, Tensor, states_of

NAME = "health"


def recognise(view):
    """Roles and names."""
    # Is it one of ours? If not, say what was looked for and what was found.
    inputs, outputs = view.of_op("Placeholder"), view.of_op("Softmax")
    if len(inputs) != 1 or len(inputs[0].attribute("shape") or ()) != 3:
        reason = f"one input of rank 3 (batch, readings, sensors) was looked for, {len(inputs)} inputs were found"
        raise NoMatch(reason, wanted=1, found=len(inputs))
    if len(outputs) != 1:
        raise NoMatch(f"one Softmax was looked for, {len(outputs)} were found", wanted=1, found=len(outputs))

    # It is: what is wrong with it from here on is a refusal.
    readings, scores = inputs[0], outputs[0]
    sensors = readings.attribute("shape")[2]
    if sensors != 3:
        raise Refusal(
            f"The model reads {sensors} sensors, this machine has 3",
            node=readings.name,
            remedy="Train it with the readings of all three sensors",
        )
    # h' = σ(o) · tanh(c') is a product, c' a sum: topology tells the two apart, names do not.
    states = {"h" if view.source_node(state.new[0]).op == "Mul" else "c": state for state in states_of(view)}
    if set(states) != {"c", "h"}:
        raise Refusal(
            f"A cell state and a hidden state were looked for, {len(states)} were found",
            remedy="Export the model with stateful=True and unroll=True",
        )
    return Model(
        summary="4 readings of 3 sensors → [healthy, worn]",
        inputs={"readings": Tensor(readings.name), **{f"state_{part}": state.source for part, state in states.items()}},
        outputs={"scores": Tensor(scores.name), **{f"new_{part}": state.new[0] for part, state in states.items()}},
        states={"state_c": "new_c", "state_h": "new_h"},
        metadata={"classes": ["healthy", "worn"]},
    )
