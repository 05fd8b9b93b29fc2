"""What a careless hand, a bad disk or a stale file could do to an IR, by name, and the forms of IR it is done to.

`tests/test_damages.py` holds verify and diagnose to it.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.layers import layer_ends
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.names import find_output
from deepspeech_recipe.ir.ov_api import i64, opset, ov
from deepspeech_recipe.passes.attach_audio import attach_audio, feature_model
from deepspeech_recipe.passes.compress import compress_to_fp16, compress_weights, dense_layers
from deepspeech_recipe.passes.streaming import streaming_model
from deepspeech_recipe.verification.stored import bodies
from tests.support import verify_models as models

GRAPH = "v0.9"
FORMS = {
    "external": {},
    "dynamic": {"time_steps": "dynamic", "batch": "dynamic"},
    "internal": {"state": "internal"},
    "lengths": {"lengths": "input", "batch": 4},
    "attached": {"audio": "attached", "batch": 1},
    "streaming": {"audio": "attached", "state": "internal", "batch": 1},
    "separate": {"audio": "separate"},
    "fp16": {"weights": "fp16"},
    "int8, fp32": {"weights": "int8", "activations": "fp32"},
    "int8": {"weights": "int8"},
}
KEEP_STATE = ("external", "dynamic", "internal", "lengths", "streaming", "separate", "fp16", "int8, fp32", "int8")
EXTERNAL = ("external", "dynamic", "lengths", "separate", "fp16", "int8, fp32", "int8")
AUDIO = ("attached", "streaming", "separate")
EIGHT_BITS = ("int8, fp32", "int8")
_W, _R, _B = 4, 5, 6


@dataclasses.dataclass(frozen=True)
class Damage:
    """apply(ov.Model, size) → the damaged model. check: a check of verify that must fail, without what it is after
    (`kind_of`); stage: what diagnose must name. forms: where it is done. size: of the damage in the tests; fp16: the
    same, of weights in FP16, whose limits are wider; sizes: those that the page tries, the smallest first. stored: it
    is done to weights of 8 bits, not before they are made. audio: settings → other
    settings, of an audio part that is made with them.
    """

    name: str
    check: str
    stage: str
    apply: Callable = lambda model, size: model
    forms: tuple[str, ...] = tuple(FORMS)
    size: float = 0.0
    fp16: float | None = None
    sizes: tuple[float, ...] = ()
    stored: bool = False
    audio: Callable | None = None
    checks: dict[str, str] = dataclasses.field(default_factory=dict)  # of single forms, where it is another one
    stages: dict[str, str] = dataclasses.field(default_factory=dict)  # the same

    def size_in(self, form: str) -> float:
        return self.fp16 if form == "fp16" and self.fp16 is not None else self.size

    def check_in(self, form: str) -> str:
        return self.checks.get(form, self.check)

    def stage_in(self, form: str) -> str:
        return self.stages.get(form, self.stage)


def kind_of(check: str) -> str:
    """A check's name without after how many chunks, and whether on average."""
    return check.split(" after ")[0].split(" on average")[0]


def damaged(damage: Damage | None, form: str, folder: Path, size: float | None = None):
    """The damaged IR of a form: an ov.Model, or the .xml of one with a separate audio part."""
    options = dict(FORMS[form])
    weights, activations = options.pop("weights", "fp32"), options.pop("activations", "int8")
    size = damage.size_in(form) if damage is not None and size is None else size
    if damage is not None and damage.audio is not None and form in ("attached", "streaming"):
        model = _with_audio(damage.audio, form)
    else:
        model = models.ir(GRAPH, **options)
    settings, n_context = _settings(model)
    if damage is not None and not damage.stored:
        model = damage.apply(model, size)
    if weights == "fp16":
        model = compress_to_fp16(model)
    if weights == "int8":
        model = compress_weights(model, activations=activations)
    if damage is not None and damage.stored:
        model = damage.apply(model, size)
    if form != "separate":
        return model
    if damage is not None and damage.audio is not None:
        settings = damage.audio(settings)
    ov.save_model(model, folder / "m.xml", compress_to_fp16=False)
    ov.save_model(feature_model(settings, n_context), folder / "m.audio.xml", compress_to_fp16=False)
    return folder / "m.xml"


def _with_audio(change: Callable, form: str):
    model = models.ir(GRAPH, time_steps="dynamic", batch=1)
    settings, n_context = _settings(model)
    return (attach_audio if form == "attached" else streaming_model)(model, change(settings), n_context)


