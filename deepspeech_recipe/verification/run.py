"""verify: the same chained chunks through the original and through the IR."""

import os

from deepspeech_recipe.files import check_writable
from deepspeech_recipe.ir.metadata import alphabet_labels, is_acoustic
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.verification.checks import checks_of, recording_result
from deepspeech_recipe.verification.compare import FrameCount, compare, compare_features, recordings_for
from deepspeech_recipe.verification.converted import Converted
from deepspeech_recipe.verification.original import Original, find_original
from deepspeech_recipe.verification.references import make_reference
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
    original = find_original(source, recipe)
    converted = Converted(opened, device)
    converted.check_against(original)
    recordings = recordings_for(original, converted, audio)
    runner = make_reference(original, reference, lengths=bool(converted.lengths))
    limits = LIMITS[converted.weights]
    labels = alphabet_labels(converted.metadata.get("alphabet"))
    checks, comparisons = [], []
    if feature_model := converted.feature_model():
        checks.append(compare_features(original, runner, feature_model, recordings, FEATURE_LIMIT))
    try:
        comparisons += compare(original, runner, converted, recordings, given=bool(audio))
    except FrameCount as wrong:
        checks.append(Check("number of windows", False, abs(wrong.found - wrong.expected), 0, str(wrong)))
    if comparisons:
        checks += checks_of(comparisons, limits, labels)
        if draw:
            draw(comparisons, limits.probabilities, plot)
    return Report(
        model=str(original.source.path),
        ir=converted.name,
        reference=runner.name,
        device=device,
        weights=converted.weights,
        form=converted.form,
        checks=tuple(checks),
        recordings=tuple(recording_result(each, labels) for each in comparisons),
        notes=_notes(original, converted),
    )


def _plotter(path):
    """Before any work is done: can the picture be drawn, and written?"""
    check_writable(path)
    from deepspeech_recipe.verification.plot import plotter

    return plotter()


def _notes(original: Original, converted: Converted) -> tuple[str, ...]:
    notes = []
    said = converted.metadata.get("weights")
    if said not in (None, converted.weights):
        notes.append(f"the metadata says weights {said}, but they are stored as {converted.weights}")
    if converted.lengths and original.lengths is None:
        notes.append("unequal lengths are not compared: the original has no input of lengths")
    return tuple(notes)
