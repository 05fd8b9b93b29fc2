"""Weight matrices in 8 bits, a scale for each output channel, kept so by the CPU plugin."""

import numpy as np

from deepspeech_recipe.ov_api import opset

_LARGEST = 127


def quantize_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[outputs, inputs] f32 → int8 of the same shape and scales [outputs, 1]; symmetric, no zero point."""
    scales = np.abs(matrix).max(axis=1, keepdims=True) / _LARGEST
    scales[scales == 0] = 1
    return np.round(matrix / scales).astype(np.int8), scales.astype(np.float32)


def int8_matrix(matrix: np.ndarray):
    """The node that stands for a weight matrix [outputs, inputs]: Constant i8 → Convert → Multiply.

    OpenVINO fuses this form into its matrix products and reads the 8 bits from memory at each of them.
    """
    values, scales = quantize_rows(np.asarray(matrix, np.float32))
    return opset.multiply(opset.convert(opset.constant(values), "f32"), opset.constant(scales))


def constant_of(output) -> np.ndarray | None:
    """The f32 values behind an output: a Constant, or one stored in FP16 with its Convert; else None."""
    node = output.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    return np.asarray(node.get_data()).astype(np.float32, copy=False)
