"""AudioSpectrogram and Mfcc written once, for OpenVINO models and for Model Optimizer graphs.

`emit(op, *inputs, **attributes)` adds one operation, named as in OpenVINO's Python opset, and returns its
output. Inputs are outputs or numpy arrays, which become constants.
"""

import numpy as np

from deepspeech_recipe.audio import client_mfcc, constants
from deepspeech_recipe.ir.audio_settings import AudioSettings, ClientSettings, MfccSettings, SpectrogramSettings
from deepspeech_recipe.ir.ov_api import i64

# What is lowered here, of any graph.
AUDIO_OPS = ("AudioSpectrogram", "Mfcc")


def mfcc(emit, samples, settings: AudioSettings, node: str = ""):
    """Replaces AudioSpectrogram → Mfcc: f32 [rows, N] → f32 [rows, frames, coefficients].

    Computes only the bins that the mel bank reads. node: the graph node to name in a Refusal.
    """
    settings.check(node)
    return mfcc_of_frames(emit, whole_frames(emit, samples, settings), settings)


def mfcc_of_frames(emit, frames, settings: AudioSettings):
    """f32 [rows, frames, window_size] → f32 [rows, frames, coefficients]."""
    if isinstance(settings, ClientSettings):
        return _client_mfcc_of_frames(emit, frames, settings)
    bins = settings.bin_range(settings.bin_count)
    return _mfcc_of_bins(emit, _spectrogram_of_frames(emit, frames, settings, bins), settings, settings.bin_count, bins)


def spectrogram(emit, samples, settings: SpectrogramSettings, node: str = ""):
    """Replaces AudioSpectrogram: f32 [rows, N] → f32 [rows, frames, bins]."""
    settings.check_spectrogram(node)
    frames = whole_frames(emit, samples, settings)
    return _spectrogram_of_frames(emit, frames, settings, range(settings.bin_count))


def mfcc_of_spectrogram(emit, spectrum, settings: MfccSettings, bin_count: int, node: str = ""):
    """Replaces Mfcc: f32 [rows, frames, bin_count] → f32 [rows, frames, coefficients]."""
    settings.check_mfcc(bin_count, node)
    return _mfcc_of_bins(emit, spectrum, settings, bin_count, range(bin_count))


def whole_frames(emit, samples, settings: SpectrogramSettings):
    """[rows, N] → [rows, frames, window_size]; an N shorter than the window has no frame.

    Such an N must be dynamic: OpenVINO crashes on static empty tensors.
    """
    last = emit("add", length(emit, samples), np.int64(1 - settings.window_size))
    # The maximum keeps a short N from counting downwards.
    return frames_before(emit, samples, emit("maximum", last, np.int64(0)), settings)


def frames_before(emit, samples, end, settings: SpectrogramSettings):
    """[rows, N] → [rows, frames, window_size]: one frame at every stride in [0, end), end being a scalar."""
    starts = emit("range", np.int64(0), end, np.int64(settings.stride), output_type="i64")
    offsets = np.arange(settings.window_size, dtype=np.int64)[None]
    indices = emit("add", emit("unsqueeze", starts, i64(1)), offsets)
    return emit("gather", samples, indices, np.int64(1))


def length(emit, values):
    """The size of axis 1, a scalar."""
    return emit("gather", emit("shape_of", values), np.int64(1), np.int64(0))


# Order of axes that turns [samples, channels], as AudioSpectrogram has it, into rows of samples.
ROWS_FROM_COLUMNS = i64(1, 0)


def _product(emit, data, matrix: np.ndarray):
    # Transposed, for OpenVINO would transpose it anyway, into a constant that is no longer known to stay FP32.
    return emit("matmul", data, _f32(matrix).T, transpose_a=False, transpose_b=True)


def _spectrogram_of_frames(emit, frames, settings: SpectrogramSettings, bins: range):
    # In float32 a constant offset would leak into every bin, where TensorFlow's float64 has zeros.
    # So the frame loses its mean, and the mean's own spectrum, known exactly, is added afterwards.
    # The second round removes what rounding left of it in the first.
    # (Negated weights instead of a Subtract: Model Optimizer would rewrite that one.)
    weights = -constants.mean_weights(settings)
    minus_means = []
    for _ in range(2):
        minus_means.append(_product(emit, frames, weights))
        frames = emit("add", frames, minus_means[-1])
    dft = constants.windowed_dft(settings, bins)
    spectrum = _product(emit, frames, dft)
    of_mean = constants.mean_spectrum(dft)
    if of_mean.any():
        minus_mean = emit("add", *minus_means)
        spectrum = emit("add", spectrum, emit("multiply", minus_mean, _f32(-of_mean)[None]))
    squares = emit("multiply", spectrum, spectrum)
    real, imaginary = emit("split", squares, np.int64(2), num_splits=2)
    power = emit("add", real, imaginary)
    return power if settings.magnitude_squared else emit("sqrt", power)


def emphasised(emit, samples, settings: AudioSettings):
    """What frames are cut from, [rows, N] → [rows, N]: with ClientSettings each sample less a part of the last."""
    if not isinstance(settings, ClientSettings):
        return samples
    shifted = emit("pad", samples, i64(0, 1), i64(0, 0), pad_mode="constant")
    before = emit("slice", shifted, i64(0), emit("unsqueeze", length(emit, samples), i64(0)), i64(1), i64(1))
    # The difference of two 16-bit samples is exact, and so what is rounded is a small part of a sample.
    rest = emit("multiply", before, np.full((1, 1), 1 - settings.pre_emphasis, np.float32))
    return emit("add", emit("subtract", samples, before), rest)


def _client_mfcc_of_frames(emit, frames, settings: ClientSettings):
    power = _spectrogram_of_frames(emit, frames, settings, range(settings.bin_count))
    scale = client_mfcc.FULL_SCALE**2 / settings.fft_length
    sums = _product(emit, power, client_mfcc.channels_and_power(settings) * scale)
    log = emit("log", emit("maximum", sums, np.full((1, 1, 1), client_mfcc.FLOOR, np.float32)))
    return _product(emit, log, client_mfcc.liftered_dct(settings))


def _mfcc_of_bins(emit, spectrum, settings: MfccSettings, bin_count: int, bins: range):
    filters = constants.mel_matrix(settings, bin_count)[bins.start : bins.stop]
    mel = _product(emit, emit("sqrt", spectrum), filters)
    log = emit("log", emit("maximum", mel, np.full((1, 1, 1), constants.FLOOR, np.float32)))
    return _product(emit, log, constants.dct_matrix(settings))


def _f32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)
