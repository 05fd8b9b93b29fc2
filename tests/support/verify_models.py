"""IRs for the tests of verify and diagnose, whole and broken on purpose."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.audio import constants
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.layers import layer_ends
from deepspeech_recipe.ir.metadata import PATH, read_metadata, write_metadata
from deepspeech_recipe.ir.ov_api import opset, ov
from deepspeech_recipe.ir.precision import AUDIO_F32
from deepspeech_recipe.verification import compare
from deepspeech_recipe.verification.recordings import Recording, silence, speech_like
from tests.support.folders import shared_folder

try:
    from openvino.op import tensor_iterator
except ImportError:  # 2024.6
    from openvino.runtime.op import tensor_iterator

GRAPHS = Path(__file__).parents[1] / "fixtures" / "synthetic"
# OpenVINO's order of gates is f, i, c, o; inputs of an LSTMSequence.
FORGET, INPUT, CELL, OUTPUT = range(4)
_W, _R, _B = 4, 5, 6


@functools.cache
def ir_file(name: str, **options) -> Path:
    """The IR's .xml of a graph of fixtures/synthetic; made once, do not change it."""
    made = convert(GRAPHS / f"{name}.pb", shared_folder(), name="model", converter="openvino", verify=False, **options)
    return made.files[0]


def ir(name: str, **options):
    """The same as an ov.Model of one's own."""
    return ov.Core().read_model(ir_file(name, **options))


def hear_little(monkeypatch) -> None:
    """`little` in place of all built-in recordings: the tests are many."""
    monkeypatch.setattr(compare, "built_in_recordings", little)


def little(rate: int) -> list[Recording]:
    """One second of the made-up signal, and silence."""
    return [Recording("made-up speech", speech_like(rate)[:rate]), silence(rate)]


def rebounded(model, layer: str, change: Callable):
    """change: what a dense layer is before its bound, as ov.Output → what takes the place of what it is behind it."""
    end = layer_ends(model)[layer]
    while end.get_node().get_type_name() not in ("Minimum", "Clamp"):  # moved behind it
        end = end.get_node().input_value(0)
    bounded = change(end.get_node().input_value(0))
    for reader in end.get_target_inputs():
        reader.replace_source_output(bounded)
    return model


def graph(name: str) -> Path:
    return GRAPHS / f"{name}.pb"


def without_features(name: str, folder: Path) -> Path:
    """A graph without its feature part, as some froze it."""
    found = parse(GraphDef, graph(name).read_bytes(), what="the graph")
    gone: set[str] = set()
    for node in found.node:  # in the order of computation
        if node.op in ("AudioSpectrogram", "Mfcc") or gone & {source.split(":")[0] for source in node.input}:
            gone.add(node.name)
    kept = [node for node in found.node if node.name not in gone]
    del found.node[:]
    found.node.extend(kept)
    path = folder / "without_features.pb"
    path.write_bytes(found.SerializeToString())
    return path


def lstm(model):
    return next(node for node in model.get_ops() if node.get_type_name() == "LSTMSequence")


def replace_constant(node, values: np.ndarray) -> None:
    constant = opset.constant(np.ascontiguousarray(values, np.float32))
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(constant.output(0))


def change_gates(model, change) -> None:
    """change(array `[4, H, …]`, input) → the same for W, R and B."""
    node = lstm(model)
    for port in (_W, _R, _B):
        source = node.input_value(port).get_node()
        values = source.get_data()
        gates = values.reshape(4, -1, *values.shape[2:]).copy()
        replace_constant(source, change(gates, port).reshape(values.shape))


def permute_gates(model):
    """Input gate and forget gate exchanged."""
    change_gates(model, lambda gates, port: gates[[INPUT, FORGET, CELL, OUTPUT]])
    return model


def without_forget_bias(model, forget_bias: float = 1.0):
    def change(gates, port):
        if port == _B:
            gates[FORGET] -= forget_bias
        return gates

    change_gates(model, change)
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
    shape = (settings.filterbank_channel_count, len(bins))
    other = dataclasses.replace(settings, upper_frequency_limit=limit)
    filters = constants.mel_matrix(other, settings.bin_count)[bins.start : bins.stop]
    changed = 0
    for node in model.get_ops():
        if node.get_friendly_name().endswith(AUDIO_F32) and tuple(node.output(0).get_shape()) == shape:
            replace_constant(node, filters.T)
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


def with_loop(model, *, product_outside: bool):
    """The LSTMSequence as a TensorIterator, the form of IRs whose recurrent weights are compressed: with an LSTMCell,
    or with the input's product for all steps in front of it."""
    node = lstm(model)
    x, hidden, cell = (node.input_value(port) for port in range(3))
    w, r, b = (node.input_value(port).get_node().get_data()[0] for port in (_W, _R, _B))
    size = r.shape[1]
    loop = tensor_iterator()
    h = opset.parameter([-1, 1, size], np.float32)
    c = opset.parameter([-1, 1, size], np.float32)
    axis = np.int64([1])
    flat_h, flat_c = opset.squeeze(h, axis), opset.squeeze(c, axis)
    if product_outside:
        sequence = opset.add(opset.matmul(x, w, False, True), b).output(0)
        step = opset.parameter([-1, 1, 4 * size], np.float32)
        gates = opset.add(opset.squeeze(step, axis), opset.matmul(flat_h, r, False, True))
        forget, enter, new, out = opset.split(gates, np.int64(1), 4).outputs()
        kept = opset.multiply(opset.sigmoid(forget), flat_c)
        next_c = opset.add(kept, opset.multiply(opset.sigmoid(enter), opset.tanh(new))).output(0)
        next_h = opset.multiply(opset.sigmoid(out), opset.tanh(next_c)).output(0)
    else:
        sequence = x
        step = opset.parameter([-1, 1, w.shape[1]], np.float32)
        stepped = opset.lstm_cell(opset.squeeze(step, axis), flat_h, flat_c, w, r, b, size)
        next_h, next_c = stepped.outputs()
    ends = [opset.result(opset.unsqueeze(value, axis)) for value in (next_h, next_c)]
    loop.set_body(ov.Model(ends, [step, h, c], "step"))
    loop.set_sliced_input(step, sequence, 0, 1, 1, -1, 1)
    loop.set_merged_input(h, hidden, ends[0].output(0))
    loop.set_merged_input(c, cell, ends[1].output(0))
    steps = loop.get_concatenated_slices(ends[0].output(0), 0, 1, 1, -1, 1)
    last_h, last_c = (loop.get_iter_value(end.output(0), -1) for end in ends)
    every = opset.unsqueeze(steps, axis).output(0)
    for old, new in zip(node.outputs(), (every, last_h, last_c), strict=True):
        for reader in old.get_target_inputs():
            reader.replace_source_output(new)
    model.validate_nodes_and_infer_types()
    return model
