"""Weight matrices in 8 bits with a scale for each output channel, as the CPU plugin keeps them; or in more."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.options import CHOICES
from deepspeech_recipe.ir.ov_api import i64, opset, ov
from deepspeech_recipe.passes.eight_bits import quantize_rows

FORMATS = ("int8", "fp16", "fp32")
# How many activations OpenVINO rounds as a group.
_GROUP = 32
# If a side of the matrix is not a multiple of this, OpenVINO 2024.6 computes something else with rounded activations.
_TILE = 16


def weight_matrix(matrix: np.ndarray, weights: str, more: tuple[int, int] = (0, 0)):
    """The node that stands for a weight matrix [outputs, inputs] in one of FORMATS.

    int8: Constant i8 → Convert → Multiply, or Constant u8 → Convert → Subtract → Multiply (`quantize_rows`). OpenVINO
    fuses these forms into its matrix products and reads the 8 bits from memory at each of them. more: rows and columns
    to add at its ends, of any finite value.
    """
    ends = [(0, more[0]), (0, more[1])]
    column = [(0, more[0]), (0, 0)]
    if weights == "fp32":
        return opset.constant(np.pad(np.asarray(matrix, np.float32), ends))
    if weights == "fp16":
        largest = np.finfo(np.float16).max
        return opset.convert(opset.constant(np.pad(np.clip(matrix, -largest, largest), ends).astype(np.float16)), "f32")
    values, scales, zero_points = quantize_rows(matrix)
    stored = opset.convert(opset.constant(np.pad(values, ends)), "f32")
    if zero_points is not None:
        zero = opset.constant(np.pad(zero_points, column))
        stored = opset.subtract(stored, zero if zero_points.dtype == np.float32 else opset.convert(zero, "f32"))
    return opset.multiply(stored, opset.constant(np.pad(scales, column)))


def matrix_product(x, matrix: np.ndarray, weights: str, activations: str = "fp32", *, transpose_a: bool = False):
    """x · matrixᵀ, for a matrix [outputs, inputs] kept in one of FORMATS.

    activations: 'int8' if the model's may be rounded (`set_activations`); the matrix is then filled up to whole
    tiles, which OpenVINO 2024.6 needs.
    """
    outputs, inputs = matrix.shape
    more = (-outputs % _TILE, -inputs % _TILE) if (weights, activations) == ("int8", "int8") else (0, 0)
    if more[1]:
        ends = np.zeros(len(x.get_partial_shape()), np.int64)
        ends[-2 if transpose_a else -1] = more[1]
        x = opset.pad(x, np.zeros_like(ends), ends, "constant", np.float32(0))
    product = opset.matmul(x, weight_matrix(matrix, weights, more), transpose_a, True)
    if more[0]:
        product = opset.slice(product, i64(0), i64(outputs), i64(1), i64(-1))
    return product


def check_activations(activations: str) -> None:
    """Raises RecipeError for what is not one of the choices."""
    choices = CHOICES["activations"]
    if activations not in choices:
        raise RecipeError(f"The activations must be one of {', '.join(choices)}, not {activations!r}.")


def set_activations(model: ov.Model, activations: str) -> None:
    """Tells the CPU plugin, in place, whether to round activations in front of 8-bit weights ('int8') or not ('fp32').

    Only processors with VNNI do it, unless it is forbidden. It costs 2 to 4 % of a product's standard deviation.
    Whoever compiles the model may choose otherwise.
    """
    group = _GROUP if activations == "int8" else 0
    model.set_rt_info(str(group), ["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"])


def is_constant(node, port: int) -> bool:
    """Whether an input of a node is a Constant, or one that is stored in FP16 with its Convert."""
    return _behind(node, port).get_type_name() == "Constant"


def constant_of(node, port: int) -> np.ndarray:
    """The f32 values of such an input. Raises RecipeError if it is another one."""
    if not is_constant(node, port):
        raise RecipeError(
            f"The {node.get_type_name()} '{node.get_friendly_name()}' has weights that are not constants."
        )
    return np.asarray(_behind(node, port).get_data()).astype(np.float32, copy=False)


def _behind(node, port: int):
    source = node.input_value(port).get_node()
    return source.input_value(0).get_node() if source.get_type_name() == "Convert" else source
