"""A recipe for `tests.graphs.stateful.keyword_spotter`, for tests that name a file."""

from deepspeech_recipe.recipes import Model, NoMatch, Refusal, Tensor, states_of

NAME = "keyword"


def recognise(view):
    inputs = [node for node in view.of_op("Placeholder") if node.attribute("shape", ())[:1] == (1,)]
    if len(inputs) != 3 or len(view.of_op("Softmax")) != 1:
        raise NoMatch(f"three inputs of batch 1 and one Softmax were looked for, {len(inputs)} inputs found")
    states = states_of(view)
    if len(states) != 2:
        raise Refusal(f"Two states were looked for, {len(states)} found", remedy="Export the model with its state")
    kept = {state.name for state in states}
    (frame,) = (node for node in view.of_op("Placeholder") if node.name not in kept)
    c, h = states
    return Model(
        summary="one frame → scores of keywords",
        inputs={"frame": Tensor(frame.name), "state_c": c.source, "state_h": h.source},
        outputs={"scores": Tensor(view.of_op("Softmax")[0].name), "next_c": c.new[0], "next_h": h.new[0]},
        states={"state_c": "next_c", "state_h": "next_h"},
        metadata={"classes": ["yes", "no", "silence"]},
    )
