"""AudioSpectrogram and Mfcc in numpy, as precise as TensorFlow: what the lowered operations are judged by."""

import numpy as np

from deepspeech_recipe.audio import client_mfcc, constants
from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.ir.audio_settings import ClientSettings, MfccSettings, SpectrogramSettings


def spectrogram(samples, settings: SpectrogramSettings) -> np.ndarray:
    """samples [N] or [rows, N] → float32 [(rows,) frames, bins]: power, or magnitude."""
    settings.check_spectrogram()
    samples = np.asarray(samples, np.float64)
    starts = np.arange(settings.frame_count(samples.shape[-1])) * settings.stride
    frames = samples[..., starts[:, None] + np.arange(settings.window_size)]
    spectrum = np.fft.rfft(frames * constants.hann(settings.window_size), settings.fft_length)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return power if settings.magnitude_squared else np.sqrt(power)


def mfcc_of_spectrogram(spectrum, settings: MfccSettings) -> np.ndarray:
    """spectrum [..., frames, bins] → float32 [..., frames, dct_coefficient_count]."""
    spectrum = np.asarray(spectrum, np.float64)
    settings.check_mfcc(spectrum.shape[-1])
    mel = np.sqrt(spectrum) @ constants.mel_matrix(settings, spectrum.shape[-1])
    cepstrum = np.log(np.maximum(mel, constants.FLOOR)) @ constants.dct_matrix(settings)
    return cepstrum.astype(np.float32)


def utterance_mfccs(samples: np.ndarray, settings: ClientSettings) -> np.ndarray:
    """Samples (−1…1) [N] → float32 MFCCs [client_frame_count(N), coefficients], as the client frames an utterance."""
    padded = np.zeros((client_frame_count(len(samples), settings) - 1) * settings.stride + settings.window_size)
    used = min(len(samples), len(padded))
    padded[:used] = client_mfcc.emphasised(samples, settings)[:used] * client_mfcc.FULL_SCALE
    frames = np.lib.stride_tricks.sliding_window_view(padded, settings.window_size)[:: settings.stride]
    return client_mfcc.mfcc_of_frames(frames, settings).astype(np.float32)
