"""Which weight format an IR has, and how close to the original an IR of that format must be."""

import math
from collections import Counter
from dataclasses import dataclass

from deepspeech_recipe.ir.precision import is_audio_constant
from deepspeech_recipe.verification.stored import bodies

_FORMATS = {"f32": "fp32", "f64": "fp32", "f16": "fp16", "bf16": "fp16", "i8": "int8", "u8": "int8"}
_SMALLEST_WEIGHT = 256  # values; scales, biases and shapes say nothing about the format


@dataclass(frozen=True)
class Limits:
    """Largest differences allowed.

    probabilities: of any window; average: the mean over windows of each one's largest; states: in units of the
    largest state value if that is above 1; margin: if the original's two best classes are no further apart,
    either may come out.
    """

    probabilities: float
    average: float
    states: float
    margin: float


# Measured with the bundled model, with random weights, which are more sensitive, and with 2048 cells:
# fp32 6e-6, 5e-7, 7e-6; fp16 4e-3, 4e-4, 5e-3. Weights of 8 bits are compared with the original that has them too.
_FP32 = Limits(2e-5, 2e-6, 5e-5, 4e-5)
LIMITS = {"fp32": _FP32, "fp16": Limits(1e-2, 2e-3, 1e-2, 2e-2), "int8": _FP32}
# How much more than what rounding them explains rounded activations may do.
EXPLAINED, EXPLAINED_ON_AVERAGE = 1.5, 1.25
# Features of the IR's own: in units of the largest feature, whatever the weights; measured 4e-7.
FEATURE_LIMIT = 1e-5


def weights_format(model) -> str:
    """'fp32', 'fp16' or 'int8': the coarsest that a notable part (a tenth) of the weights is stored in."""
    counts: Counter[str] = Counter()
    for node in (node for body in bodies(model) for node in body.get_ops()):
        if node.get_type_name() != "Constant" or is_audio_constant(node):
            continue
        output = node.output(0)
        size = math.prod(output.get_shape())
        kind = _FORMATS.get(output.get_element_type().get_type_name())
        if kind and size >= _SMALLEST_WEIGHT:
            counts[kind] += size
    total = sum(counts.values())
    return next((kind for kind in ("int8", "fp16") if counts[kind] > total / 10), "fp32")
