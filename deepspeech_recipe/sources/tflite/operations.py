"""TensorFlow Lite's operations in TensorFlow's terms, each with its options (tensorflow/lite/schema/schema.fbs)."""

from collections.abc import Callable

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.tflite import variables
from deepspeech_recipe.sources.tflite.file import Operation
from deepspeech_recipe.sources.tflite.graph import GraphWriter
from deepspeech_recipe.sources.tflite.sequence_lstm import write_sequence_lstm

Write = Callable[[GraphWriter, Operation], None]
_F, _I = DType(FLOAT), DType(INT32)
# Of one input or two of one type, element by element.
_PLAIN = {
    **{"LOGISTIC": "Sigmoid", "TANH": "Tanh", "RELU": "Relu", "RELU6": "Relu6", "ELU": "Elu", "EXP": "Exp"},
    **{"LOG": "Log", "SQRT": "Sqrt", "RSQRT": "Rsqrt", "SQUARE": "Square", "NEG": "Neg", "ABS": "Abs", "SIN": "Sin"},
    **{"COS": "Cos", "FLOOR": "Floor", "MAXIMUM": "Maximum", "MINIMUM": "Minimum", "POW": "Pow"},
    **{"SQUARED_DIFFERENCE": "SquaredDifference", "FLOOR_DIV": "FloorDiv", "LOG_SOFTMAX": "LogSoftmax"},
    **{"LESS": "Less", "GREATER": "Greater", "EQUAL": "Equal", "GREATER_EQUAL": "GreaterEqual"},
}
_WITH_ACTIVATION = {"ADD": ("AddV2", "Add"), "SUB": ("Sub", "Sub"), "MUL": ("Mul", "Mul"), "DIV": ("RealDiv", "Div")}
_REDUCTIONS = {"MEAN": "Mean", "SUM": "Sum", "REDUCE_MAX": "Max", "REDUCE_MIN": "Min", "REDUCE_PROD": "Prod"}
# With an input of whole numbers behind the data: the attribute of its type.
_INDEXED = {
    **{"RESHAPE": ("Reshape", "Tshape"), "TRANSPOSE": ("Transpose", "Tperm"), "EXPAND_DIMS": ("ExpandDims", "Tdim")},
    **{"REVERSE_V2": ("ReverseV2", "Tidx"), "PAD": ("Pad", "Tpaddings"), "TILE": ("Tile", "Tmultiples")},
}
_POOLS = {"MAX_POOL_2D": "MaxPool", "AVERAGE_POOL_2D": "AvgPool"}
_AUDIO = ("AudioSpectrogram", "Mfcc")


def _plain(writer: GraphWriter, operation: Operation) -> None:
    first, out = operation.inputs[0], operation.outputs[0]
    writer.node(_PLAIN[operation.kind], [*map(writer.read, operation.inputs)], out, T=writer.type_of(first))


def _with_activation(writer: GraphWriter, operation: Operation) -> None:
    op, options = _WITH_ACTIVATION[operation.kind]
    inputs, kind = [*map(writer.read, operation.inputs)], writer.type_of(operation.inputs[0])
    writer.activated(operation, getattr(writer.schema, f"{options}Options"), op, inputs, T=kind)


def _fully_connected(writer: GraphWriter, operation: Operation) -> None:
    x, matrix, *bias = operation.inputs
    model, (out,), options = writer.model, operation.outputs, writer.schema.FullyConnectedOptions
    if operation.option(options, "WeightsFormat"):
        raise Refusal("FULLY_CONNECTED has shuffled weights", node=model.name(out))
    data, weights = writer.read(x), writer.weights(matrix, "weight matrix", np.transpose)
    bias = [number for number in bias if number >= 0]
    rank, flat = len(model.shape(x)), not operation.option(options, "KeepNumDims")
    if rank != 2 and flat:
        shape = writer.constant(np.array([-1, model.shape(matrix)[-1]], np.int32), "shape")
        data = writer.step("Reshape", [data, shape], out, T=_F, Tshape=_I)
    batched = rank > 2 and not flat
    op, plain = ("BatchMatMulV2", {}) if batched else ("MatMul", {"transpose_a": False, "transpose_b": False})
    if not bias:
        writer.activated(operation, options, op, [data, weights], T=_F, **plain)
        return
    product = writer.step(op, [data, weights], out, T=_F, **plain)
    writer.activated(operation, options, "BiasAdd", [product, writer.read(bias[0])], T=_F)


