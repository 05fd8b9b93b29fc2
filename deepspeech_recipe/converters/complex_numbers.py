"""Complex numbers as OpenVINO's TensorFlow frontend takes them.

It knows pairs of a real and an imaginary part, their sums and products and the transforms between them and signals
(RFFT, IRFFT), but no complex constant, no Cast to a complex type, and no Exp of one, with which a spectrum is put
together of magnitude and phase; and its Angle of 0 is not a number.

    Cast(a) = Complex(a, 0)    Exp(z) = Complex(e^Re(z) · cos(Im(z)), e^Re(z) · sin(Im(z)))    Angle(0) = Angle(1) = 0
"""

from __future__ import annotations

import math

import numpy as np

from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder, set_attr, turn_into
from deepspeech_recipe.graphdef.proto import DATA_TYPES
from deepspeech_recipe.graphdef.tensor import shape_of

# What makes complex numbers of real ones.
COMPLEX_OPS = ("Complex", "FFT", "RFFT", "RFFT2D", "RFFT3D")
COMPLEX = DATA_TYPES["DT_COMPLEX64"]
_OF_PARTS = ("Angle", "ComplexAbs", "Real", "Imag")
_F, _C = {"T": DType(FLOAT)}, {"T": DType(COMPLEX)}


def in_parts(builder: GraphBuilder) -> None:
    """Rewrites these operations of a GraphDef in place."""
    for node in list(builder.graph.node):
        if node.op in _OF_PARTS and "Tout" not in node.attr:
            set_attr(node, "Tout", DType(FLOAT))  # the default, which exporters strip and OpenVINO 2024.6 wants
        if node.op == "Const" and node.attr["dtype"].type == COMPLEX:
            value = _constant(node.attr["value"].tensor)
            if value is not None:
                parts = (("real", value.real), ("imaginary", value.imag))
                _become_complex(node, *(builder.const(f"{node.name}/{what}", part) for what, part in parts))
        elif node.op == "Cast" and node.attr["DstT"].type == COMPLEX and node.attr["SrcT"].type == FLOAT:
            (real,) = node.input
            _become_complex(node, real, builder.node(f"{node.name}/zeros", "ZerosLike", [real], **_F))
        elif node.op == "Exp" and node.attr["T"].type == COMPLEX:
            real, imaginary = _split(builder, node)
            length = builder.node(f"{node.name}/length", "Exp", [real], **_F)
            turned = [builder.node(f"{node.name}/{op}", op, [imaginary], **_F) for op in ("Cos", "Sin")]
            _become_complex(node, *(builder.node(f"{part}/part", "Mul", [length, part], **_F) for part in turned))
        elif node.op == "Angle" and node.attr["T"].type in (0, COMPLEX):
            node.input[0] = _not_zero(builder, node)


def _split(builder: GraphBuilder, node) -> list[str]:
    """The real and the imaginary part of what the node reads."""
    tout = {"Tout": DType(FLOAT)}
    return [builder.node(f"{node.name}/{op}", op, [node.input[0]], **_C, **tout) for op in ("Real", "Imag")]


def _not_zero(builder: GraphBuilder, node) -> str:
    """What the node reads, with 1 in the place of 0."""
    parts, name = _split(builder, node), node.name
    zero, one = builder.const(f"{name}/0", np.float32(0)), builder.const(f"{name}/1", np.float32(1))
    none = [builder.node(f"{part}/none", "Equal", [part, zero], **_F) for part in parts]
    nothing = builder.node(f"{name}/nothing", "LogicalAnd", none)
    real = builder.node(f"{name}/real", "SelectV2", [nothing, one, parts[0]], **_F)
    return builder.node(f"{name}/not_zero", "Complex", [real, parts[1]], **_F, Tout=DType(COMPLEX))


def _become_complex(node, real: str, imaginary: str) -> None:
    turn_into(node, "Complex", [real, imaginary], T=DType(FLOAT), Tout=DType(COMPLEX))


def _constant(tensor) -> np.ndarray | None:
    """A complex constant's values; None if it is damaged."""
    values = np.frombuffer(tensor.tensor_content or np.float32(tensor.scomplex_val).tobytes(), np.float32)
    size, shape = values.size // 2, shape_of(tensor.tensor_shape)
    if values.size % 2 or shape is None or size not in (1, math.prod(shape)):
        return None
    return np.full(shape, values.view(np.complex64)[0]) if size == 1 else values.view(np.complex64).reshape(shape)
