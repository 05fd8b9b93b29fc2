"""Keyword spotting as TensorFlow's speech_commands example exports it, from a WAV file to scores; and a mask on a
spectrum."""

import numpy as np

from tests.graphs.rnn import freeze, lstm_cells

RATE, SAMPLES, WINDOW, STRIDE, COEFFICIENTS, LABELS = 8000, 4000, 240, 160, 11, 5
FRAMES = (SAMPLES - WINDOW) // STRIDE + 1


def keyword_spotter(kind: str) -> bytes:
    """wav_data → DecodeWav → AudioSpectrogram → Mfcc → a network → labels_softmax. kind: "conv" or "lstm"."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    tf1.set_random_seed(3)
    with tf.Graph().as_default() as graph:
        tf1.set_random_seed(3)
        wav = tf1.placeholder(tf.string, [], "wav_data")
        decoded = tf.raw_ops.DecodeWav(
            contents=wav, desired_channels=1, desired_samples=SAMPLES, name="decoded_sample_data"
        )
        spectrogram = tf.raw_ops.AudioSpectrogram(
            input=decoded.audio, window_size=WINDOW, stride=STRIDE, magnitude_squared=True, name="AudioSpectrogram"
        )
        mfccs = tf.raw_ops.Mfcc(
            spectrogram=spectrogram, sample_rate=decoded.sample_rate, dct_coefficient_count=COEFFICIENTS, name="Mfcc"
        )
        features = _lstm(tf, mfccs) if kind == "lstm" else _conv(tf, mfccs)
        weights = _weights(tf, "dense", features.shape[1], LABELS)
        tf.nn.softmax(tf.matmul(features, weights), name="labels_softmax")
        return freeze(tf1, graph, ["labels_softmax"])


def spectral_mask() -> bytes:
    """x [3, 2, 32] → RFFT → magnitude and phase → an LSTM's mask → IRFFT → y, as DTLN's training graph has it."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [3, 2, 32], "x")
        spectrum = tf.signal.rfft(x)
        magnitude, phase = tf.abs(spectrum), tf.math.angle(spectrum)
        steps, _ = tf1.nn.static_rnn(lstm_cells().BasicLSTMCell(7), tf.unstack(magnitude), dtype=tf.float32)
        weights = _weights(tf, "dense", 7, 17)
        mask = tf.stack([tf.sigmoid(tf.matmul(step, weights)) for step in steps])
        turned = tf.exp(1j * tf.cast(phase, tf.complex64))
        tf.signal.irfft(tf.cast(magnitude * mask, tf.complex64) * turned, name="y")
        return freeze(tf1, graph, ["y"])


def _weights(tf, name: str, *shape):
    values = 0.1 * np.random.default_rng(len(name)).standard_normal(shape)
    return tf.compat.v1.get_variable(name, initializer=values.astype(np.float32), use_resource=False)


def _conv(tf, mfccs):
    image = tf.reshape(mfccs, [-1, FRAMES, COEFFICIENTS, 1])
    maps = tf.nn.relu(tf.nn.conv2d(image, _weights(tf, "kernel", 4, 3, 1, 6), 1, "SAME"))
    return tf.reshape(tf.nn.max_pool2d(maps, 2, 2, "SAME"), [-1, -(-FRAMES // 2) * -(-COEFFICIENTS // 2) * 6])


def _lstm(tf, mfccs):
    sequence = tf.reshape(mfccs, [-1, FRAMES, COEFFICIENTS])
    cell = lstm_cells().BasicLSTMCell(7)
    _, (_, h) = tf.compat.v1.nn.dynamic_rnn(cell, sequence, initial_state=cell.zero_state(1, tf.float32))
    return h
