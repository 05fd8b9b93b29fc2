"""The .tflite exports of DeepSpeech and Coqui STT."""

import builtins
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe.alphabet import BYTES_ALPHABET, serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.tensor import to_numpy
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.sources.canonical import canonical_graph
from deepspeech_recipe.sources.tflite.file import TFLiteModel, open_tflite
from tests.support.source_models import AUDIO, LABELS, N_CONTEXT, make_weights, outcome

EXPORTER = Path(__file__).parent / "fixtures" / "exporter"


def constants(graph) -> dict[str, np.ndarray]:
    return {node.name: to_numpy(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}


def structure(graph) -> set:
    return {(node.name, node.op, tuple(node.input)) for node in graph.node}


@pytest.mark.parametrize("variant", ["plain", "other"])
def test_a_float_export_is_the_pb_of_the_same_weights(variant):
    """Written by Coqui's exporter from one checkpoint; "other" has layer norm, 24 steps, 8 kHz and bytes."""
    folder = EXPORTER / variant
    source = open_model(folder / "float.tflite")
    exported = open_model(folder / "output_graph.pb").graph
    assert source.kind == "tflite"
    assert structure(source.graph) == structure(exported)
    got, want = constants(source.graph), constants(exported)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)
    placeholders = {n.name: n.attr["shape"] for n in source.graph.node if n.op == "Placeholder"}
    assert placeholders == {n.name: n.attr["shape"] for n in exported.node if n.op == "Placeholder"}


@pytest.mark.parametrize("variant", ["plain", "other"])
def test_an_int8_export_is_dequantised(variant):
    folder = EXPORTER / variant
    source = open_model(folder / "int8.tflite")
    exported = open_model(folder / "output_graph.pb").graph
    assert "6 matrices stored in 8 bits, dequantised" in source.notes
    assert structure(source.graph) == structure(exported)
    got, want = constants(source.graph), constants(exported)
    matrices = [
        name for name, value in want.items() if value.dtype == np.float32 and value.ndim == 2 and value.size > 999
    ]
    matrices = [name for name in matrices if want[name].any()]
    assert len(matrices) == 6
    for name, value in want.items():
        if name in matrices:
            step = np.abs(value).max() / 127
            off = np.abs(got[name] - value).max()
            assert step / 4 < off <= step / 2 * 1.0001, name
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)


def test_the_bytes_alphabet_and_the_language_are_read():
    values = constants(open_model(EXPORTER / "other" / "int8.tflite").graph)
    assert values["metadata_alphabet"][0] == serialize_alphabet(BYTES_ALPHABET)
    assert values["metadata_language"][0] == b"de-AT"
    assert values["metadata_beam_width"] == [100]


@pytest.fixture
def write(tf, tmp_path):
    """Converts a network with the TensorFlow that is installed."""
    from tests.support.tflite_models import convert

    def write(weights=None, **options):
        path = tmp_path / "model.tflite"
        path.write_bytes(convert(tf, weights or make_weights(), **options))
        return path

    return write


@pytest.mark.requires_tf
@pytest.mark.parametrize("fields", [{}, {"forget_bias": 1.0}, {"layer_norm": True}, {"relu_clip": 5.5}])
def test_a_current_converter_float(write, fields):
    weights = make_weights(**fields)
    want = canonical_graph(
        weights,
        n_context=N_CONTEXT,
        n_steps=3,
        audio=AUDIO,
        alphabet=serialize_alphabet(LABELS),
        language="xx",
        beam_width=77,
    )
    for node in want.node:
        if node.name == "metadata_feature_win_len":
            node.attr["value"].tensor.tensor_content = np.int32(33).tobytes()
    assert open_model(write(weights)).graph == want


@pytest.mark.requires_tf
def test_scales_of_each_channel_are_used(write, tf):
    """Every output channel has a step of its own; TensorFlow's interpreter is asked for the stored values."""
    weights = make_weights(scale=16)
    path = write(weights, form="int8")
    source = open_model(path)
    assert "5 matrices stored in 8 bits, dequantised" in source.notes
    got = constants(source.graph)["layer_2/weights"]
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    shape = list(weights.layer_2.kernel.T.shape)
    (stored,) = [d for d in interpreter.get_tensor_details() if list(d["shape"]) == shape and d["dtype"] == np.int8]
    scales = stored["quantization_parameters"]["scales"]
    assert len(scales) == shape[0]
    np.testing.assert_array_equal(got.T, interpreter.get_tensor(stored["index"]) * scales[:, None])
    assert (np.abs(got - weights.layer_2.kernel) <= scales / 2 * 1.0001).all()


@pytest.mark.requires_tf
@pytest.mark.parametrize("zero", [0, 128])
def test_weights_in_unsigned_bytes_are_those_of_signed_ones(tf, tmp_path, zero):
    """With a zero point they are what they say; without one TensorFlow before 1.14 meant signed bytes."""
    from tests.graphs.tflite_networks import edited

    def change(schema, model, graph):
        for tensor in graph.tensors:
            if tensor.type == schema.TensorType.INT8:
                buffer = model.buffers[tensor.buffer]
                tensor.type, tensor.quantization.zeroPoint = (
                    schema.TensorType.UINT8,
                    [zero] * len(tensor.quantization.scale),
                )
                buffer.data = (np.array(buffer.data, np.uint8) + np.uint8(zero)).astype(np.uint8)

    signed = EXPORTER / "plain" / "int8.tflite"
    (tmp_path / "m.tflite").write_bytes(edited(signed.read_bytes(), change))
    found, wanted = (constants(open_model(path).graph) for path in (tmp_path / "m.tflite", signed))
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.requires_tf
def test_options_that_a_file_leaves_out_have_their_defaults(tf, tmp_path):
    from tests.graphs.tflite_networks import edited

    left_out = []

    def change(schema, model, graph):
        for operation in graph.operators:
            options = operation.builtinOptions
            if isinstance(options, schema.FullyConnectedOptionsT) and not any(vars(options).values()):
                operation.builtinOptions, operation.builtinOptionsType = None, schema.BuiltinOptions.NONE
                left_out.append(operation)

    whole = EXPORTER / "plain" / "float.tflite"
    (tmp_path / "m.tflite").write_bytes(edited(whole.read_bytes(), change))
    assert left_out
    assert open_model(tmp_path / "m.tflite").graph == open_model(whole).graph


