"""Ways to make the int8 IR faster, each measured beside it: ``python -m benchmarks.what_did_not_help``.

One process, round-robin, 16-frame chunks at H = 2048; writes its table into docs/speed.md.
"""

import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.models import frozen_graph
from benchmarks.page import SPEED, write_between
from deepspeech_recipe.benchmarking.machine import usable_processors
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.ir.ov_api import Constant, opset, ov
from deepspeech_recipe.passes import compress, fast_recurrence
from deepspeech_recipe.passes.compress import LAYERS, LSTM_INPUT, LSTM_RECURRENT
from deepspeech_recipe.passes.eight_bits import quantize_rows
from deepspeech_recipe.passes.weight_matrix import weight_matrix

HIDDEN, FRAMES, ROUNDS, CALLS = 2048, 16, 11, 4


def one_scale(matrix):
    scale = np.float32(np.abs(matrix).max() / 127)
    return opset.multiply(opset.convert(opset.constant(np.round(matrix / scale).astype(np.int8)), "f32"), scale)


def unsigned(matrix):
    values, scales, _ = quantize_rows(matrix)
    shifted = opset.constant((values.astype(np.int16) + 128).astype(np.uint8))
    centred = opset.subtract(opset.convert(shifted, "f32"), np.float32([[128]]))
    return opset.multiply(centred, opset.constant(scales))


def groups_of_128(matrix):
    if matrix.shape[1] % 128:  # layer_1
        return weight_matrix(matrix, "int8")
    rows = np.ascontiguousarray(matrix).reshape(-1, 128)
    values, scales, _ = quantize_rows(rows)
    shape = (len(matrix), -1, 128)
    scaled = opset.multiply(
        opset.convert(opset.constant(values.reshape(shape)), "f32"), opset.constant(scales.reshape(len(matrix), -1, 1))
    )
    return opset.reshape(scaled, np.int64(matrix.shape), False)


def otherwise_stored(form):
    """compress_weights with another form of the 8 bits."""

    def make(model):
        def stored(matrix, weights, more):
            filled = np.pad(np.asarray(matrix, np.float32), [(0, zeros) for zeros in more])
            return form(filled) if weights == "int8" else weight_matrix(filled, weights)

        with mock.patch("deepspeech_recipe.passes.weight_matrix.weight_matrix", stored):
            return compress.compress_weights(model)

    return make


_KEPT: list[np.ndarray] = []


def four_bits(matrix):
    """Two values a byte, a scale for 128 of them; 8 bits where rows are not a multiple of that."""
    if matrix.shape[1] % 128:
        return weight_matrix(matrix, "int8")
    groups = np.ascontiguousarray(matrix).reshape(len(matrix), -1, 128)
    scales = np.maximum(np.abs(groups).max(axis=-1, keepdims=True) / 7, np.float32(1e-9))
    values = (np.round(groups / scales).astype(np.int8) + 8).astype(np.uint8).reshape(-1, 2)
    packed = np.ascontiguousarray(values[:, 0] | values[:, 1] << 4)
    _KEPT.append(packed)  # the tensor does not own it
    constant = opset.convert(Constant(ov.Tensor(packed, ov.Shape(groups.shape), ov.Type.u4)), "f32")
    scaled = opset.multiply(opset.subtract(constant, np.float32([[[8]]])), opset.constant(scales))
    return opset.reshape(scaled, np.int64(matrix.shape), False)


def more_steps(count: int):
    """More frames a call; its times are those of FRAMES."""

    def make(model):
        shapes = {port.get_any_name(): list(port.get_partial_shape()) for port in model.inputs}
        for shape in shapes.values():
            if len(shape) == 4:
                shape[1] = count
        model.reshape({name: ov.PartialShape(shape) for name, shape in shapes.items()})
        return compress.compress_weights(model)

    return make


def unrolled(model):
    """The loop as one copy of its body for each step."""
    found = compress.compress_weights(model)
    loop = next(node for node in found.get_ops() if node.get_type_name() == "TensorIterator")
    # Its inputs and outputs, in the order in which fast_recurrence asks for them.
    hidden, cell, gates = loop.input_values()
    recurrent = next(node for node in loop.get_function().get_ops() if node.get_type_name() == "MatMul").input_value(1)
    matrix, states = _copied(recurrent), []
    for row in opset.split(gates, np.int64(1), FRAMES).outputs():
        total = opset.add(opset.squeeze(row, np.int64([1])), opset.matmul(hidden, matrix, False, True))
        forget, update, candidate, output = opset.split(total, np.int64(1), 4).outputs()
        fresh = opset.multiply(opset.sigmoid(update), opset.tanh(candidate))
        cell = opset.add(opset.multiply(opset.sigmoid(forget), cell), fresh)
        hidden = opset.multiply(opset.sigmoid(output), opset.tanh(cell))
        states.append(opset.unsqueeze(hidden, np.int64([1])))
    for old, new in zip(loop.outputs(), (opset.concat(states, 1), hidden, cell), strict=True):
        for reader in old.get_target_inputs():
            reader.replace_source_output(new.output(0))
    found.validate_nodes_and_infer_types()
    return found


