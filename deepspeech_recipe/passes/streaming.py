"""The streaming model: blocks of samples of any size in, every probability that is determined so far out.

Its state, under these names: the samples and the MFCC frames that later windows still need, the states of the LSTM,
and whether the utterance has ended.
"""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.audio import framing, lowering
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir import names
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.metadata import metadata_of, write_metadata
from deepspeech_recipe.ir.names import find_input, find_output
from deepspeech_recipe.ir.options import DYNAMIC
from deepspeech_recipe.ir.ov_api import i64, new_input, opset, ov, rebuild
from deepspeech_recipe.ir.ov_emitter import OpenVINOEmitter
from deepspeech_recipe.passes.attach_audio import check_acoustic_model, replace_input
from deepspeech_recipe.passes.internal_state import fix_batch, internal_state
from deepspeech_recipe.passes.lstm_loop import lstm_sequences
from deepspeech_recipe.passes.sequence_lengths import stop_at_lengths

AUDIO, FRAMES, ENDED = "audio_tail", "mfcc_context", "ended"
_WHAT = "The streaming model"


def streaming_model(model: ov.Model, settings: AudioSettings | None, n_context: int) -> ov.Model:
    """`samples` f32 [1, N] (−1…1, any N, also 0), `end_of_stream` (boolean scalar) → `logits` [T, 1, classes].

    model: an acoustic model of the IR contract with dynamic T, batch 1 (or dynamic) and external state. settings: None
    if the graph has no feature part.

    Every frame that is determined comes out, so T may be 0. The frames of an utterance are those of attach_audio,
    whatever its blocks. end_of_stream ends it as DeepSpeech's client does: what is left of the audio, nothing
    included, is zero-padded to one more window, and n_context zero frames follow. From then on T is 0, until
    `reset_state()` begins the next utterance.

    Raises RecipeError, or Refusal if the features are unknown or not exactly convertible.
    """
    settings = _checked_settings(model, settings, n_context)
    model = fix_batch(model, 1)
    samples = new_input(names.SAMPLES, np.float32, ov.PartialShape([1, -1]))
    end = new_input(names.END_OF_STREAM, np.bool_, ov.PartialShape([]))
    parameters = {parameter.get_friendly_name(): parameter for parameter in model.get_parameters()}
    windows, count, sinks = _windows(OpenVINOEmitter("audio"), samples, end, settings, n_context)
    replace_input(find_input(model, names.WINDOWS), windows, parameters)
    stop_at_lengths(lstm_sequences(model)[0], count)
    logits = find_output(model, names.LOGITS).get_names()
    results = [
        _first_rows(port, result, count) if port.get_names() == logits else result
        for port, result in zip(model.outputs, model.get_results(), strict=True)
    ]
    model = rebuild(model, results=results, sinks=sinks, parameters=[samples, end, *parameters.values()])
    model.validate_nodes_and_infer_types()
    metadata = metadata_of(model)
    if metadata:
        write_metadata(model, {**metadata, "audio": "attached", "time_steps": DYNAMIC, "batch": 1})
    return internal_state(model)


def _windows(emit, samples, end, settings: AudioSettings, n_context: int):
    """(windows [1, max(T, 1), …], T as i64 [1], the Assigns).

    One window is there even if none is due: OpenVINO's CPU plugin spoils the state of an LSTM that runs no step.
    """
    ended = _read(ENDED, np.zeros(1, np.float32), [1])
    running = emit("less", ended, np.full(1, 0.5, np.float32))
    ending = _number(emit, emit("logical_and", running, end.output(0)))
    block = _before(emit, samples.output(0), emit("multiply", _number(emit, running), lowering.length(emit, samples)))
    begin = np.zeros((1, n_context, settings.dct_coefficient_count), np.float32)
    before = _read(FRAMES, begin, [1, -1, begin.shape[2]])
    first = emit("convert", emit("equal", lowering.length(emit, before), np.int64(n_context)), destination_type="i64")
    mfccs, keep_audio = _new_frames(emit, block, ending, first, settings)
    frames = emit("concat", before, mfccs, axis=1)
    # In the padding are the zero frames that follow the end, and what the one window of a T of 0 may lack.
    padded = emit("pad", frames, i64(0, 0, 0), i64(0, n_context + 1, 0), pad_mode="constant")
    end_of_frames = emit("add", lowering.length(emit, frames), emit("multiply", ending, np.int64(n_context)))
    count = emit("maximum", emit("subtract", end_of_frames, np.int64(2 * n_context)), np.int64(0))
    windows = framing.windows_before(emit, padded, emit("maximum", count, np.int64(1)), n_context)
    keep_frames = _assign(FRAMES, _from(emit, _before(emit, padded, end_of_frames), count))
    keep_ended = _assign(ENDED, emit("maximum", ended, emit("convert", _vector(emit, ending), destination_type="f32")))
    return windows, _vector(emit, count), [keep_audio, keep_frames, keep_ended]


