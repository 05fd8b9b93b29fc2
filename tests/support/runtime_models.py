"""Small IRs of every kind that the runtime knows, and what they should compute, in numpy."""

from dataclasses import asdict
from functools import cache

import numpy as np

from deepspeech_recipe.ir.metadata import read_metadata, write_metadata
from deepspeech_recipe.ir.names import STATE_PAIRS, find
from deepspeech_recipe.ir.ov_api import opset, ov, rebuild
from deepspeech_recipe.passes.attach_audio import attach_audio, feature_model
from deepspeech_recipe.passes.fast_recurrence import fast_recurrence
from deepspeech_recipe.passes.internal_state import internal_state
from deepspeech_recipe.passes.sequence_lengths import lengths_input
from deepspeech_recipe.passes.streaming import streaming_model
from deepspeech_recipe.runtime import Recognizer
from tests.support import client_audio
from tests.support.acoustic_model import CLASSES, HIDDEN, acoustic_model
from tests.support.audio_signals import EVERY, signals

ONE_THREAD = {"INFERENCE_NUM_THREADS": 1}
CONTEXT = 3
LABELS = ["a", "b", "c", "'", "ä", " "]
AUDIO = EVERY["16 kHz"]
KINDS = {
    "windows, open": {},
    "windows, 16 steps": {"batch": 1, "steps": 16},
    "windows, 5 steps, batch 3": {"batch": 3, "steps": 5},
    "windows, lengths": {"lengths": True},
    "internal state": {"batch": 1, "state": "internal"},
    "internal state, 4 steps, batch 2": {"batch": 2, "steps": 4, "state": "internal"},
    "attached": {"audio": True},
    "attached, batch 2": {"audio": True, "batch": 2},
    "attached, lengths": {"audio": True, "lengths": True},
    "attached, lengths, batch 3": {"audio": True, "lengths": True, "batch": 3},
    "streaming": {"streaming": True},
    "no state": {"batch": 1, "state": "none"},
    "no state, 5 steps": {"batch": 1, "steps": 5, "state": "none", "recurrence": "fp32"},
    # The LSTMSequence replaced by a loop.
    "windows, int8": {"recurrence": "int8"},
    "windows, lengths, loop": {"gate": True, "recurrence": "fp32"},
    "internal state, int8": {"batch": 1, "steps": 16, "state": "internal", "recurrence": "int8"},
    "attached, int8": {"audio": True, "recurrence": "int8"},
    "attached, lengths, loop": {"audio": True, "gate": True, "recurrence": "fp32"},
    "attached, lengths, batch 3, int8": {"audio": True, "gate": True, "batch": 3, "recurrence": "int8"},
    "streaming, int8": {"streaming": True, "recurrence": "int8"},
}


def model(kind: str, audio=AUDIO, **metadata):
    """An ov.Model of one of KINDS."""
    options = dict(KINDS[kind])
    state, attached = options.pop("state", "external"), options.pop("audio", False)
    streaming, gate = options.pop("streaming", False), options.pop("gate", False)
    recurrence = options.pop("recurrence", None)
    found = acoustic_model(audio.dct_coefficient_count, CONTEXT, **options)
    if gate:
        found = lengths_input(found)
    facts = {
        "audio": "none", "state": state, "head": "probabilities", "n_context": CONTEXT, "classes": CLASSES,
        "n_input": audio.dct_coefficient_count, "features": asdict(audio), "sample_rate": audio.sample_rate,
        "alphabet": {"encoding": "utf-8", "labels": LABELS}, "beam_width": 20,
    }  # fmt: skip
    write_metadata(found, facts | metadata)
    if state == "internal":
        found = internal_state(found)
    if state == "none":
        found = _without_state(found)
    if streaming:
        found = streaming_model(found, audio, CONTEXT)
    if attached:
        found = attach_audio(found, audio, CONTEXT)
    return found if recurrence is None else _with_loop(found, recurrence)


def _with_loop(found, weights: str):
    """Processors with VNNI would round the activations too, other ones for each way to cut the audio."""
    return fast_recurrence(found, weights=weights, activations="fp32")


def _without_state(found):
    """As of a graph that begins every call at zeros."""
    for name in STATE_PAIRS:
        port = find(found.inputs, {name})
        for reader in port.get_target_inputs():
            reader.replace_source_output(opset.constant(np.zeros(port.get_shape(), np.float32)).output(0))
    results = [each for each in found.get_results() if "logits" in each.output(0).get_names()]
    parameters = [each for each in found.get_parameters() if each.get_friendly_name() not in STATE_PAIRS]
    return rebuild(found, results=results, parameters=parameters)


def rounded(kind: str) -> bool:
    """Whether the weights of the recurrence are."""
    return KINDS[kind].get("recurrence") == "int8"


@cache
def recognizer(kind: str, name: str = "16 kHz") -> Recognizer:
    return Recognizer(model(kind, EVERY[name]), config=ONE_THREAD)


def write_separate(folder, name: str = "m"):
    """`<name>.xml` and `<name>.audio.xml`; returns the first."""
    found = model("windows, open")
    ov.save_model(found, folder / f"{name}.xml", compress_to_fp16=False)
    features = feature_model(AUDIO, CONTEXT)
    write_metadata(features, read_metadata(found))
    ov.save_model(features, folder / f"{name}.audio.xml", compress_to_fp16=False)
    return folder / f"{name}.xml"


@cache
def _acoustic(name: str, int8: bool):
    found = acoustic_model(EVERY[name].dct_coefficient_count, CONTEXT)
    if int8:
        found = _with_loop(found, "int8")
    return ov.Core().compile_model(found, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **ONE_THREAD})


def expected(samples, name: str = "16 kHz", int8: bool = False, initial: float = 0.0) -> np.ndarray:
    """Samples `[N]` → probabilities `[frames, classes]`: features in numpy, the acoustic model in one call.

    int8: with the recurrent weights rounded. initial: what its states are full of.
    """
    windows = client_audio.context_windows(client_audio.client_mfccs(samples, EVERY[name]), CONTEXT)[None]
    begin = np.full((1, HIDDEN), initial, np.float32)
    feeds = {"input_node": windows, "previous_state_c": begin, "previous_state_h": begin}
    return _acoustic(name, int8)(feeds)["logits"][:, 0]


@cache
def speech(name: str = "16 kHz") -> np.ndarray:
    return signals(EVERY[name].sample_rate)["speech"]
