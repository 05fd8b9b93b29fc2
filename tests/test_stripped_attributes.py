"""Attributes that exporters strip, because they have their default: TensorFlow's own is meant."""

from pathlib import Path

import pytest

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import FLOAT, DType, GraphBuilder
from deepspeech_recipe.graphdef.plain import plain_nodes
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes.audio import recognise_audio
from deepspeech_recipe.recipes.recognition import recognise
from tests.support.contract import case
from tests.support.graph_edits import Edited

FIXTURES = Path(__file__).with_name("fixtures")
# tensorflow/core/ops/audio_ops.cc
AUDIO = {
    "Mfcc": {
        "upper_frequency_limit": 4000.0,
        "lower_frequency_limit": 20.0,
        "filterbank_channel_count": 40,
        "dct_coefficient_count": 13,
    },
    "AudioSpectrogram": {"magnitude_squared": False},
}


def test_settings_of_the_feature_part():
    graph = Edited(parse(GraphDef, case("v0.9").path.read_bytes(), what="a test"))
    for op, defaults in AUDIO.items():
        (node,) = graph.of_op(op)
        for name in defaults:
            node.attr.pop(name, None)
    settings = recognise_audio(GraphView.of(graph.graph)).settings
    for defaults in AUDIO.values():
        for name, value in defaults.items():
            assert getattr(settings, name) == value


@pytest.mark.parametrize("name", ["window_size", "stride"])
def test_what_has_no_default_must_be_there(name):
    graph = Edited(parse(GraphDef, case("v0.9").path.read_bytes(), what="a test"))
    (node,) = graph.of_op("AudioSpectrogram")
    del node.attr[name]
    with pytest.raises(Refusal, match=rf"{name} is 0"):
        recognise_audio(GraphView.of(graph.graph))


@pytest.mark.requires_tf
@pytest.mark.parametrize("op", AUDIO)
def test_these_are_tensorflows(tf, op):
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(op)
    own = {attr.name: attr.default_value for attr in definition.attr if attr.HasField("default_value")}
    for name, value in AUDIO[op].items():
        kind = {bool: "b", int: "i", float: "f"}[type(value)]
        assert getattr(own[name], kind) == value


def test_the_axis_of_steps():
    """Unpack and Pack have 0."""
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "if.pb").read_bytes(), what="a test"))
    for op in ("Unpack", "Pack"):
        for node in graph.of_op(op):
            if node.attr["axis"].i == 0:
                del node.attr["axis"]
    (lstm,) = recognise(GraphView.of(graph.graph)).lstms
    assert not lstm.is_batch_major
    assert len(lstm.layers[-1].sequence) == 1


def test_the_axes_of_a_reversal():
    """batch_dim is 0."""
    graph = Edited(parse(GraphDef, (FIXTURES / "rnn" / "while.pb").read_bytes(), what="a test"))
    reversals = graph.of_op("ReverseSequence")
    assert [(node.attr["seq_dim"].i, node.attr["batch_dim"].i) for node in reversals] == [(1, 0)] * 2
    for node in reversals:
        del node.attr["batch_dim"]
    found = recognise(GraphView.of(graph.graph)).lstms
    assert sorted(lstm.direction for lstm in found) == ["forward", "reverse"]


def test_the_parts_of_a_fused_product_have_the_attributes_that_tensorflow_knows_of_them():
    graph = GraphBuilder()
    for name, shape in (("x", (3, 2)), ("w", (4, 3)), ("b", (4,))):
        graph.placeholder(name, FLOAT, shape)
    kinds = {"T": DType(FLOAT), "transpose_a": True, "transpose_b": True}
    graph.node("y", "_FusedMatMul", ["x", "w", "b"], **kinds)
    graph.graph.node[-1].attr["fused_ops"].list.s.extend([b"BiasAdd", b"Relu"])
    found = {node.op: (list(node.input), {*node.attr}) for node in plain_nodes(graph.graph.node)[3:]}
    assert found == {
        "MatMul": (["x", "w"], {"T", "transpose_a", "transpose_b"}),
        "BiasAdd": (["y/MatMul", "b"], {"T"}),
        "Relu": (["y/BiasAdd"], {"T"}),
    }
