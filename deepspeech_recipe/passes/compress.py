"""Weights in half precision; or in 8 bits, layer by layer, and the recurrence that reads them so."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from openvino._offline_transformations import compress_model_transformation

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.layers import dense_products
from deepspeech_recipe.ir.metadata import metadata_of
from deepspeech_recipe.ir.names import DENSE_BEFORE, DENSE_BEHIND, LSTM_INPUT, LSTM_RECURRENT
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.ir.precision import is_audio_constant, keep_audio_fp32
from deepspeech_recipe.passes.fast_recurrence import replace_sequences
from deepspeech_recipe.passes.lstm_loop import lstm_sequences, replace_outputs
from deepspeech_recipe.passes.weight_matrix import (
    check_activations,
    constant_of,
    is_constant,
    matrix_product,
    set_activations,
)

# On which devices the loop was measured to be faster than the plugin's own LSTMSequence: docs/speed.md.
FAST_ON = ("CPU",)
# Those of a DeepSpeech model; forks may have dense_4 as well.
LAYERS = (*DENSE_BEFORE[:3], LSTM_INPUT, LSTM_RECURRENT, *DENSE_BEHIND)


def compress_weights(
    model: ov.Model, *, fp16: Collection[str] = (), device: str = "CPU", activations: str = "int8"
) -> ov.Model:
    """Stores the weight matrices in 8 bits, one scale for each output channel; biases and audio parts stay FP32.

    fp16: the layers to store in half precision instead, of LAYERS in a DeepSpeech model; in others a dense layer goes
    by the friendly name of its MatMul. Every LSTMSequence becomes the loop of `fast_recurrence`, so this comes after
    the passes that need the sequence. device: other plugins than the CPU's have kernels of their own for LSTMSequence,
    which stays for them, with its weights as they are. activations: 'int8' lets processors with VNNI round also what
    is multiplied by 8 bits, which makes them much faster; with 'fp32' every processor computes the same
    (docs/int8.md).
    Raises RecipeError for an unknown layer or format, and as fast_recurrence does.
    """
    return compress_in_place(model.clone(), fp16=fp16, device=device, activations=activations)


def compress_in_place(model: ov.Model, *, fp16: Collection[str], device: str, activations: str) -> ov.Model:
    """`compress_weights` of a model that nobody else needs: each matrix goes as soon as it is stored in 8 bits."""
    check_activations(activations)
    layers = dense_layers(model)
    unknown = sorted(set(fp16) - set(layers) - {LSTM_INPUT, LSTM_RECURRENT})
    if unknown:
        raise RecipeError(
            f"The model has no layer {', '.join(map(repr, unknown))} to keep in FP16. "
            f"It has {', '.join([*layers, LSTM_INPUT, LSTM_RECURRENT])}."
        )

    def chosen(name: str) -> str:
        return "fp16" if name in fp16 else "int8"

    for name in list(layers):
        _store(layers.pop(name), chosen(name), activations)
    if device in FAST_ON and lstm_sequences(model):
        formats = {"weights": chosen(LSTM_RECURRENT), "input_weights": chosen(LSTM_INPUT)}
        replace_sequences(model, **formats, activations=activations)
    set_activations(model, activations)
    model.validate_nodes_and_infer_types()
    return model


def compress_to_fp16(model: ov.Model) -> ov.Model:
    """Stores the weights in half precision, but for the constants of audio parts."""
    model = model.clone()
    keep_audio_fp32(model)
    compress_model_transformation(model)
    return model


def dense_layers(model: ov.Model) -> dict:
    """Name → MatMul with a constant matrix, in the order of computation; the loops' own are not among them."""
    ordered = model.get_ordered_ops()
    dense = {node.get_friendly_name(): node for node in ordered if node.get_type_name() == "MatMul" and _is_dense(node)}
    try:
        known = dense_products(model)
    except RecipeError:
        return dense
    # Without metadata only what has DeepSpeech's own layers is taken for an acoustic model.
    acoustic = "dense_sizes" in metadata_of(model) or len(known) == len(LAYERS) - 2
    return known if acoustic and len(known) == len(dense) else dense


def _is_dense(node) -> bool:
    matrix = node.input_value(1)
    return is_constant(node, 1) and len(matrix.get_shape()) == 2 and not is_audio_constant(matrix.get_node())


def _store(node, weights: str, activations: str) -> None:
    attributes = node.get_attributes()
    matrix = constant_of(node, 1)
    rows = matrix if attributes["transpose_b"] else np.ascontiguousarray(matrix.T)
    new = matrix_product(node.input_value(0), rows, weights, activations, transpose_a=attributes["transpose_a"])
    new.set_friendly_name(node.get_friendly_name())
    new.output(0).get_tensor().set_names(node.output(0).get_names())
    replace_outputs(node, new.outputs())
