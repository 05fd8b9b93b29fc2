"""How audio becomes MFCC frames: the feature part of a graph, AudioSpectrogram → Mfcc (v0.5 and later), or what the
client did (before)."""

from __future__ import annotations

from dataclasses import dataclass

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.ir.audio_settings import AudioSettings, ClientSettings

_CLIENT_CHANNELS = 26


@dataclass(frozen=True)
class AudioPart:
    """samples, mfccs: the tensors where the feature part begins and ends; settings: its operations' attributes."""

    samples: Tensor
    mfccs: Tensor
    settings: AudioSettings


def recognise_audio(view: GraphView) -> AudioPart | None:
    """The one pair AudioSpectrogram → Mfcc, or None. Raises Refusal if its attributes cannot be read."""
    for mfcc in view.of_op("Mfcc"):
        spectrogram = view.source_node(mfcc.inputs[0])
        if spectrogram is not None and spectrogram.op == "AudioSpectrogram":
            return AudioPart(_samples(view, spectrogram), _mfccs(view, mfcc), _settings(view, spectrogram, mfcc))
    return None


def client_features(generation: str, n_input: int) -> ClientSettings | None:
    """What the client of v0.2, v0.3 or v0.4 computed (native_client/deepspeech.cc); None for other releases."""
    window, milliseconds, look_every = {
        "v0.2 or v0.3": ("rectangular", 25, 10),  # of frames every 10 ms it used every second one
        "v0.4": ("hamming", 32, 20),
    }.get(generation, ("", 0, 0))
    if not window or n_input > _CLIENT_CHANNELS:
        return None
    return ClientSettings(
        window_size=16 * milliseconds, stride=320, magnitude_squared=True, sample_rate=16000,
        upper_frequency_limit=8000.0, lower_frequency_limit=0.0,
        filterbank_channel_count=_CLIENT_CHANNELS, dct_coefficient_count=n_input,
        window=window, look_stride=16 * look_every,
    )  # fmt: skip


def _settings(view: GraphView, spectrogram: Node, mfcc: Node) -> AudioSettings:
    sample_rate = view.integer(mfcc.inputs[1])
    if sample_rate is None:
        raise Refusal("The sample rate of the feature part is not a constant", node=mfcc.name)
    # Attributes left out have the defaults of tensorflow/core/ops/audio_ops.cc.
    settings = AudioSettings(
        window_size=int(spectrogram.attribute("window_size", 0)),
        stride=int(spectrogram.attribute("stride", 0)),
        magnitude_squared=bool(spectrogram.attribute("magnitude_squared", False)),
        sample_rate=sample_rate,
        upper_frequency_limit=float(mfcc.attribute("upper_frequency_limit", 4000.0)),
        lower_frequency_limit=float(mfcc.attribute("lower_frequency_limit", 20.0)),
        filterbank_channel_count=int(mfcc.attribute("filterbank_channel_count", 40)),
        dct_coefficient_count=int(mfcc.attribute("dct_coefficient_count", 13)),
    )
    # Whether the two fit together is judged when the feature part is converted: a model may be used without it.
    settings.check_spectrogram(spectrogram.name)
    settings.check_values(mfcc.name)
    return settings


def _samples(view: GraphView, spectrogram: Node) -> Tensor:
    for node in view.ancestors(spectrogram.inputs[0]):
        if node.op.startswith("Placeholder"):
            return Tensor(node.name)
    return spectrogram.inputs[0]


def _mfccs(view: GraphView, mfcc: Node) -> Tensor:
    """Past the Reshapes and copies that follow the Mfcc, to the last of them."""
    tensor = Tensor(mfcc.name)
    while True:
        followers = [n for n in view.consumers(tensor) if n.op in ("Reshape", *view.TRANSPARENT)]
        followers = [n for n in followers if n.inputs[0] == tensor]
        if len(followers) != 1:
            return tensor
        tensor = Tensor(followers[0].name)
