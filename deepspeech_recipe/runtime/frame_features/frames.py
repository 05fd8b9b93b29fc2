"""Per-frame arrays for those who use DeepSpeech as a feature extractor."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.layers import FEATURES, layer_ends
from deepspeech_recipe.ir.names import LOGITS
from deepspeech_recipe.ir.ov_api import opset, rebuild


def check_stride(stride: int) -> None:
    if stride < 1:
        raise RecipeError(f"A stride of {stride} frames is not possible.")


def with_tensor(ir, tensor: str):
    """The IR's model with one more output, at the end."""
    if ir.input_kind == "utterance":
        raise RecipeError(f"{ir.name}: its layers cannot be told apart from its audio part. Convert without audio.")
    if ir.batch not in (None, 1):
        raise RecipeError(f"{ir.name}: takes a batch of {ir.batch}. Features need an IR with batch 1 or dynamic.")
    model = ir.model.clone()
    ends = layer_ends(model)
    ends.pop(FEATURES)
    if tensor not in ends:
        raise RecipeError(f"There is no tensor '{tensor}' to extract. Choose one of {', '.join((LOGITS, *ends))}.")
    return rebuild(model, results=[*model.get_results(), opset.result(ends[tensor])])


def resampled(values: np.ndarray, frame_step: float, rate: float, seconds: float) -> np.ndarray:
    """Frames every frame_step seconds `[n, width]` → `[round(seconds · rate), width]`, at least one frame.

    Frame i of either stands for the time (i + 1/2) / its rate; between two frames the values go on a straight
    line, beyond the first and the last one they stay.
    """
    if not rate > 0:
        raise RecipeError(f"A frame rate of {rate} a second is not possible.")
    count = max(1, round(seconds * rate))
    place = ((np.arange(count) + 0.5) / rate / frame_step - 0.5).clip(0, len(values) - 1)
    before = np.minimum(place.astype(np.int64), max(0, len(values) - 2))
    after = np.minimum(before + 1, len(values) - 1)
    part = (place - before)[:, None].astype(np.float32)
    return values[before] * (1 - part) + values[after] * part


def windows(values: np.ndarray, size: int) -> np.ndarray:
    """`[n, width]` → `[n, size, width]`: frames i − size/2 to i + size/2 − 1 for frame i, zeros outside."""
    if size < 1:
        raise RecipeError(f"Windows of {size} frames are not possible.")
    before = size // 2
    padded = np.pad(values, [(before, size - 1 - before), (0, 0)])
    view = np.lib.stride_tricks.sliding_window_view(padded, size, axis=0)
    return np.ascontiguousarray(view.swapaxes(1, 2))
