"""How audio becomes MFCCs: the attributes of TensorFlow's AudioSpectrogram and Mfcc, or what older clients did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepspeech_recipe import limits
from deepspeech_recipe.errors import Refusal

# What to do if an Mfcc's sample rate is not a constant; no full stop at the end.
FREEZE_RATE = 'Freeze it as a constant; of a DecodeWav by mo\'s --input "NODE:0[16000 1],NODE:1[1]->[16000]"'


@dataclass(frozen=True)
class SpectrogramSettings:
    """Attributes of an AudioSpectrogram.

    window_size, stride: in samples; magnitude_squared: power instead of magnitude. What has no default in TensorFlow is
    0 here, which the checks refuse.
    """

    window_size: int = 0
    stride: int = 0
    magnitude_squared: bool = False

    @property
    def window(self) -> str:
        """What a frame is multiplied by: periodic 'hann', symmetric 'hamming', or 'rectangular'."""
        return "hann"

    @property
    def look_stride(self) -> int:
        """How far apart the ends of audio are at which the client sees whether another window is whole, in samples."""
        return self.stride

    @property
    def lead(self) -> int:
        """Samples in front of a window that are needed beside it: whole strides, the frames of which are dropped; or
        the gap, if windows are shorter than their stride."""
        return max(0, self.stride - self.window_size)

    @property
    def fft_length(self) -> int:
        """The next power of two: the window is zero-padded to it at its end."""
        return 1 << (self.window_size - 1).bit_length()

    @property
    def bin_count(self) -> int:
        """Frequencies from 0 to Nyquist, both included."""
        return self.fft_length // 2 + 1

    def frame_count(self, sample_count: int) -> int:
        """Whole windows in sample_count samples; nothing is padded."""
        return max(0, (sample_count - self.window_size) // self.stride + 1)

    def check_spectrogram(self, node: str = "") -> None:
        """Refuses what TensorFlow's operation refuses. node: the node to name."""
        if self.window_size < 2:
            raise Refusal(f"window_size is {self.window_size}, at least 2 is needed", node=node)
        limits.check(f"window_size is {self.window_size}", self.window_size, limits.WINDOW, node=node)
        if self.stride < 1:
            raise Refusal(f"stride is {self.stride}, at least 1 is needed", node=node)


@dataclass(frozen=True)
class MfccSettings:
    """Attributes of an Mfcc and its sample rate; the limits are in Hz. Defaults are TensorFlow's."""

    sample_rate: int = 0
    upper_frequency_limit: float = 4000.0
    lower_frequency_limit: float = 20.0
    filterbank_channel_count: int = 40
    dct_coefficient_count: int = 13

    def bin_range(self, bin_count: int) -> range:
        """The bins that the mel bank reads, of a spectrogram with bin_count bins."""
        width = 0.5 * self.sample_rate / (bin_count - 1)
        first = int(1.5 + self.lower_frequency_limit / width)  # as HTK does: never the DC bin
        return range(first, int(self.upper_frequency_limit / width) + 1)

    def check_mfcc(self, bin_count: int, node: str = "") -> None:
        """Refuses what TensorFlow's operation refuses, and what it answers with zeros. node: the node to name."""
        if bin_count < 2:
            raise Refusal(f"The spectrogram has {bin_count} bins, at least 2 are needed", node=node)
        self.check_values(node)
        if self.bin_range(bin_count).stop > bin_count:
            raise Refusal(
                f"upper_frequency_limit ({self.upper_frequency_limit:g} Hz) is above half the"
                f" sample rate ({self.sample_rate / 2:g} Hz), where TensorFlow returns only zeros",
                node=node,
                remedy="Check the sample rate, or export the model with a lower limit.",
            )

    def check_values(self, node: str = "") -> None:
        """Refuses what no Mfcc has, whatever spectrogram it reads. node: the node to name."""
        if self.sample_rate < 1:
            raise Refusal(f"The sample rate is {self.sample_rate} Hz", node=node)
        channels = self.filterbank_channel_count
        if channels < 1:
            raise Refusal(f"filterbank_channel_count is {channels}, at least 1 is needed", node=node)
        limits.check(f"filterbank_channel_count is {channels}", channels, limits.CHANNELS, node=node)
        if not 1 <= self.dct_coefficient_count <= channels:
            reason = f"dct_coefficient_count is {self.dct_coefficient_count}"
            raise Refusal(f"{reason}, it must be from 1 to filterbank_channel_count ({channels})", node=node)
        if not 0 <= self.lower_frequency_limit < self.upper_frequency_limit < math.inf:
            raise Refusal(
                f"lower_frequency_limit ({self.lower_frequency_limit:g} Hz) must not be negative"
                f" and must lie below upper_frequency_limit ({self.upper_frequency_limit:g} Hz)",
                node=node,
            )