def _convolution(writer: GraphWriter, operation: Operation) -> None:
    x, matrix, *bias = operation.inputs
    depthwise = operation.kind == "DEPTHWISE_CONV_2D"
    options = writer.schema.DepthwiseConv2DOptions if depthwise else writer.schema.Conv2DOptions
    multiplier = operation.option(options, "DepthMultiplier", 1) or 1 if depthwise else 0

    def arrange(kernel):
        # [1, height, width, channels · multiplier], or [out, height, width, in]
        return kernel.reshape(*kernel.shape[1:3], -1, multiplier) if depthwise else kernel.transpose(1, 2, 3, 0)

    attributes = {**_window(writer, operation, options), "T": _F}
    attributes["dilations"] = [1, *(operation.option(options, f"Dilation{a}Factor", 1) or 1 for a in "HW"), 1]
    op = "DepthwiseConv2dNative" if depthwise else "Conv2D"
    inputs = [writer.read(x), writer.weights(matrix, "convolution's kernel", arrange)]
    if not bias or bias[0] < 0:
        writer.activated(operation, options, op, inputs, **attributes)
        return
    product = writer.step(op, inputs, operation.outputs[0], **attributes)
    writer.activated(operation, options, "BiasAdd", [product, writer.read(bias[0])], T=_F)


def _pool(writer: GraphWriter, operation: Operation) -> None:
    options = writer.schema.Pool2DOptions
    size = [1, operation.option(options, "FilterHeight"), operation.option(options, "FilterWidth"), 1]
    attributes = {**_window(writer, operation, options), "ksize": size, "T": _F}
    writer.activated(operation, options, _POOLS[operation.kind], [writer.read(operation.inputs[0])], **attributes)


def _window(writer: GraphWriter, operation: Operation, options: type) -> dict:
    valid = operation.option(options, "Padding") == writer.schema.Padding.VALID
    strides = [1, operation.option(options, "StrideH"), operation.option(options, "StrideW"), 1]
    return {"padding": "VALID" if valid else "SAME", "strides": strides, "data_format": "NHWC"}


def _softmax(writer: GraphWriter, operation: Operation) -> None:
    (x,), (out,) = operation.inputs, operation.outputs
    beta, data = operation.option(writer.schema.SoftmaxOptions, "Beta", 1.0), writer.read(x)
    if beta != 1.0:
        data = writer.step("Mul", [data, writer.constant(np.float32(beta), "beta")], out, T=_F)
    writer.node("Softmax", [data], out, T=_F)


def _indexed(writer: GraphWriter, operation: Operation) -> None:
    op, attribute = _INDEXED[operation.kind]
    x, *index = operation.inputs
    out = operation.outputs[0]
    if index:
        second, kind = writer.read(index[0]), writer.type_of(index[0])
    else:  # a RESHAPE of older files
        shape = operation.option(writer.schema.ReshapeOptions, "NewShapeAsNumpy")
        second, kind = writer.constant(np.asarray(shape, np.int32).reshape(-1), "shape"), _I
    writer.node(op, [writer.read(x), second], out, T=writer.type_of(x), **{attribute: kind})


def _reduction(writer: GraphWriter, operation: Operation) -> None:
    x, axes = operation.inputs
    keep = bool(operation.option(writer.schema.ReducerOptions, "KeepDims"))
    attributes = {"T": writer.type_of(x), "Tidx": writer.type_of(axes), "keep_dims": keep}
    writer.node(_REDUCTIONS[operation.kind], [writer.read(x), writer.read(axes)], operation.outputs[0], **attributes)