def _settings(model) -> tuple[AudioSettings, int]:
    metadata = read_metadata(model)
    return AudioSettings(**metadata["features"]), metadata["n_context"]


def _swap_gates(one: int, other: int, model, size):
    order = list(range(4))
    order[one], order[other] = other, one
    models.change_gates(model, lambda gates, port: gates[order])
    return model


def _recurrent(change: Callable, model, size):
    """change(gates `[4, H, H]`, size), in place, of the recurrent matrix."""
    node = models.lstm(model).input_value(_R).get_node()
    gates = node.get_data().reshape(4, node.get_data().shape[2], -1).copy()
    models.replace_constant(node, change(gates, size).reshape(node.get_data().shape))
    return model


def _row(gates, size):
    gates[1, 2] *= 1 + size
    return gates


def _element(gates, size):
    gates[1, 2, 3] += size
    return gates


def _lstm_constant(port: int, change: Callable, model, size):
    node = models.lstm(model).input_value(port).get_node()
    models.replace_constant(node, change(node.get_data(), np.float32(size)))
    return model


def _forget_bias(values, size):
    found = values.reshape(4, -1).copy()
    found[models.FORGET] += size
    return found.reshape(values.shape)


def _dense(layer: str, change: Callable, model, size):
    node = dense_layers(model)[layer].input_value(1).get_node()
    models.replace_constant(node, change(node.get_data(), np.float32(size)))
    return model


def _dense_bias(layer: str, model, size):
    (add,) = (port.get_node() for port in dense_layers(model)[layer].output(0).get_target_inputs())
    node = next(value.get_node() for value in add.input_values() if value.get_node().get_type_name() == "Constant")
    values = node.get_data().copy()
    values.reshape(-1)[1] += np.float32(size)
    models.replace_constant(node, values)
    return model


def _turned(values, size):
    """The rows of a matrix that was stored the other way round."""
    return np.ascontiguousarray(values.T).reshape(values.shape)


def _clip(model, size):
    """What bounds the first dense layer's activations."""
    return models.rebounded(model, "dense_1", lambda x: opset.minimum(x, np.float32(20 * (1 - size))).output(0))


def _unbounded(model, size):
    """Its fifth layer without a bound: no activation of this network reaches it."""
    return models.rebounded(model, "dense_5", lambda x: x)


def _without_floor(model, size):
    """The audio part without the floor under the energies, as it is if the floor becomes zero in FP16."""
    floor = next(node for node in model.get_ordered_ops() if node.get_type_name() == "Maximum" and _is_float(node))
    for reader in floor.output(0).get_target_inputs():
        reader.replace_source_output(floor.input_value(0))
    return model


def _is_float(node) -> bool:
    return node.get_output_element_type(0).get_type_name() == "f32"


def _fewer_steps(model, size):
    """The LSTM runs a step less than there are."""
    port = models.lstm(model).input(3)
    lengths = port.get_source_output()
    one = opset.constant(np.array(1, lengths.get_element_type().to_dtype()))
    port.replace_source_output(opset.subtract(lengths, one).output(0))
    return model


def _initial_state(model, size):
    """What the cell state begins with, wherever the IR has it."""
    read = [node for node in model.get_ops() if node.get_type_name() == "ReadValue"]
    cell = next((node for node in read if node.get_attributes()["variable_id"] == "previous_state_c"), None)
    if cell is not None:
        constant = cell.input_value(0).get_node()
        models.replace_constant(constant, constant.get_data() + np.float32(size))
        return model
    if any("previous_state_c" in port.get_names() for port in model.inputs):
        return models.with_metadata(model, initial_state={"previous_state_c": [[size] * 11]})
    port = models.lstm(model).input(2)
    port.replace_source_output(opset.add(port.get_source_output(), np.float32(size)).output(0))
    return model


def _lost_state(model, size):
    """Every call begins anew."""
    for port in (1, 2):
        source = models.lstm(model).input(port)
        source.replace_source_output(opset.multiply(source.get_source_output(), np.float32(0)).output(0))
    return model


def _swap_new_states(model, size):
    """Cell and hidden state exchanged where they go out: by name, or in the variables."""
    if not model.get_sinks():
        return models.swap_names(model, "new")
    names = ("previous_state_c", "previous_state_h")
    sinks = [node for node in model.get_sinks() if node.get_attributes()["variable_id"] in names]
    values = [node.input_value(0) for node in sinks]
    for node, value in zip(sinks, values[::-1], strict=True):
        node.input(0).replace_source_output(value)
    return model


