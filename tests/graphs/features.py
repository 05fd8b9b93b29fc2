"""The feature part (AudioSpectrogram, Mfcc) and the metadata nodes of a DeepSpeech graph."""

from tests.graphs.options import Options
from tests.graphs.weights import serialize_alphabet


def feature_nodes(tf, o: Options, release):
    """Placeholder `input_samples` [window] to Identity `mfccs` [frames, n_input]."""
    window = o.sample_rate * o.window_ms // 1000
    samples = tf.compat.v1.placeholder(tf.float32, [window], name="input_samples")
    spectrogram = tf.raw_ops.AudioSpectrogram(
        input=tf.expand_dims(samples, -1),
        window_size=window,
        stride=o.sample_rate * o.step_ms // 1000,
        magnitude_squared=True,
        name="AudioSpectrogram",
    )
    rate = tf.constant(o.sample_rate, name="Mfcc/sample_rate")
    limit = {"upper_frequency_limit": o.sample_rate / 2} if release.audio == "nyquist" else {}
    mfccs = tf.raw_ops.Mfcc(
        spectrogram=spectrogram, sample_rate=rate, dct_coefficient_count=o.n_input, name="Mfcc", **limit
    )
    mfccs = tf.reshape(mfccs, [-1, o.n_input])
    # Upstream counts the frames here: nothing uses it, but it takes the names Shape and strided_slice.
    tf.shape(mfccs)[0]
    return samples, tf.identity(mfccs, name="mfccs")


def metadata_constants(tf, o: Options, release, alphabet) -> list[str]:
    """Const `metadata_*`, each of shape [1]; returns their names."""
    values = {
        "version": release.graph_version,
        "sample_rate": o.sample_rate,
        "feature_win_len": o.window_ms,
        "feature_win_step": o.step_ms,
    }
    if release.beam_width:
        values["beam_width"] = o.beam_width
    values["alphabet"] = serialize_alphabet(alphabet)
    if o.language:
        values["language"] = o.language.encode()
    return [tf.constant([value], name=f"metadata_{key}").op.name for key, value in values.items()]


def metadata_noop(graph_def, o: Options) -> None:
    """NoOp `model_metadata` whose attributes carry the numbers, as v0.5 had it."""
    node = graph_def.node.add(name="model_metadata", op="NoOp")
    node.attr["sample_rate"].i = o.sample_rate
    node.attr["feature_win_len"].i = o.window_ms
    node.attr["feature_win_step"].i = o.step_ms
    if o.language:
        node.attr["language"].s = o.language.encode()
