"""IRs for the tests of verify and diagnose, whole and broken on purpose."""

import dataclasses
import functools
import tempfile
from pathlib import Path

import numpy as np

from deepspeech_recipe.audio import constants
from deepspeech_recipe.audio.precision import AUDIO_F32
from deepspeech_recipe.audio.settings import AudioSettings
from deepspeech_recipe.convert import convert
from deepspeech_recipe.ov_api import opset, ov
from deepspeech_recipe.passes.metadata import PATH, read_metadata, write_metadata

GRAPHS = Path(__file__).parent / "fixtures" / "synthetic"
# OpenVINO's order of gates is f, i, c, o; inputs of an LSTMSequence.
FORGET, INPUT, CELL, OUTPUT = range(4)
_W, _R, _B = 4, 5, 6


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="deepspeech-recipe-tests-"))


@functools.cache
def ir_file(name: str, **options) -> Path:
    """The IR's .xml of a graph of fixtures/synthetic; made once, do not change it."""
    number = len(list(_folder().iterdir()))
    result = convert(
        GRAPHS / f"{name}.pb", _folder() / str(number), name="model", converter="openvino", verify=False, **options
    )
    return result.files[0]


def ir(name: str, **options):
    """The same as an ov.Model of one's own."""
    return ov.Core().read_model(ir_file(name, **options))


def graph(name: str) -> Path:
    return GRAPHS / f"{name}.pb"


def lstm(model):
    return next(node for node in model.get_ops() if node.get_type_name() == "LSTMSequence")


def replace_constant(node, values: np.ndarray) -> None:
    constant = opset.constant(np.ascontiguousarray(values, np.float32))
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(constant.output(0))


def _change_gates(model, change) -> None:
    """change(array `[4, H, …]`, input) → the same for W, R and B."""
    node = lstm(model)
    for port in (_W, _R, _B):
        source = node.input_value(port).get_node()
        values = source.get_data()
        gates = values.reshape(4, -1, *values.shape[2:]).copy()
        replace_constant(source, change(gates, port).reshape(values.shape))


def permute_gates(model):
    """Input gate and forget gate exchanged."""
    _change_gates(model, lambda gates, port: gates[[INPUT, FORGET, CELL, OUTPUT]])
    return model


def without_forget_bias(model, forget_bias: float = 1.0):
    def change(gates, port):
        if port == _B:
            gates[FORGET] -= forget_bias
        return gates

    _change_gates(model, change)
    return model


def swap_names(model, kind: str):
    """The names of cell state and hidden state exchanged: kind 'previous' for the inputs, 'new' for the outputs."""
    ports = model.inputs if kind == "previous" else model.outputs
    c, h = (next(port for port in ports if f"{kind}_state_{part}" in port.get_names()) for part in "ch")
    names_c, names_h = c.get_names(), h.get_names()
    c.set_names(names_h)
    h.set_names(names_c)
    return model


def swap_initial_states(model):
    """The LSTM gets the cell state as its hidden state and the other way round, whatever the names say."""
    node = lstm(model)
    hidden, cell = node.input_value(1), node.input_value(2)
    node.input(1).replace_source_output(cell)
    node.input(2).replace_source_output(hidden)
    return model


def ignore_lengths(model):
    """Every row is taken for a whole one, whatever the input of lengths says."""
    names = {"lengths", "sample_lengths"}
    port = next(port for port in model.inputs if port.get_names() & names)
    many = opset.broadcast(np.int64(10**6), opset.shape_of(port))
    for reader in port.get_target_inputs():
        if reader.get_node().get_type_name() != "ShapeOf":
            reader.replace_source_output(many.output(0))
    return model


def other_upper_frequency(model, limit: float = 3000.0):
    """The mel filters of another upper frequency limit in an IR with audio attached, or in a feature model."""
    settings = AudioSettings(**read_metadata(model)["features"])
    bins = settings.bin_range(settings.bin_count)
    shape = (len(bins), settings.filterbank_channel_count)
    other = dataclasses.replace(settings, upper_frequency_limit=limit)
    filters = constants.mel_matrix(other, settings.bin_count)[bins.start : bins.stop]
    changed = 0
    for node in model.get_ops():
        if node.get_friendly_name().endswith(AUDIO_F32) and tuple(node.output(0).get_shape()) == shape:
            replace_constant(node, filters)
            changed += 1
    assert changed == 1
    return model


def scale_weights(model, shape: tuple[int, int], factor: float = 1.01):
    """The one weight matrix of a shape, in either order, a little larger."""
    found = [
        node
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and tuple(node.output(0).get_shape()) in (shape, shape[::-1])
    ]
    assert len(found) == 1
    replace_constant(found[0], found[0].get_data() * np.float32(factor))
    return model


def with_metadata(model, **changes):
    write_metadata(model, {**read_metadata(model), **changes})
    return model


def without_metadata(model):
    """The IR of any other program."""
    plain = ov.Model(model.get_results(), model.get_sinks(), model.get_parameters(), "plain")
    assert not plain.has_rt_info(PATH)
    return plain
