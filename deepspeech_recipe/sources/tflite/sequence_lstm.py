"""TensorFlow Lite's UNIDIRECTIONAL_SEQUENCE_LSTM, a whole layer in one operation, as a BlockLSTM with its state.

Source: tensorflow/lite/kernels/unidirectional_sequence_lstm.cc. The states are the file's own variables: they begin
with zeros, and stay from one call to the next until the interpreter's `reset_all_variables`.
"""

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import FLOAT, INT32, INT64, DType
from deepspeech_recipe.sources.tflite.file import Operation
from deepspeech_recipe.sources.tflite.graph import GraphWriter

# Inputs, each block for the gates i, f, c, o; peepholes for i, f, o.
_X, _KERNELS, _RECURRENT, _PEEPHOLES, _BIASES = 0, range(1, 5), range(5, 9), range(9, 12), range(12, 16)
_PROJECTION, _H, _C, _NORMALISATION = range(16, 18), 18, 19, range(20, 24)
_PARTS = (_KERNELS, _RECURRENT, _BIASES)
_STATES = (("c", _C), ("h", _H))
_BLOCK_GATES = (0, 2, 1, 3)  # BlockLSTM's order is i, c, f, o
_REMEDY = "Export the model with plain LSTM cells"
_F = DType(FLOAT)


def write_sequence_lstm(writer: GraphWriter, operation: Operation) -> None:
    """Writes the layer's nodes. Raises Refusal for a cell that a BlockLSTM is not."""
    model, (out,) = writer.model, operation.outputs
    given = [*operation.inputs, *[-1] * 24][:24]
    _check(writer, operation, given)
    options = writer.schema.UnidirectionalSequenceLSTMOptions
    name = "lstm" if not writer.states else f"lstm_{writer.states}"
    writer.states += 1
    kernels, recurrent, biases = ([_weights(writer, given[port]) for port in ports] for ports in _PARTS)
    order = [np.concatenate([kernels[gate], recurrent[gate]], 1).T for gate in _BLOCK_GATES]
    kernel = writer.constant(np.concatenate(order, 1), f"{name}/kernel")
    bias = writer.constant(np.concatenate([biases[gate] for gate in _BLOCK_GATES]), f"{name}/bias")
    x = writer.read(given[_X])
    time_major = bool(operation.option(options, "TimeMajor"))
    if not time_major:
        x = _transposed(writer, x, out)
    first = {what: np.zeros(model.shape(given[port]), np.float32) for what, port in _STATES}
    state_c, state_h = (writer.variable(f"{name}/state_{what}", zeros) for what, zeros in first.items())
    peepholes = [_peephole(writer, given[port], len(biases[0])) for port in _PEEPHOLES]
    used = any(given[port] >= 0 for port in _PEEPHOLES)
    cell = writer.step(
        "BlockLSTM",
        [
            _steps(writer, x, out),
            x,
            *map(writer.read_variable, (state_c, state_h)),
            kernel,
            *(writer.constant(value, f"{name}/peephole") for value in peepholes),
            bias,
        ],
        out,
        T=_F,
        forget_bias=0.0,
        cell_clip=float(operation.option(options, "CellClip")) or -1.0,
        use_peephole=used,
    )
    for state, states in ((state_c, f"{cell}:1"), (state_h, f"{cell}:6")):
        writer.assign(state, _last(writer, states, out), "assign")
    if time_major:
        writer.node("Identity", [f"{cell}:6"], out, T=_F)
    else:
        writer.node("Transpose", [f"{cell}:6", _swap(writer)], out, T=_F, Tperm=DType(INT32))


def _check(writer: GraphWriter, operation: Operation, given: list[int]) -> None:
    model, (out,) = writer.model, operation.outputs
    options = writer.schema.UnidirectionalSequenceLSTMOptions
    has = {
        "a projection": any(given[port] >= 0 for port in _PROJECTION),
        "layer normalisation": any(given[port] >= 0 for port in _NORMALISATION),
        "an input gate coupled to the forget gate": given[_KERNELS[0]] < 0,
        "a diagonal recurrent matrix": bool(operation.option(options, "DiagonalRecurrentTensors", False)),
        "another activation than tanh": writer.fused(operation, options) != "Tanh",
    }
    found = [what for what, is_there in has.items() if is_there]
    if found:
        raise Refusal(f"The LSTM has {' and '.join(found)}", node=model.name(out), remedy=_REMEDY)
    for port in (_C, _H):
        if given[port] < 0 or not model.is_variable(given[port]):
            raise Refusal("The LSTM's state is not a variable of the file", node=model.name(out), remedy=_REMEDY)


def _weights(writer: GraphWriter, number: int) -> np.ndarray:
    return writer.value(number, "LSTM's weight")


def _peephole(writer: GraphWriter, number: int, size: int) -> np.ndarray:
    return np.zeros(size, np.float32) if number < 0 else _weights(writer, number)


def _swap(writer: GraphWriter) -> str:
    return writer.constant(np.array([1, 0, 2], np.int32), "perm")


def _transposed(writer: GraphWriter, x: str, out: int) -> str:
    return writer.step("Transpose", [x, _swap(writer)], out, T=_F, Tperm=DType(INT32))


def _slice(writer: GraphWriter, value: str, at: int, out: int, kind: int) -> str:
    """value[at]"""
    bounds = [writer.constant(np.array([number], np.int32), "at") for number in (at, at + 1, 1)]
    masks = {"shrink_axis_mask": 1, "begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0}
    return writer.step("StridedSlice", [value, *bounds], out, T=DType(kind), Index=DType(INT32), **masks)


def _steps(writer: GraphWriter, x: str, out: int) -> str:
    """The length of the sequence, whatever it is."""
    shape = writer.step("Shape", [x], out, T=_F, out_type=DType(INT64))
    return _slice(writer, shape, 0, out, INT64)


def _last(writer: GraphWriter, states: str, out: int) -> str:
    return _slice(writer, states, -1, out, FLOAT)
