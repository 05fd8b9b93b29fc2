"""verify: the same chained chunks through the original and through the IR."""

import os
from collections.abc import Sequence

import numpy as np

from deepspeech_recipe.files import check_writable
from deepspeech_recipe.ir.metadata import is_acoustic
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.verification.activations import default_precision_note
from deepspeech_recipe.verification.checks import checks_of, moved_by_way, number_of_windows, recording_result
from deepspeech_recipe.verification.compare import Comparison, largest
from deepspeech_recipe.verification.converted import Converted
from deepspeech_recipe.verification.metadata import check_metadata
from deepspeech_recipe.verification.original import Original
from deepspeech_recipe.verification.pair import AcousticPair
from deepspeech_recipe.verification.report import Check, Report
from deepspeech_recipe.verification.stateful import verify_stateful
from deepspeech_recipe.verification.weights import FEATURE_LIMIT, LIMITS


def verify(
    model: str | os.PathLike | LoadedModel,
    ir,
    *,
    audio=(),
    device: str = "CPU",
    plot: str | os.PathLike | None = None,
    reference: str = "auto",
    recipe: str | os.PathLike | None = None,
) -> Report:
    """Compares an IR with the model it was made of.

    - model: a model file of any kind, or an opened one.
    - ir: an IR's .xml, or an ov.Model with this project's metadata.
    - audio: WAV files at the model's sample rate; by default the built-in ones and random features. Models of other
      recipes get random inputs in chained calls instead, in TensorFlow.
    - device: OpenVINO's, for the IR.
    - plot: a PNG file to draw.
    - reference: what runs the original: 'tensorflow', 'openvino', 'numpy', or 'auto', the first of them that can.
    - recipe: a Python file that knows an acoustic model whose tensors have names of their own.

    Raises RecipeError if the two cannot be compared: files that cannot be read, sizes that do not fit.
    """
    draw = _plotter(plot) if plot else None
    opened = IR(ir, "the model")
    source = model if isinstance(model, LoadedModel) else open_model(model)
    if not is_acoustic(opened.metadata):
        return verify_stateful(source, opened, device=device, reference=reference)
    pair = AcousticPair(source, opened, audio=audio, device=device, recipe=recipe, reference=reference)
    converted, limits = pair.converted, LIMITS[pair.converted.weights]
    said = check_metadata(pair.original, converted, recipe)
    labels = said.labels, converted.labels
    features, comparisons = list(pair.features()), list(pair.comparisons())
    checks = [said.check, *pair.stored, *([_features(features)] if features else [])]
    whole = [each for each in comparisons if each.rows[0] == each.rows[1]]
    checks.append(number_of_windows(comparisons))
    if whole:
        checks += checks_of(whole, limits, labels)
        if draw:
            draw(whole, limits.probabilities, plot)
    return Report(
        model=str(source.path),
        ir=converted.name,
        reference=pair.reference.name,
        device=device,
        weights=converted.weights,
        form=converted.form,
        checks=tuple(checks),
        recordings=tuple(recording_result(each, labels) for each in whole),
        notes=(*said.notes, *_notes(pair.original, converted), *_precision(whole, device)),
    )


def _features(found) -> Check:
    """Windows of whole utterances, in units of each one's largest feature."""
    worst = units = 0.0
    for name, expected, ours in found:
        if ours.shape != expected.shape:
            detail = f"{name}: windows {[*ours.shape]} instead of {[*expected.shape]}"
            return Check("features", False, np.inf, FEATURE_LIMIT, detail)
        scale = float(np.abs(expected).max())
        worst, units = max((worst, units), (float(largest(ours, expected)) / scale, scale))
    return Check("features", worst <= FEATURE_LIMIT, worst, FEATURE_LIMIT, f"in units of {units:.3g}")


def _plotter(path):
    """Before any work is done: can the picture be drawn, and written?"""
    check_writable(path)
    from deepspeech_recipe.verification.plot import plotter

    return plotter()


def _precision(comparisons: Sequence[Comparison], device: str) -> tuple[str, ...]:
    return default_precision_note(moved_by_way(comparisons), device) if comparisons else ()


def _notes(original: Original, converted: Converted) -> list[str]:
    if converted.lengths and original.lengths is None:
        return ["unequal lengths are not compared: the original has no input of lengths"]
    return []