def _strided_slice(writer: GraphWriter, operation: Operation) -> None:
    options = writer.schema.StridedSliceOptions
    masks = {
        f"{name}_mask": operation.option(options, f"{''.join(map(str.capitalize, name.split('_')))}Mask")
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    x, begin = operation.inputs[:2]
    kinds = {"T": writer.type_of(x), "Index": writer.type_of(begin)}
    writer.node("StridedSlice", [*map(writer.read, operation.inputs)], operation.outputs[0], **kinds, **masks)


def _slice(writer: GraphWriter, operation: Operation) -> None:
    kinds = {"T": writer.type_of(operation.inputs[0]), "Index": writer.type_of(operation.inputs[1])}
    writer.node("Slice", [*map(writer.read, operation.inputs)], operation.outputs[0], **kinds)


def _split(writer: GraphWriter, operation: Operation) -> None:
    axis, x = operation.inputs
    _many(writer, operation, "Split", [axis, x], x, num_split=len(operation.outputs))


def _split_v(writer: GraphWriter, operation: Operation) -> None:
    x, sizes, axis = operation.inputs
    kinds = {"num_split": len(operation.outputs), "Tlen": writer.type_of(sizes)}
    _many(writer, operation, "SplitV", [x, sizes, axis], x, **kinds)


def _unpack(writer: GraphWriter, operation: Operation) -> None:
    (x,), options = operation.inputs, writer.schema.UnpackOptions
    attributes = {"axis": operation.option(options, "Axis"), "num": len(operation.outputs)}
    _many(writer, operation, "Unpack", [x], x, **attributes)


def _many(writer: GraphWriter, operation: Operation, op: str, inputs: list[int], data: int, **attributes) -> None:
    outs = operation.outputs
    written = writer.node(op, [*map(writer.read, inputs)], outs[0], T=writer.type_of(data), **attributes)
    writer.outputs(written, outs)


def _pack(writer: GraphWriter, operation: Operation) -> None:
    inputs, axis = operation.inputs, operation.option(writer.schema.PackOptions, "Axis")
    attributes = {"T": writer.type_of(inputs[0]), "N": len(inputs), "axis": axis}
    writer.node("Pack", [*map(writer.read, inputs)], operation.outputs[0], **attributes)


def _concatenation(writer: GraphWriter, operation: Operation) -> None:
    inputs, options = operation.inputs, writer.schema.ConcatenationOptions
    axis = writer.constant(np.int32(operation.option(options, "Axis")), "axis")
    kinds = {"T": writer.type_of(inputs[0]), "N": len(inputs), "Tidx": _I}
    writer.activated(operation, options, "ConcatV2", [*map(writer.read, inputs), axis], **kinds)


def _squeeze(writer: GraphWriter, operation: Operation) -> None:
    (x,), axes = operation.inputs, operation.option(writer.schema.SqueezeOptions, "SqueezeDimsAsNumpy")
    axes = np.asarray(axes).tolist() if isinstance(axes, np.ndarray) else []
    writer.node("Squeeze", [writer.read(x)], operation.outputs[0], T=writer.type_of(x), squeeze_dims=axes)


def _gather(writer: GraphWriter, operation: Operation) -> None:
    (x, indices), options = operation.inputs, writer.schema.GatherOptions
    axis = writer.constant(np.int32(operation.option(options, "Axis")), "axis")
    kinds = {"Tparams": writer.type_of(x), "Tindices": writer.type_of(indices), "Taxis": _I}
    batch = {"batch_dims": operation.option(options, "BatchDims")}
    writer.node("GatherV2", [writer.read(x), writer.read(indices), axis], operation.outputs[0], **kinds, **batch)


def _batch_matmul(writer: GraphWriter, operation: Operation) -> None:
    options = writer.schema.BatchMatMulOptions
    adjoints = {f"adj_{axis}": bool(operation.option(options, f"Adj{axis.upper()}")) for axis in "xy"}
    writer.node("BatchMatMulV2", [*map(writer.read, operation.inputs)], operation.outputs[0], T=_F, **adjoints)


def _cast(writer: GraphWriter, operation: Operation) -> None:
    (x,), (out,) = operation.inputs, operation.outputs
    writer.node("Cast", [writer.read(x)], out, SrcT=writer.type_of(x), DstT=writer.type_of(out))


def _shape(writer: GraphWriter, operation: Operation) -> None:
    (x,), (out,) = operation.inputs, operation.outputs
    writer.node("Shape", [writer.read(x)], out, T=writer.type_of(x), out_type=writer.type_of(out))


def _dequantize(writer: GraphWriter, operation: Operation) -> None:
    if writer.model.constant(operation.outputs[0]) is None:
        writer.refuse_quantized(operation.inputs[0])


def _audio(writer: GraphWriter, operation: Operation) -> None:
    options = operation.custom_options()
    known = {name: options[name] for name in AudioSettings.__dataclass_fields__ if name in options}
    out = operation.outputs[0]
    writer.node(operation.kind, [*map(writer.read, operation.inputs)], out, **known)


OPERATIONS: dict[str, Write] = {
    **dict.fromkeys(_PLAIN, _plain),
    **dict.fromkeys(_WITH_ACTIVATION, _with_activation),
    **dict.fromkeys(_INDEXED, _indexed),
    **dict.fromkeys(_REDUCTIONS, _reduction),
    **dict.fromkeys(_POOLS, _pool),
    **dict.fromkeys(_AUDIO, _audio),
    "FULLY_CONNECTED": _fully_connected,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "UNPACK": _unpack,
    "PACK": _pack,
    "CONCATENATION": _concatenation,
    "SQUEEZE": _squeeze,
    "GATHER": _gather,
    "BATCH_MATMUL": _batch_matmul,
    "CAST": _cast,
    "SHAPE": _shape,
    "DEQUANTIZE": _dequantize,
    "QUANTIZE": lambda writer, operation: writer.refuse_quantized(operation.outputs[0]),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": write_sequence_lstm,
    "CALL_ONCE": variables.write_call_once,
    "VAR_HANDLE": variables.write_handle,
    "READ_VARIABLE": variables.write_read,
    "ASSIGN_VARIABLE": variables.write_assign,
}
