"""MFCC frames as the exported graph and DeepSpeech's client make them."""

import numpy as np
import tensorflow as tf

RATE, WINDOW, STRIDE, N_INPUT = 16000, 512, 320, 26


def mfccs(pcm: np.ndarray) -> np.ndarray:
    """float32 ``[frames, 26]`` of int16 ``[samples]``.

    DeepSpeech's client always flushes: what is left after the last full window, also when that
    is nothing, is zero-padded to one window more.
    """
    full = max(0, (pcm.size - WINDOW) // STRIDE + 1)
    samples = np.zeros(full * STRIDE + WINDOW, np.float32)
    samples[: pcm.size] = pcm / np.float32(32768)
    spectrum = tf.raw_ops.AudioSpectrogram(
        input=samples[:, None], window_size=WINDOW, stride=STRIDE, magnitude_squared=True
    )
    frames = tf.raw_ops.Mfcc(
        spectrogram=spectrum,
        sample_rate=RATE,
        upper_frequency_limit=RATE / 2,
        dct_coefficient_count=N_INPUT,
    )
    return frames[0].numpy()
