"""Weight matrices in 8 bits with a scale for each output channel, as the CPU plugin keeps them; or in more."""

import numpy as np

from deepspeech_recipe.ov_api import opset

FORMATS = ("int8", "fp16", "fp32")
_LARGEST = 127


def quantize_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[outputs, inputs] f32 → int8 of the same shape and scales [outputs, 1]; symmetric, no zero point."""
    scales = np.abs(matrix).max(axis=1, keepdims=True) / _LARGEST
    scales[scales == 0] = 1
    return np.round(matrix / scales).astype(np.int8), scales.astype(np.float32)


def weight_matrix(matrix: np.ndarray, weights: str):
    """The node that stands for a weight matrix [outputs, inputs] in one of FORMATS.

    int8: Constant i8 → Convert → Multiply. OpenVINO fuses this form into its matrix products and reads the 8 bits
    from memory at each of them.
    """
    if weights == "fp32":
        return opset.constant(np.asarray(matrix, np.float32))
    if weights == "fp16":
        largest = np.finfo(np.float16).max
        return opset.convert(opset.constant(np.clip(matrix, -largest, largest).astype(np.float16)), "f32")
    values, scales = quantize_rows(np.asarray(matrix, np.float32))
    return opset.multiply(opset.convert(opset.constant(values), "f32"), opset.constant(scales))


def keep_activations(model) -> None:
    """Tells the CPU plugin to leave the activations in front of 8-bit weights in f32.

    On processors with VNNI it rounds them to 8 bits otherwise: 2 to 4 % of a product's standard deviation, and more
    than its size in OpenVINO 2024.6 where the inputs are no multiple of 16, as DeepSpeech's 494 are. Whoever compiles
    the model may choose otherwise; the plugin reads this only where they say nothing.
    """
    model.set_rt_info("0", ["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"])


def constant_of(output) -> np.ndarray | None:
    """The f32 values behind an output: a Constant, or one stored in FP16 with its Convert; else None."""
    node = output.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    return np.asarray(node.get_data()).astype(np.float32, copy=False)