@dataclass(frozen=True)
class AudioSettings(SpectrogramSettings, MfccSettings):
    """The pair AudioSpectrogram → Mfcc: how a model turns samples (−1…1) into MFCCs.

    DeepSpeech v0.9 at 16 kHz: window_size=512, stride=320, magnitude_squared=True,
    sample_rate=16000, upper_frequency_limit=8000.0, dct_coefficient_count=26.
    """

    @property
    def described(self) -> dict[str, float]:
        """By the metadata's keys: sample_rate in Hz, window_ms and step_ms in milliseconds."""
        per_ms = self.sample_rate / 1000
        return {
            "sample_rate": self.sample_rate,
            "window_ms": self.window_size / per_ms,
            "step_ms": self.stride / per_ms,
        }

    def contradicted(self, typed: Mapping[str, Any]) -> str | None:
        """The first of these keys that has another value in `typed`, or None."""
        values = self.described.items()
        return next((key for key, value in values if typed.get(key) not in (None, round(value))), None)

    def check(self, node: str = "") -> None:
        """Raises Refusal when no exact equivalent exists. node: the graph node to name in it."""
        self.check_spectrogram(node)
        self.check_mfcc(self.bin_count, node)


@dataclass(frozen=True)
class ClientSettings(AudioSettings):
    """MFCCs as the clients of DeepSpeech v0.4 and older computed them, those of `python_speech_features` 0.6.

    Of samples from -32768 to 32767: each loses pre_emphasis times the one before it; a frame is multiplied by the
    window; its power, over the FFT length; triangles whose corners are bins, equally far apart in mel; logarithm;
    orthonormal DCT-II, coefficient k times 1 + lifter/2 · sin(π·k/lifter); the logarithm of the frame's power in the
    place of the first coefficient.
    """

    window: str = "rectangular"
    look_stride: int = 320
    pre_emphasis: float = 0.97
    lifter: int = 22

    @property
    def lead(self) -> int:
        """A stride: the first sample of a window needs the one before it."""
        return self.stride

    def check(self, node: str = "") -> None:
        """As AudioSettings.check; every bin is read, whatever the limits."""
        self.check_spectrogram(node)
        self.check_values(node)


def settings_of(features: dict) -> AudioSettings:
    """The settings that an IR's metadata hold, checked before."""
    return (ClientSettings if "pre_emphasis" in features else AudioSettings)(**features)


_ATTRIBUTES = {
    "window_size": "i",
    "stride": "i",
    "magnitude_squared": "b",
    "upper_frequency_limit": "f",
    "lower_frequency_limit": "f",
    "filterbank_channel_count": "i",
    "dct_coefficient_count": "i",
}


def read_attributes(node_def) -> dict:
    """Settings of one AudioSpectrogram or Mfcc NodeDef, to be passed on as keywords.

    What the node leaves out (TensorFlow strips defaults) is left out here too. Mfcc's sample rate is an
    input, not an attribute.
    """
    attr = node_def.attr
    return {name: getattr(attr[name], kind) for name, kind in _ATTRIBUTES.items() if name in attr}