def _copied(output):
    """Constant i8 → Convert → Multiply of a loop's body, outside of it."""
    values, scales = (node for node in _constants(output.get_node()))
    return opset.multiply(opset.convert(opset.constant(values), "f32"), opset.constant(scales))


def _constants(node):
    if node.get_type_name() == "Constant":
        yield np.array(node.get_data())
    for value in node.input_values():
        yield from _constants(value.get_node())


def wider(*layers):
    return lambda model: compress.compress_weights(model, fp16=layers)


INT8 = compress.compress_weights
DENSE = [name for name in LAYERS if name not in (LSTM_INPUT, LSTM_RECURRENT)]
# What → (how the model is made, options of the plugin).
WAYS = {
    "`convert --weights int8`": (INT8, {}),
    "one scale for a whole matrix": (otherwise_stored(one_scale), {}),
    "a scale for 128 values": (otherwise_stored(groups_of_128), {}),
    "4 bits, a scale for 128 values": (otherwise_stored(four_bits), {}),
    "unsigned, with a zero point": (otherwise_stored(unsigned), {}),
    "the loop unrolled": (unrolled, {}),
    "dense layers in FP16": (wider(*DENSE), {}),
    "dense layers and input product in FP16": (wider(*DENSE, LSTM_INPUT), {}),
    "recurrent matrix in FP16": (wider(LSTM_RECURRENT), {}),
    "everything in FP32, as a loop": (
        lambda model: fast_recurrence.fast_recurrence(model, weights="fp32"),
        {},
    ),
    "everything in FP32, `LSTMSequence`": (lambda model: model, {}),
    "hint: bf16": (INT8, {"INFERENCE_PRECISION_HINT": "bf16"}),
    "hint: f16": (INT8, {"INFERENCE_PRECISION_HINT": "f16"}),
    "activations in FP32": (lambda model: compress.compress_weights(model, activations="fp32"), {}),
    "activations in groups of 64": (INT8, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "64"}),
    "activations in groups of 128": (INT8, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "128"}),
    f"{2 * FRAMES} frames a call": (more_steps(2 * FRAMES), {}),
    f"{4 * FRAMES} frames a call": (more_steps(4 * FRAMES), {}),
    "no pinning of threads": (INT8, {"ENABLE_CPU_PINNING": "NO"}),
    "hint: throughput": (INT8, {"PERFORMANCE_HINT": "THROUGHPUT"}),
    "one thread": (INT8, {"INFERENCE_NUM_THREADS": "1"}),
}


def caller(path: Path, make, options: dict):
    core = ov.Core()
    choice = {"INFERENCE_NUM_THREADS": str(usable_processors()), "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(make(core.read_model(path)), "CPU", choice | options).create_infer_request()
    rng = np.random.default_rng(0)
    feed = {
        port.get_any_name(): rng.normal(0, 0.3, port.get_shape()).astype(np.float32) for port in request.model_inputs
    }
    frames = next(shape[1] for shape in (value.shape for value in feed.values()) if len(shape) == 4)
    return lambda: request.infer(feed), FRAMES / frames


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pb = Path(folder) / "large.pb"
        frozen_graph(pb, HIDDEN)
        path = convert(pb, folder, converter="openvino", verify=False).files[0]
        calls, parts, failed = {}, {}, {}
        for name, (make, options) in WAYS.items():
            try:
                calls[name], parts[name] = caller(path, make, options)
                calls[name]()
            except Exception as error:  # an option that this version or machine lacks
                failed[name] = str(error).strip().splitlines()[-1]
        times = {name: [] for name in calls}
        for number in range(ROUNDS):
            turns = list(calls.items())
            start = number * len(turns) // ROUNDS  # who comes behind a slow one is not always the same
            for name, call in turns[start:] + turns[:start]:
                call()
                call()
                begin = time.perf_counter()
                for _ in range(CALLS):
                    call()
                times[name].append((time.perf_counter() - begin) / CALLS * 1000 * parts[name])
    base = np.array(times[next(iter(WAYS))])
    lines = [
        f"OpenVINO {ov.__version__.split('-')[0]}:",
        "",
        "| way | ms | speed against int8 as it is |",
        "|---|---|---|",
    ]
    for name in WAYS:
        if name in failed:
            lines.append(f"| {name} | – | {failed[name]} |")
            continue
        ratios = np.quantile(base / np.array(times[name]), [0.25, 0.5, 0.75])
        lines.append(f"| {name} | {np.median(times[name]):.1f} | {ratios[1]:.2f} × ({ratios[0]:.2f}–{ratios[2]:.2f}) |")
    print("\n".join(lines))
    write_between(SPEED, "did not help", lines)


if __name__ == "__main__":
    main()
