"""The canonical graph against a plain numpy forward pass, and its refusals."""

import dataclasses

import numpy as np
import pytest

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import GraphDef
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.processes.programs.plain_session import plain_session
from deepspeech_recipe.sources.canonical import Dense, Weights, canonical_graph
from tests.support.client_audio import mfcc
from tests.support.limits import assert_close

CONTEXT, N_INPUT, H, CLASSES = 2, 4, 7, 6
ROUNDING = 5e-6  # measured: 2e-7, with layer normalisation 2.6e-6
AUDIO = AudioSettings(
    sample_rate=8000,
    window_size=200,
    stride=150,
    magnitude_squared=True,
    upper_frequency_limit=4000.0,
    dct_coefficient_count=N_INPUT,
)


def random_weights(*, layer_norm=False, forget_bias=0.0, seed=0) -> Weights:
    """All layers of different width, so that no transposed kernel can hide."""
    draw = np.random.default_rng(seed)

    def dense(inputs, outputs, norm=layer_norm):
        kernel = draw.normal(0, inputs**-0.5, (inputs, outputs)).astype(np.float32)
        gamma, beta = (draw.normal(1, 0.3, outputs).astype(np.float32) for _ in range(2))
        bias = draw.normal(0, 0.3, outputs).astype(np.float32)
        return Dense(kernel, bias, gamma, beta) if norm else Dense(kernel, bias)

    lstm = dense(9 + H, 4 * H, norm=False)
    return Weights(
        layer_1=dense((2 * CONTEXT + 1) * N_INPUT, 11),
        layer_2=dense(11, 8),
        layer_3=dense(8, 9),
        lstm_kernel=lstm.kernel,
        lstm_bias=lstm.bias,
        layer_5=dense(H, 10),
        layer_6=dense(10, CLASSES, norm=False),
        forget_bias=forget_bias,
        relu_clip=0.9,  # low enough to matter
    )


def test_dense_layers_are_clipped_at_deepspeechs_20_unless_the_weights_say_another_value():
    for said, clip in (({}, 20), ({"relu_clip": 0.5}, 0.5)):
        fields = {each.name: getattr(random_weights(), each.name) for each in dataclasses.fields(Weights)}
        del fields["relu_clip"]
        view = GraphView.of(canonical_graph(Weights(**fields, **said), n_context=CONTEXT, n_steps=5, batch=1))
        assert {view.scalar(node.inputs[1]) for node in view.of_op("Minimum")} == {clip}


def forward(weights: Weights, x, lengths, c, h):
    """Probabilities [T, B, classes] and the states at each row's length, in float64."""

    def dense(layer, x):
        x = np.clip(x @ np.float64(layer.kernel) + layer.bias, 0, weights.relu_clip)
        if layer.gamma is None:
            return x
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-12) * layer.gamma + layer.beta

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    x = x.transpose(1, 0, 2, 3).reshape(x.shape[1], x.shape[0], -1)
    for layer in (weights.layer_1, weights.layer_2, weights.layer_3):
        x = dense(layer, x)
    c, h = np.float64(c), np.float64(h)
    sequence = np.zeros((*x.shape[:2], H))
    for t in range(len(x)):
        i, j, f, o = np.split(np.concatenate([x[t], h], 1) @ weights.lstm_kernel + weights.lstm_bias, 4, axis=1)
        new_c = sigmoid(f + weights.forget_bias) * c + sigmoid(i) * np.tanh(j)
        new_h = sigmoid(o) * np.tanh(new_c)
        runs = (t < np.array(lengths))[:, None]
        c, h = np.where(runs, new_c, c), np.where(runs, new_h, h)
        sequence[t] = np.where(runs, new_h, 0)  # the graph masks what lies behind the length
    scores = dense(weights.layer_5, sequence) @ weights.layer_6.kernel + weights.layer_6.bias
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True), c, h


@pytest.fixture
def run(tf):
    """run(graph, outputs, feeds): one call in TensorFlow."""

    def call(graph_def, outputs, feeds):
        theirs = tf.compat.v1.GraphDef.FromString(graph_def.SerializeToString())
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(theirs, name="")
        with plain_session(graph) as session:
            return session.run(outputs, feeds)

    return call


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(
    ("n_steps", "steps", "lengths"),
    [(5, 5, [5]), (5, 5, [5, 3, 0]), (None, 3, [3, 1]), (None, 12, [12])],
)
def test_the_canonical_graph_computes_what_numpy_does(run, layer_norm, n_steps, steps, lengths):
    weights = random_weights(layer_norm=layer_norm, forget_bias=0.5)
    batch = len(lengths)
    draw = np.random.default_rng(1)
    x = draw.normal(0, 2, (batch, steps, 2 * CONTEXT + 1, N_INPUT)).astype(np.float32)
    c, h = draw.normal(0, 0.5, (2, batch, H)).astype(np.float32)
    graph = canonical_graph(weights, n_context=CONTEXT, n_steps=n_steps, batch=batch)
    feeds = {
        "input_node:0": x,
        "input_lengths:0": lengths,
        "previous_state_c:0": c,
        "previous_state_h:0": h,
    }
    got = run(graph, ["logits:0", "new_state_c:0", "new_state_h:0"], feeds)
    for ours, expected in zip(got, forward(weights, x, lengths, c, h), strict=True):
        assert_close(ours, expected, ROUNDING)


