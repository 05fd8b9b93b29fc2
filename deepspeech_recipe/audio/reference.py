"""AudioSpectrogram and Mfcc in numpy, as precise as TensorFlow: what the lowered operations are judged by."""

import numpy as np

from deepspeech_recipe.audio import constants
from deepspeech_recipe.ir.audio_settings import AudioSettings, MfccSettings, SpectrogramSettings


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


def mfcc(samples, settings: AudioSettings) -> np.ndarray:
    """samples (−1…1) [N] or [rows, N] → float32 MFCCs [(rows,) frames, dct_coefficient_count]."""
    return mfcc_of_spectrogram(spectrogram(samples, settings), settings)


def client_mfccs(samples, settings: AudioSettings) -> np.ndarray:
    """samples [N] → float32 MFCCs [frames, coefficients] as DeepSpeech's client counts frames, see framing."""
    whole = settings.frame_count(len(samples))
    padded = np.zeros(whole * settings.stride + settings.window_size)
    padded[: len(samples)] = samples
    return mfcc(padded, settings)


def context_windows(mfccs, n_context: int) -> np.ndarray:
    """MFCCs [frames, coefficients] → [frames, 2·n_context + 1, coefficients], zeros beyond both ends."""
    padded = np.pad(mfccs, [(n_context, n_context), (0, 0)])
    return padded[np.arange(len(mfccs))[:, None] + np.arange(2 * n_context + 1)]
