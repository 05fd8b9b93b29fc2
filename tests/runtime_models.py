"""Small IRs of every kind that the runtime knows, and what they should compute, in numpy."""

from dataclasses import asdict
from functools import cache

import numpy as np

from deepspeech_recipe.audio import reference
from deepspeech_recipe.ov_api import ov
from deepspeech_recipe.passes.attach_audio import attach_audio, feature_model
from deepspeech_recipe.passes.contract import STATE_PAIRS
from deepspeech_recipe.passes.internal_state import internal_state
from deepspeech_recipe.passes.metadata import read_metadata, write_metadata
from deepspeech_recipe.passes.streaming import streaming_model
from deepspeech_recipe.runtime import Recognizer
from tests.acoustic_model import CLASSES, HIDDEN, acoustic_model
from tests.audio_signals import SETTINGS, signals

ONE_THREAD = {"INFERENCE_NUM_THREADS": 1}
CONTEXT = 3
LABELS = ["a", "b", "c", "'", "ä", " "]
AUDIO = SETTINGS["16 kHz"]
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
}


def model(kind: str, audio=AUDIO, **metadata):
    """An ov.Model of one of KINDS."""
    options = dict(KINDS[kind])
    state, attached = options.pop("state", "external"), options.pop("audio", False)
    streaming = options.pop("streaming", False)
    found = acoustic_model(audio.dct_coefficient_count, CONTEXT, **options)
    facts = {
        "audio": "none", "state": state, "head": "probabilities", "n_context": CONTEXT, "classes": CLASSES,
        "n_input": audio.dct_coefficient_count, "features": asdict(audio), "sample_rate": audio.sample_rate,
        "alphabet": {"encoding": "utf-8", "labels": LABELS}, "beam_width": 20,
    }  # fmt: skip
    write_metadata(found, facts | metadata)
    if state == "internal":
        found = internal_state(found, STATE_PAIRS)
    if streaming:
        return streaming_model(found, audio, CONTEXT)
    return attach_audio(found, audio, CONTEXT) if attached else found


@cache
def recognizer(kind: str, name: str = "16 kHz") -> Recognizer:
    return Recognizer(model(kind, SETTINGS[name]), config=ONE_THREAD)


def write_separate(folder, name: str = "m"):
    """`<name>.xml` and `<name>.audio.xml`; returns the first."""
    found = model("windows, open")
    ov.save_model(found, folder / f"{name}.xml", compress_to_fp16=False)
    features = feature_model(AUDIO, CONTEXT)
    write_metadata(features, read_metadata(found))
    ov.save_model(features, folder / f"{name}.audio.xml", compress_to_fp16=False)
    return folder / f"{name}.xml"


@cache
def _acoustic(name: str):
    found = acoustic_model(SETTINGS[name].dct_coefficient_count, CONTEXT)
    return ov.Core().compile_model(found, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **ONE_THREAD})


def expected(samples, name: str = "16 kHz") -> np.ndarray:
    """Samples `[N]` → probabilities `[frames, classes]`: features in numpy, the acoustic model in one call."""
    windows = reference.context_windows(reference.client_mfccs(samples, SETTINGS[name]), CONTEXT)[None]
    zero = np.zeros((1, HIDDEN), np.float32)
    feeds = {"input_node": windows, "previous_state_c": zero, "previous_state_h": zero}
    return _acoustic(name)(feeds)["logits"][:, 0]


@cache
def speech(name: str = "16 kHz") -> np.ndarray:
    return signals(SETTINGS[name].sample_rate)["speech"]