def test_features_and_metadata_are_in_the_canonical_graph(run):
    alphabet = serialize_alphabet([b"a", b"\0", b"\xff\0"])
    graph = canonical_graph(
        random_weights(), n_context=CONTEXT, n_steps=5, audio=AUDIO, alphabet=alphabet, language="xy", beam_width=77
    )
    samples = np.random.default_rng(2).normal(0, 0.1, AUDIO.window_size).astype(np.float32)
    names = ["version", "sample_rate", "feature_win_len", "feature_win_step", "beam_width", "alphabet"]
    outputs = ["mfccs:0", *(f"metadata_{name}:0" for name in [*names, "language"])]
    frames, *metadata = run(graph, outputs, {"input_samples:0": samples})
    assert_close(frames, mfcc(samples, AUDIO), 1e-5)
    assert [item.tolist() for item in metadata] == [[6], [8000], [25], [18], [77], [alphabet], [b"xy"]]


def test_metadata_that_is_not_known_is_not_written():
    names = {node.name for node in canonical_graph(random_weights(), n_context=CONTEXT, n_steps=5).node}
    assert {"input_node", "logits", "metadata_version", "metadata_beam_width"} <= names
    assert not names & {"input_samples", "mfccs", "metadata_sample_rate", "metadata_alphabet"}


def test_the_open_number_of_windows_is_open():
    graph = canonical_graph(random_weights(), n_context=CONTEXT, n_steps=None, batch=3)
    graph = GraphDef.FromString(graph.SerializeToString())
    shape = next(node for node in graph.node if node.name == "input_node").attr["shape"].shape
    assert [dim.size for dim in shape.dim] == [3, -1, 2 * CONTEXT + 1, N_INPUT]


def test_loads_in_tensorflow_1_15():
    """Its producer number, and no attribute or operation that came later."""
    graph = canonical_graph(random_weights(layer_norm=True), n_context=CONTEXT, n_steps=None, audio=AUDIO)
    assert graph.versions.producer == 134
    attributes = {name for node in graph.node for name in node.attr}
    assert not attributes & {"bad_indices_policy", "grad_a", "grad_b", "use_inter_op_parallelism"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"layer_2": "layer_3"}, r"layer_2's kernel is \[8, 9\] instead of \[11, 9\]"),
        ({"layer_5": "layer_6"}, r"layer_5's kernel is \[10, 6\] instead of \[7, 6\]"),
    ],
)
def test_refuses_layers_that_do_not_fit(change, reason):
    weights = random_weights()
    swapped = {name: getattr(weights, other) for name, other in change.items()}
    with pytest.raises(RecipeError, match=reason):
        canonical_graph(dataclasses.replace(weights, **swapped), n_context=CONTEXT, n_steps=5)


def test_refuses_a_kernel_of_another_lstm():
    weights = dataclasses.replace(random_weights(), lstm_kernel=np.zeros((9, 4 * H), np.float32))
    with pytest.raises(RecipeError, match=r"the LSTM's kernel is \[9, 28\] instead of \[16, 28\]"):
        canonical_graph(weights, n_context=CONTEXT, n_steps=5)


def test_refuses_half_a_normalisation():
    layer = random_weights(layer_norm=True).layer_1
    weights = dataclasses.replace(random_weights(), layer_1=dataclasses.replace(layer, beta=None))
    with pytest.raises(RecipeError, match="layer_1 needs both gamma and beta"):
        canonical_graph(weights, n_context=CONTEXT, n_steps=5)


def test_refuses_another_context():
    with pytest.raises(RecipeError, match="20 inputs, which is not a multiple of the 7 frames"):
        canonical_graph(random_weights(), n_context=3, n_steps=5)


def test_refuses_other_features():
    audio = dataclasses.replace(AUDIO, dct_coefficient_count=5)
    with pytest.raises(RecipeError, match="read 4 features a frame, but the audio settings make 5"):
        canonical_graph(random_weights(), n_context=CONTEXT, n_steps=5, audio=audio)