def changed_rows(change: Callable, model, size):
    """change(the output `logits`) → another one, under its names."""
    result = find_output(model, "logits").get_node()
    source = result.input_value(0)
    names = source.get_names()
    changed = change(source)
    source.get_tensor().set_names(set())
    changed.output(0).get_tensor().set_names(names)
    result.input(0).replace_source_output(changed.output(0))
    model.validate_nodes_and_infer_types()
    return model


def _late(value, rows: int = 1):
    return opset.concat([_part(value, 0, rows), _part(value, 0, -rows)], 0)


def _part(value, begin: int, end: int):
    return opset.slice(value, i64(begin), i64(end), i64(1), i64(0))


def _late_windows(model, size):
    """Every window is the one before, in a call."""
    features = layer_ends(model)["features"]
    shape = models.lstm(model).input_value(0).get_partial_shape()
    late = _late(features, shape[0].get_length() if shape[0].is_static else 2)
    for reader in features.get_target_inputs():
        if reader.get_node().get_type_name() == "MatMul":
            reader.replace_source_output(late.output(0))
    return model


def _softmax_axis(model, size):
    node = next(node for node in model.get_ops() if node.get_type_name() == "Softmax")
    other = opset.softmax(node.input_value(0), len(node.output(0).get_partial_shape()) - 2)
    names = node.output(0).get_names()
    node.output(0).get_tensor().set_names(set())
    other.output(0).get_tensor().set_names(names)
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(other.output(0))
    model.validate_nodes_and_infer_types()
    return model


def _alphabet(model, size):
    alphabet = read_metadata(model)["alphabet"]
    labels = [*alphabet["labels"][:2][::-1], *alphabet["labels"][2:]]
    return models.with_metadata(model, alphabet={**alphabet, "labels": labels})


def stored_scale(rows: slice, model, size, place: int = 0):
    """The scales of a matrix of 8 bits, the first by default; those in the bodies of loops come last."""
    node = [node for body in bodies(model) for node in body.get_ordered_ops() if _is_scaled(node)][place]
    constant = node.input_value(1).get_node()
    values = constant.get_data().copy()
    values[rows] *= np.float32(1 + size)
    models.replace_constant(constant, values)
    return model


def _stored_integer(model, size):
    """The largest weight of a channel of 8 bits."""
    node = next(node for node in model.get_ordered_ops() if _is_scaled(node))
    convert = node.input_value(0).get_node()
    values = convert.input_value(0).get_node().get_data().copy()
    place = np.abs(values[3].astype(int)).argmax()
    values[3, place] -= int(np.sign(int(values[3, place])) * size)
    convert.input(0).replace_source_output(opset.constant(values).output(0))
    return model


def _is_scaled(node) -> bool:
    return node.get_type_name() == "Multiply" and node.input_value(0).get_node().get_type_name() == "Convert"


_GATES = dict(zip("fico", range(4), strict=True))
_SIZES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
_METADATA = {
    "n_context": 3, "n_input": 7, "hidden_size": 12, "dense_sizes": [13, 14, 15, 12, 11], "classes": 11,
    "sample_rate": 8000, "window_ms": 25, "step_ms": 10, "upper_frequency": 4000.0, "beam_width": 100,
}  # fmt: skip
_SEPARATE = {"separate": "features"}
_scale = functools.partial(lambda values, size: values * (1 + size))


def _sized(name: str, check: str, stage: str, apply: Callable, size: float = 0.01, **more) -> Damage:
    return Damage(name, check, stage, apply, size=size, sizes=_SIZES, **more)