def _new_frames(emit, block, ending, first, settings: AudioSettings):
    """(MFCCs [1, frames, coefficients] of the windows that are complete with this block, the Assign).

    first: 1 if the utterance has had no frame yet, 0 if it has had one.
    """
    # The tail begins with what lies in front of the next window, the gap between two of them if they are shorter than
    # their stride: whatever has been used of it can then be dropped by whole strides.
    lead = settings.lead
    audio = emit("concat", _read(AUDIO, np.zeros((1, lead), np.float32), [1, -1]), block, axis=1)
    count = emit("subtract", lowering.length(emit, audio), np.int64(lead))
    whole = framing.whole_frame_counts(emit, count, settings)
    frames = emit("add", whole, ending)
    if settings.look_stride != settings.stride:
        last = emit("maximum", framing.last_frame_counts(emit, count, settings), first)
        frames = emit("select", emit("greater", ending, np.int64(0)), last, whole)
    used = emit("multiply", frames, np.int64(settings.stride))
    padding = i64(0, lead + settings.window_size)
    padded = emit("pad", lowering.emphasised(emit, audio, settings), i64(0, 0), padding, pad_mode="constant")
    if lead:
        padded = _from(emit, padded, np.int64(lead))
    mfccs = lowering.mfcc_of_frames(emit, lowering.frames_before(emit, padded, used, settings), settings)
    return mfccs, _assign(AUDIO, _from(emit, audio, used))


def _read(name: str, begin: np.ndarray, shape: list[int]):
    node = opset.read_value(opset.constant(begin), name, ov.Type.f32, ov.PartialShape(shape))
    node.set_friendly_name(name)
    return node.output(0)


def _assign(name: str, value):
    return opset.assign(value.get_node(), name)


def _before(emit, values, end):
    """values[:, :end]; end: a scalar, which may lie beyond the size."""
    return emit("slice", values, i64(0), _vector(emit, end), i64(1), i64(1))


def _from(emit, values, start):
    """values[:, start:]; start: a scalar, which may lie beyond the size."""
    size = _vector(emit, lowering.length(emit, values))
    return emit("slice", values, _vector(emit, start), size, i64(1), i64(1))


def _vector(emit, scalar):
    return emit("unsqueeze", scalar, i64(0))


def _number(emit, truth):
    """boolean [1] → i64 scalar, 0 or 1."""
    return emit("convert", emit("squeeze", truth, i64(0)), destination_type="i64")


def _first_rows(port, result, count):
    """A Result with the first rows of what `result` holds, under the names of `port`."""
    source = result.input_value(0)
    names = port.get_names()
    source.get_tensor().set_names(source.get_names() - names)
    new = opset.result(opset.slice(source, i64(0), count, i64(1), i64(0)))
    new.set_friendly_name(result.get_friendly_name())
    new.output(0).get_tensor().set_names(names)
    return new


def _checked_settings(model: ov.Model, settings: AudioSettings | None, n_context: int) -> AudioSettings:
    if find_input(model, names.END_OF_STREAM) is not None:
        raise RecipeError("The model is a streaming model already.")
    if find_input(model, names.SAMPLES) is not None:
        raise RecipeError(
            f"{_WHAT} cannot be made of one with audio attached for whole utterances. "
            "Make it of the model without audio."
        )
    if model.get_sinks():
        raise RecipeError(
            f"{_WHAT} cannot be made of one with internal state, for it has more states. "
            "Make it of the model with external state."
        )
    settings = check_acoustic_model(model, settings, n_context)
    if find_input(model, names.LENGTHS) is not None:
        raise RecipeError(f"{_WHAT} has one row, so an input 'lengths' has no use. Make it of the model without one.")
    outputs = [names.LOGITS, *names.STATE_PAIRS.values()]
    missing = [name for name in names.STATE_PAIRS if find_input(model, name) is None]
    missing += [name for name in outputs if find_output(model, name) is None]
    if missing:
        raise RecipeError(
            f"{_WHAT} needs a state to carry from block to block, and this one lacks '{missing[0]}'. "
            "Convert a graph that has a state, with all its outputs."
        )
    batch = find_input(model, names.WINDOWS).get_partial_shape()[0]
    if not batch.compatible(ov.Dimension(1)):
        raise RecipeError(
            f"{_WHAT} takes one stream a request, this one has the batch {batch.get_length()}. Convert with batch 1; "
            "more streams are more requests of one compiled model."
        )
    lstms = lstm_sequences(model)
    if not lstms and any(node.get_type_name() == "TensorIterator" for node in model.get_ops()):
        raise RecipeError(
            f"{_WHAT} needs the LSTMSequence, which was replaced by a faster form here. Make the streaming model "
            "first and apply fast_recurrence to it afterwards."
        )
    if len(lstms) != 1:
        raise RecipeError(f"{_WHAT} needs a model with one LSTMSequence, this one has {len(lstms)}.")
    if n_context < 1:
        raise RecipeError(f"{_WHAT} needs at least one frame of context on each side, not {n_context}.")
    return settings
