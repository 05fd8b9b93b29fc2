"""Features in numpy as DeepSpeech's client computes them: what the lowered operations are judged by."""

import numpy as np

from deepspeech_recipe.audio.reference import mfcc_of_spectrogram, spectrogram, utterance_mfccs
from deepspeech_recipe.ir.audio_settings import AudioSettings, ClientSettings


def mfcc(samples, settings: AudioSettings) -> np.ndarray:
    """samples (−1…1) [N] or [rows, N] → float32 MFCCs [(rows,) frames, dct_coefficient_count]."""
    return mfcc_of_spectrogram(spectrogram(samples, settings), settings)


def client_mfccs(samples, settings: AudioSettings) -> np.ndarray:
    """samples [N] → float32 MFCCs [frames, coefficients] as DeepSpeech's client counts frames, see framing."""
    if isinstance(settings, ClientSettings):
        return utterance_mfccs(samples, settings)
    whole = settings.frame_count(len(samples))
    padded = np.zeros(whole * settings.stride + settings.window_size)
    padded[: len(samples)] = samples
    return mfcc(padded, settings)


def context_windows(mfccs, n_context: int) -> np.ndarray:
    """MFCCs [frames, coefficients] → [frames, 2·n_context + 1, coefficients], zeros beyond both ends."""
    padded = np.pad(mfccs, [(n_context, n_context), (0, 0)])
    return padded[np.arange(len(mfccs))[:, None] + np.arange(2 * n_context + 1)]
