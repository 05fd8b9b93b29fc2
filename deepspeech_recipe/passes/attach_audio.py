"""Audio attached: the acoustic model takes samples of a whole utterance instead of MFCC windows and states."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.audio import framing, lowering
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.initial_state import first_state, initial_states
from deepspeech_recipe.ir.metadata import metadata_of, write_metadata
from deepspeech_recipe.ir.names import LENGTHS, SAMPLE_LENGTHS, SAMPLES, STATE_PAIRS, WINDOWS, both_forms, find_input
from deepspeech_recipe.ir.ov_api import i64, new_input, opset, ov, rebuild
from deepspeech_recipe.ir.ov_emitter import OpenVINOEmitter


def attach_audio(model: ov.Model, settings: AudioSettings | None, n_context: int) -> ov.Model:
    """`samples` f32 [B, N] (−1…1, any N) → `logits` [frames, B, classes] of a whole utterance, from the initial state.

    model: an acoustic model of the IR contract with dynamic T and external state. An input `lengths` becomes
    `sample_lengths`, i64 [B]: the samples of each row. settings: None if the graph has no feature part. There are
    (N − window) // stride + 2 frames, 1 if N < window, as DeepSpeech's client counts them.
    Raises RecipeError, or Refusal if the features are unknown or not exactly convertible.
    """
    settings = check_acoustic_model(model, settings, n_context)
    model = model.clone()
    windows = find_input(model, WINDOWS)
    samples = _samples(windows.get_partial_shape()[0])
    parameters = {parameter.get_friendly_name(): parameter for parameter in model.get_parameters()}
    new = [samples]
    lengths = find_input(model, LENGTHS)
    sample_lengths = None
    if lengths is not None:
        sample_lengths = new_input(SAMPLE_LENGTHS, np.int64, lengths.get_partial_shape())
        new.append(sample_lengths)
    features, frame_counts = _features(samples, settings, n_context, sample_lengths)
    replace_input(windows, features, parameters)
    if lengths is not None:
        replace_input(lengths, frame_counts, parameters)
    metadata = metadata_of(model)
    initial = initial_states(metadata)
    for name in STATE_PAIRS:
        state = find_input(model, name)
        if state is not None:
            replace_input(state, _first_state(samples, state, initial.get(name), name), parameters)
    results = [
        result
        for port, result in zip(model.outputs, model.get_results(), strict=True)
        if not port.get_names() & set(STATE_PAIRS.values())
    ]
    model = rebuild(model, results=results, parameters=[*new, *parameters.values()])
    if metadata:
        write_metadata(model, {**metadata, "audio": "attached"})
    model.validate_nodes_and_infer_types()
    return model


def feature_model(settings: AudioSettings | None, n_context: int, batch: int = -1) -> ov.Model:
    """The feature part as a model of its own: `samples` f32 [B, N] → `input_node` f32 [B, T, 2·n_context + 1, n_input].

    batch: B, −1 if it is dynamic. Frames as in attach_audio. Raises Refusal as attach_audio does.
    """
    settings = _checked_settings(settings)
    samples = _samples(ov.Dimension(batch))
    features, _ = _features(samples, settings, n_context)
    result = opset.result(features)
    result.set_friendly_name(WINDOWS)
    result.output(0).get_tensor().set_names(both_forms(WINDOWS))
    return ov.Model([result], [samples], "deepspeech features")


def _features(samples, settings: AudioSettings, n_context: int, sample_lengths=None):
    """(windows, frames of every row); the second is None without sample_lengths."""
    emit = OpenVINOEmitter("audio")
    audio, frame_counts = lowering.emphasised(emit, samples.output(0), settings), None
    if sample_lengths is not None:
        audio = framing.zero_beyond(emit, audio, sample_lengths.output(0))
        frame_counts = framing.client_frame_counts(emit, sample_lengths.output(0), settings)
    mfccs = lowering.mfcc_of_frames(emit, framing.client_frames(emit, audio, settings), settings)
    if frame_counts is not None:
        mfccs = framing.zero_beyond(emit, mfccs, frame_counts)
    return framing.context_windows(emit, mfccs, n_context), frame_counts


def _checked_settings(settings: AudioSettings | None) -> AudioSettings:
    if settings is None:
        raise Refusal(
            "The graph has no feature part, and how its client computed the features is not known",
            remedy="Convert without audio",
        )
    settings.check()
    return settings


def check_acoustic_model(model: ov.Model, settings: AudioSettings | None, n_context: int) -> AudioSettings:
    """Returns the settings. Raises RecipeError or Refusal if the model does not take windows of these features, in any
    number."""
    settings = _checked_settings(settings)
    windows = find_input(model, WINDOWS)
    if windows is None:
        attached = find_input(model, SAMPLES) is not None
        reason = "its audio part is attached already" if attached else "it has no input 'input_node'"
        raise RecipeError(f"Audio cannot be attached to this model: {reason}.")
    if model.get_sinks():
        raise RecipeError(
            "Audio cannot be attached to a model with internal state, as one call takes a whole utterance. "
            "Attach it to the model with external state."
        )
    shape = windows.get_partial_shape()
    wanted = ov.PartialShape([shape[0], -1, 2 * n_context + 1, settings.dct_coefficient_count])
    if len(shape) != 4 or not shape.compatible(wanted):
        raise RecipeError(
            f"The features give windows of {2 * n_context + 1} frames and {settings.dct_coefficient_count} MFCCs, "
            f"the model's input_node has the shape {shape}."
        )
    if shape[1].is_static:
        raise RecipeError(
            f"The model takes exactly {shape[1].get_length()} time steps, attached audio needs any number of them. "
            "Convert with dynamic time steps."
        )
    return settings


def _samples(batch):
    return new_input(SAMPLES, np.float32, ov.PartialShape([batch, -1]))


def _first_state(samples, state, values: np.ndarray | None, name: str):
    """What a state `[B, H]` holds when an utterance begins."""
    shape = state.get_partial_shape()
    size = shape[1].get_length()
    if shape[0].is_static:
        return opset.constant(first_state(values, [shape[0].get_length(), size], name)).output(0)
    batch = opset.gather(opset.shape_of(samples), i64(0), np.int64(0))
    row = opset.constant(first_state(values, [1, size], name))
    return opset.broadcast(row, opset.concat([batch, i64(size)], 0)).output(0)


def replace_input(port, source, parameters: dict) -> None:
    """Puts source where an input of the model was, and forgets its parameter."""
    for reader in port.get_target_inputs():
        reader.replace_source_output(source)
    del parameters[port.get_node().get_friendly_name()]
