"""The separate feature model `<name>.audio.xml`: samples → windows."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.names import SAMPLES, WINDOWS, find_input, find_output
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.verification.checks import largest
from deepspeech_recipe.verification.original import Original
from deepspeech_recipe.verification.recordings import Recording, flushed, windows_of
from deepspeech_recipe.verification.report import Check


def compare_features(original: Original, reference, model, recordings: list[Recording], limit: float) -> Check:
    """Windows of whole utterances, in units of the largest feature. model: the ov.Model of the features."""
    if original.audio is None:
        raise RecipeError(f"{original.source.path}: has no feature part, but the IR comes with a feature model.")
    samples, windows = find_input(model, SAMPLES), find_output(model, WINDOWS)
    if samples is None or windows is None:
        raise RecipeError("The feature model has no input 'samples' or no output 'input_node'. Convert it again.")
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    worst = scale = 0.0
    for recording in recordings:
        padded = flushed(recording.samples, *original.framing)
        expected = windows_of(reference.features(padded), original.window_frames)
        found = compiled({samples.get_any_name(): recording.samples[None]})[windows.get_any_name()][0]
        scale = max(scale, float(np.abs(expected).max()))
        if found.shape != expected.shape:
            detail = f"{recording.name}: {len(found)} windows instead of {len(expected)}"
            return Check("features", False, abs(len(found) - len(expected)), limit, detail)
        worst = max(worst, float(largest(found, expected)))
    return Check("features", worst / scale <= limit, worst / scale, limit, f"in units of {scale:.3g}")
