"""A small model, the same weights in every kind of file; needs no TensorFlow."""

import functools

import numpy as np

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical import Dense, Weights, canonical_graph

LABELS = [b" ", b"a", b"b", b"\xc3\xa9", b"'"]
N_INPUT, N_CONTEXT, HIDDEN = 4, 2, 7
SIZES = (11, 9, 8, 10)  # dense 1, 2, 3, 5
AUDIO = AudioSettings(
    window_size=256,
    stride=160,
    magnitude_squared=True,
    sample_rate=8000,
    upper_frequency_limit=4000.0,
    dct_coefficient_count=N_INPUT,
)


def make_weights(*, layer_norm: bool = False, seed: int = 5, scale: int = 1, **fields) -> Weights:
    """Random weights with distinct sizes; scale multiplies every hidden size."""
    rng = np.random.default_rng(seed)
    sizes = [size * scale for size in SIZES]
    hidden = HIDDEN * scale

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(shape[0]))

    def dense(inputs, outputs, norm=layer_norm):
        gains = (1 + normal(outputs), normal(outputs)) if norm else (None, None)
        return Dense(normal(inputs, outputs), normal(outputs), *gains)

    one, two, three, five = sizes
    return Weights(
        layer_1=dense((2 * N_CONTEXT + 1) * N_INPUT, one),
        layer_2=dense(one, two),
        layer_3=dense(two, three),
        lstm_kernel=normal(three + hidden, 4 * hidden),
        lstm_bias=normal(4 * hidden),
        layer_5=dense(hidden, five),
        layer_6=dense(five, len(LABELS) + 1, norm=False),
        **fields,
    )


@functools.lru_cache(maxsize=8)
def make_graph(scale: int = 1, layer_norm: bool = False):
    """The graph of `make_weights`; do not change it."""
    return canonical_graph(
        make_weights(scale=scale, layer_norm=layer_norm),
        n_context=N_CONTEXT,
        n_steps=5,
        audio=AUDIO,
        alphabet=serialize_alphabet(LABELS),
        language="xx",
        beam_width=300,
    )


@functools.lru_cache(maxsize=1)
def graph_bytes() -> bytes:
    return make_graph().SerializeToString(deterministic=True)


def outcome(call):
    """What `call()` returns, or the RecipeError it raises; any other exception goes on."""
    try:
        return call()
    except RecipeError as error:
        return error
