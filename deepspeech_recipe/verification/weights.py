"""Which weight format an IR has, and how close to the original an IR of that format must be."""

from collections import Counter
from dataclasses import dataclass

from deepspeech_recipe.ir.precision import is_audio_constant

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
# fp32 6e-6, 5e-7, 7e-6; fp16 4e-3, 4e-4, 5e-3; int8 (all matrices, by rows) 0.19, 0.02, 0.27.
LIMITS = {
    "fp32": Limits(2e-5, 2e-6, 5e-5, 4e-5),
    "fp16": Limits(1e-2, 2e-3, 1e-2, 2e-2),
    "int8": Limits(0.5, 0.05, 0.5, 0.5),
}
# Features of the IR's own: in units of the largest feature, whatever the weights; measured 4e-7.
FEATURE_LIMIT = 1e-5


def weights_format(model) -> str:
    """'fp32', 'fp16' or 'int8': the coarsest that a notable part (a tenth) of the weights is stored in."""
    counts: Counter[str] = Counter()
    for node in _operations(model):
        if node.get_type_name() != "Constant" or is_audio_constant(node):
            continue
        output = node.output(0)
        size = 1
        for length in output.get_shape():
            size *= length
        kind = _FORMATS.get(output.get_element_type().get_type_name())
        if kind and size >= _SMALLEST_WEIGHT:
            counts[kind] += size
    total = sum(counts.values())
    return next((kind for kind in ("int8", "fp16") if counts[kind] > total / 10), "fp32")


def _operations(model):
    """Of the model and of the bodies of its loops."""
    for node in model.get_ops():
        yield node
        if node.get_type_name() in ("TensorIterator", "Loop"):
            yield from _operations(node.get_function())