@pytest.mark.requires_tf
def test_weights_in_half_precision_become_floats(write):
    weights = make_weights()
    got = constants(open_model(write(weights, form="float16")).graph)
    np.testing.assert_array_equal(got["layer_1/weights"], weights.layer_1.kernel.astype(np.float16))


@pytest.mark.requires_tf
def test_one_step_without_features_is_read(write):
    source = open_model(write(steps=1, audio=None))
    names = {node.name for node in source.graph.node}
    assert "input_samples" not in names
    assert source.notes == ("LSTM rolled up from 1 unrolled steps",)


@pytest.mark.requires_tf
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("gates", "gates of the LSTM are not in the order i, j, f, o"),
        ("kernel", "Step 2 of the LSTM has other weights than step 0"),
        ("no memory", "does not read the hidden state of the step before"),
        ("order", "does not read the cell state of the step before"),
        ("state", "new_state_c is not the state after the last step"),
        ("h state", "new_state_h is not the state after the last step"),
        ("rows", "Step 0 of the LSTM reads row 2"),
        ("sums", "A step of the LSTM reads no row of a sequence"),
        ("relu", "Expected TANH, found RELU"),
        ("clip", r"clipped at different values: \[6.5, 20.0\]"),
        ("backwards", "found REVERSE_V2"),
    ],
)
def test_a_network_that_differs_anywhere_is_refused(write, change, reason):
    path = write(change=change)
    with pytest.raises(RecipeError, match=reason) as caught:
        open_model(path)
    assert str(path) in str(caught.value)
    assert "Looked for a DeepSpeech or Coqui STT export" in str(caught.value)


def test_an_alphabet_of_another_size_is_refused(tmp_path):
    content = (EXPORTER / "plain" / "int8.tflite").read_bytes()
    labels = serialize_alphabet([bytes([b]) for b in b" abcdefghijklmnopqrstuvwxyz'"])
    assert labels in content
    shorter = b"\x1b" + labels[1:-5] + b"\x20" * 0
    # One label less: the string that holds it shrinks by one entry.
    start = content.index(labels)
    header = np.frombuffer(content[start - 12 : start], "<i4").copy()
    assert header.tolist() == [1, 12, 12 + len(labels)]
    header[2] -= 5
    changed = content[: start - 12] + header.tobytes() + shorter + content[start + len(labels) - 5 :]
    assert len(changed) == len(content)
    (tmp_path / "m.tflite").write_bytes(changed)
    with pytest.raises(RecipeError, match="alphabet has 27 labels, but the network 29 classes"):
        open_model(tmp_path / "m.tflite")


def test_without_the_package_the_remedy_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args):
        if name == "tflite":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RecipeError, match=r"plain/int8\.tflite: .*pip install tflite"):
        open_model(EXPORTER / "plain" / "int8.tflite")


@pytest.mark.parametrize("size", [8, 30, 1000, 100_000])
def test_tflite_files_that_are_cut_off_are_refused(tmp_path, size):
    path = tmp_path / "m.tflite"
    path.write_bytes((EXPORTER / "plain" / "int8.tflite").read_bytes()[:size])
    with pytest.raises(RecipeError, match=r"m\.tflite"):
        open_model(path)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_open_or_are_refused(tmp_path_factory, data):
    content = bytearray((EXPORTER / "plain" / "int8.tflite").read_bytes())
    for _ in range(data.draw(st.integers(1, 30))):
        place = data.draw(st.integers(8, len(content) - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 4, 16, 127, 128, 255]))
    path = tmp_path_factory.mktemp("fuzz") / "m.tflite"
    path.write_bytes(content)
    result = outcome(lambda: open_model(path))
    assert isinstance(result, LoadedModel) or str(path) in str(result)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_random_files_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "m.tflite"
    path.write_bytes(b"\x10\0\0\0TFL3" + content)
    result = outcome(lambda: open_model(path))
    assert isinstance(result, RecipeError)
    assert str(path) in str(result)


@pytest.mark.parametrize("size", ["ShapeLength", "ShapeSignatureLength"])
def test_a_shape_of_more_sizes_than_32_is_damage(monkeypatch, size):
    """Each of them would be told in errors."""
    sizes = {"ShapeLength": lambda: 32, "ShapeSignatureLength": lambda: 32, size: lambda: 33}
    tensor = SimpleNamespace(Shape=lambda axis: 1, ShapeSignature=lambda axis: 1, **sizes)
    with open_tflite(EXPORTER / "plain" / "float.tflite") as model:
        monkeypatch.setattr(TFLiteModel, "_tensor", lambda self, number: tensor)
        with pytest.raises(RecipeError, match="a list of 33 entries; the file is damaged"):
            model.open_shape(0)