DAMAGES = [
    Damage("state inputs exchanged", "probabilities", "initial states", lambda m, s: models.swap_initial_states(m),
           forms=KEEP_STATE),
    Damage("state outputs exchanged", "probabilities", "cell state", _swap_new_states, forms=KEEP_STATE,
           stages={"internal": "cell state", "streaming": "initial states"}),
    Damage("state lost between calls", "probabilities", "initial states", _lost_state, forms=KEEP_STATE),
    *(Damage(f"gates {one} and {other} exchanged", "probabilities", "lstm",
             functools.partial(_swap_gates, _GATES[one], _GATES[other]))
      for one, other in itertools.combinations("fico", 2)),
    Damage("recurrent matrix transposed", "probabilities", "lstm",
           functools.partial(_recurrent, lambda gates, size: gates.swapaxes(1, 2))),
    _sized("forget bias", "probabilities", "lstm", functools.partial(_lstm_constant, _B, _forget_bias),
           fp16=1.0),
    _sized("one row of the recurrent matrix", "probabilities", "lstm", functools.partial(_recurrent, _row), 0.1,
           fp16=3.0),
    _sized("one element of the recurrent matrix", "probabilities", "lstm", functools.partial(_recurrent, _element),
           0.1, fp16=3.0),
    _sized("recurrent matrix scaled", "probabilities", "lstm", functools.partial(_lstm_constant, _R, _scale), 0.03,
           fp16=0.3),
    _sized("input matrix of the LSTM scaled", "probabilities", "lstm", functools.partial(_lstm_constant, _W, _scale),
           0.03),
    *(_sized(f"{layer} scaled", "probabilities", layer, functools.partial(_dense, layer, _scale), 0.03)
      for layer in ("dense_1", "dense_3", "dense_5", "dense_6")),
    *(Damage(f"{layer} turned", "probabilities", layer, functools.partial(_dense, layer, _turned))
      for layer in ("dense_2", "dense_6")),
    *(_sized(f"bias of {layer}", "probabilities", layer, functools.partial(_dense_bias, layer), 0.1, fp16=1.0)
      for layer in ("dense_2", "dense_6")),
    _sized("bound of dense_1", "probabilities", "dense_1", _clip, 0.1),
    Damage("bound of dense_5 lost", "bounds", "bounds", _unbounded),
    Damage("LSTM a step short", "probabilities", "lstm", _fewer_steps,
           forms=("external", "internal", "lengths", "separate", "fp16")),
    _sized("initial state", "probabilities", "initial states", _initial_state, 0.1, stages={"attached": "lstm"}),
    Damage("windows late by one", "probabilities", "features", _late_windows),
    Damage("rows late by one behind the softmax", "probabilities", "frames", functools.partial(changed_rows, _late)),
    Damage("last frame lost", "number of windows", "frames",
           functools.partial(changed_rows, lambda value: _part(value, 0, -1))),
    Damage("first frame lost", "number of windows", "frames",
           functools.partial(changed_rows, lambda value: _part(value, 1, 2**31 - 1))),
    Damage("softmax over another axis", "probabilities", "head", _softmax_axis),
    Damage("head not as the metadata say", "probabilities", "head", lambda m, s: models.with_metadata(m, head="raw")),
    Damage("two letters of the alphabet exchanged", "metadata", "metadata", _alphabet),
    *(Damage(f"metadata: {key}", "metadata", "metadata",
             lambda m, s, key=key, value=value: models.with_metadata(m, **{key: value}),
             forms=EXTERNAL if key == "hidden_size" else tuple(FORMS))
      for key, value in _METADATA.items()),
    _sized("scales of 8 bits, all", "weights", "dense_1", functools.partial(stored_scale, slice(None)), 0.02,
           forms=EIGHT_BITS, stored=True),
    _sized("scales of 8 bits, one channel", "weights", "dense_1", functools.partial(stored_scale, slice(4, 5)), 0.02,
           forms=EIGHT_BITS, stored=True),
    Damage("one integer of 8 bits", "weights", "dense_1", _stored_integer, forms=EIGHT_BITS, size=2,
           sizes=(1, 2, 4, 8), stored=True),
    Damage("audio part: upper frequency", "probabilities", "features", forms=AUDIO, checks=_SEPARATE,
           audio=lambda each: dataclasses.replace(each, upper_frequency_limit=7900.0)),
    Damage("audio part: stride", "number of windows", "frames", forms=AUDIO, checks=_SEPARATE,
           audio=lambda each: dataclasses.replace(each, stride=319)),
    Damage("audio part: window", "number of windows", "frames", forms=AUDIO, checks=_SEPARATE,
           audio=lambda each: dataclasses.replace(each, window_size=500)),
    Damage("audio part: no floor under the energies", "probabilities", "features", _without_floor,
           forms=("attached", "streaming")),
    Damage("audio part: of another model", "probabilities", "features", forms=AUDIO, checks=_SEPARATE,
           audio=lambda each: dataclasses.replace(each, magnitude_squared=not each.magnitude_squared)),
]  # fmt: skip
