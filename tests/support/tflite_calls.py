"""Chained calls of a .tflite file in TensorFlow Lite's interpreter, and of the IR made from it."""

import numpy as np

from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import stem
from deepspeech_recipe.ir.runner import StatefulModel

CALLS = 12
# What streaming_core feeds back from call to call; keras_layers' states are the file's own.
FED_BACK = {"block": {"states": 1}, "frames": {}, "readings": {}}


def interpreter_calls(tf, content: bytes, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Inputs by name and outputs by place ("0", "1"), each [CALLS, …]. Inputs are random, of that scale, and the states
    that are inputs are fed what comes out."""
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    # The order of the converter's outputs is that of their names.
    inputs = {_name(detail): detail for detail in interpreter.get_input_details()}
    outputs = sorted(interpreter.get_output_details(), key=lambda detail: detail["name"])
    fed_back = next(pairs for name, pairs in FED_BACK.items() if name in inputs)
    states = {name: np.zeros(inputs[name]["shape"], np.float32) for name in fed_back}
    rng, calls = np.random.default_rng(8), []
    for _ in range(CALLS):
        feeds = {
            name: scale * rng.standard_normal(detail["shape"]).astype(np.float32)
            for name, detail in inputs.items()
            if name not in states
        }
        for name, value in {**feeds, **states}.items():
            interpreter.set_tensor(inputs[name]["index"], value)
        interpreter.invoke()
        found = [interpreter.get_tensor(detail["index"]).copy() for detail in outputs]
        states = {name: found[place] for name, place in fed_back.items()}
        calls.append({**feeds, **{str(place): value for place, value in enumerate(found)}})
    return {name: np.stack([call[name] for call in calls]) for name in calls[0]}


def assert_calls(ir, expected: dict[str, np.ndarray], limit: float) -> None:
    """Chained calls of an IR give these outputs; states that are among them too. limit: of what is in −1…1, and
    relative beyond."""
    model = StatefulModel(ir)
    states = IR(ir, "the IR").metadata["states"]
    inputs = {_bare(name): name for name in model.inputs}
    values = [name for name in expected if not name.isdecimal()]
    assert set(values) == set(inputs)
    for call in range(CALLS):
        found = model({inputs[name]: expected[name][call] for name in values})
        found |= {states[name]: value for name, value in model.states.items()}
        names = sorted(name for name in found if not name.startswith("new_"))
        assert len(names) == sum(name.isdecimal() for name in expected)
        for place, name in enumerate(names):
            right = expected[str(place)][call]
            assert found[name].shape == right.shape
            error = np.abs(found[name] - right).max() / max(1.0, np.abs(right).max())
            assert error < limit, (call, name, error)


def _name(detail) -> str:
    return _bare(stem(detail["name"]))


def _bare(name: str) -> str:
    """Without what the converter puts in front of a signature's inputs."""
    return name.removeprefix("serving_default_")
