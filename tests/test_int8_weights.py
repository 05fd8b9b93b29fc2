"""convert --weights int8: the numbers of the rounded weights, in every form; 8 bits in the file and when it runs."""

import dataclasses

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.ov_api import Parameter, opset, ov
from deepspeech_recipe.ir.precision import is_audio_constant
from deepspeech_recipe.passes.compress import LAYERS, compress_weights, dense_layers
from deepspeech_recipe.passes.fast_recurrence import fast_recurrence
from deepspeech_recipe.passes.weight_matrix import weight_matrix
from deepspeech_recipe.sources.canonical import canonical_graph
from tests.support.compare import check_call, compiled, op_counts, runtime_info
from tests.support.limits import assert_close
from tests.support.rounding import eight_bits
from tests.support.source_models import AUDIO, HIDDEN, N_CONTEXT, N_INPUT, SIZES, make_weights

FORMS = {
    "chunks": {},
    "any T": {"time_steps": "dynamic"},
    "batch": {"batch": "dynamic", "time_steps": "dynamic"},
    "lengths": {"lengths": "input", "batch": 2, "time_steps": "dynamic"},
    "internal": {"state": "internal"},
    "attached": {"audio": "attached"},
    "attached batch": {"audio": "attached", "lengths": "input", "batch": 2},
    "streaming": {"audio": "attached", "state": "internal"},
}


def rounded(weights):
    """The weights as 8 bits hold them."""

    def matrix(kernel):  # [inputs, outputs]
        return eight_bits(kernel.T).T

    dense = {
        name: dataclasses.replace(layer, kernel=matrix(layer.kernel))
        for name in ("layer_1", "layer_2", "layer_3", "layer_5", "layer_6")
        for layer in (getattr(weights, name),)
    }
    inputs = len(weights.lstm_kernel) - weights.n_hidden
    kernel = np.concatenate([matrix(weights.lstm_kernel[:inputs]), matrix(weights.lstm_kernel[inputs:])])
    return dataclasses.replace(weights, lstm_kernel=kernel, **dense)


def converted(folder, values, name="m", **options):
    graph = canonical_graph(values, n_context=N_CONTEXT, n_steps=5, audio=AUDIO)
    path = folder / f"{name}.pb"
    path.write_bytes(graph.SerializeToString())
    result = convert(path, folder, converter="openvino", verify=False, **options)
    return ov.Core().read_model(result.files[0])


def feeds(model, call: int) -> dict:
    rng = np.random.default_rng(call)
    steps = 5 if call == 0 else 7
    found = {}
    for port in model.inputs:
        name = port.get_any_name()
        shape = [size.get_length() if size.is_static else None for size in port.get_partial_shape()]
        batch = shape[0] if shape else None
        if "samples" in port.get_names():
            found[name] = rng.normal(0, 0.1, (batch or 1, 1000 + 700 * call)).astype(np.float32)
        elif "input_node" in port.get_names():
            size = (batch or 3, shape[1] or steps, 2 * N_CONTEXT + 1, N_INPUT)
            found[name] = rng.standard_normal(size).astype(np.float32)
        elif port.get_names() & {"lengths", "sample_lengths"}:
            found[name] = np.int64([3, 5]) if "lengths" in port.get_names() else np.int64([1000, 300])
        elif "end_of_stream" in port.get_names():
            found[name] = np.array(call == 1)
        else:
            found[name] = rng.normal(0, 0.5, (batch or 3, HIDDEN)).astype(np.float32)
    return found


def run(model) -> list[np.ndarray]:
    request = compiled(model).create_infer_request()
    return [value.copy() for call in range(2) for value in request.infer(feeds(model, call)).values()]


def test_half_precision_keeps_weights_beyond_its_range_finite():
    x = Parameter(ov.Type.f32, ov.PartialShape([1, 2]))
    matrix = weight_matrix(np.float32([[1e6, 1], [-1e6, 0], [65504, -1]]), "fp16")
    model = ov.Model([opset.result(opset.matmul(x, matrix, False, True))], [x], "wide")
    (found,) = compiled(model)([np.float32([[1, 3]])]).values()
    assert found.tolist() == [[65507, -65504, 65501]]


@pytest.mark.parametrize("activations", ["fp32", "int8"])
@pytest.mark.parametrize("turned", [False, True], ids=["x", "x turned"])
@pytest.mark.parametrize("transposed", [False, True], ids=["as inputs × outputs", "as outputs × inputs"])
def test_a_matrix_is_rounded_by_its_outputs_whichever_way_it_lies(transposed, turned, activations):
    rng = np.random.default_rng(6)
    matrix = (rng.standard_normal((5, 7)) * np.arange(1, 6)[:, None]).astype(np.float32)  # [outputs, inputs]
    values = rng.standard_normal((3, 7)).astype(np.float32)
    given = values.T if turned else values
    x = Parameter(ov.Type.f32, ov.PartialShape(list(given.shape)))
    x.output(0).get_tensor().set_names({"x"})
    product = opset.matmul(x, matrix if transposed else np.ascontiguousarray(matrix.T), turned, transposed)
    product.output(0).get_tensor().set_names({"y"})
    model = compress_weights(ov.Model([opset.result(product)], [x], "product"), activations=activations)
    if activations == "int8":  # as on a processor that does not round them
        model.set_rt_info("0", ["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"])
    check_call(model, {"x": np.ascontiguousarray(given)}, {"y": values @ eight_bits(matrix).T}, 5e-6)


@pytest.mark.parametrize("form", FORMS)
def test_numbers_are_those_of_the_rounded_weights(tmp_path, form):
    weights = make_weights()
    small = converted(tmp_path, weights, weights="int8", activations="fp32", **FORMS[form])
    counts = op_counts(small)
    assert counts["TensorIterator"] == 1
    assert "LSTMSequence" not in counts
    plain = run(converted(tmp_path, weights, name="plain", **FORMS[form]))
    same = run(converted(tmp_path, rounded(weights), name="rounded", **FORMS[form]))
    differs = 0.0
    for found, wanted, before in zip(run(small), same, plain, strict=True):
        assert_close(found, wanted, 5e-7)
        differs = max(differs, np.abs(found - before).max(initial=0))
    assert differs > 1e-4


def bodies(model):
    yield model
    for node in model.get_ops():
        if node.get_type_name() == "TensorIterator":
            yield node.get_function()


def is_float_constant(node) -> bool:
    return node.get_type_name() == "Constant" and node.get_element_type().is_real()


def matrices(model) -> list[str]:
    """The element types of all constants with two large axes, those of audio parts left out."""
    return sorted(
        node.get_element_type().get_type_name()
        for each in bodies(model)
        for node in each.get_ops()
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) == 2
        if min(node.get_output_shape(0)) > 1 and not is_audio_constant(node)
    )


@pytest.mark.parametrize("form", ["chunks", "streaming"])
def test_every_matrix_has_8_bits_in_the_file_and_when_it_runs(tmp_path, form):
    model = converted(tmp_path, make_weights(), weights="int8", **FORMS[form])
    assert matrices(model) == ["i8"] * 7
    kinds = {node.get_element_type() for each in bodies(model) for node in each.get_ops() if is_float_constant(node)}
    assert kinds == {ov.Type.f32}  # scales, biases and audio parts
    audio = [node for node in model.get_ops() if is_audio_constant(node)]
    assert {node.get_element_type() for node in audio} == ({ov.Type.f32} if form == "streaming" else set())
    products = []
    for each in bodies(model):
        for node in compiled(each).get_runtime_model().get_ops():
            if runtime_info(node, "layerType") == "FullyConnected":
                products.append(node.input_value(1).get_element_type())
    assert [kind for kind in products if kind == ov.Type.i8] == [ov.Type.i8] * 7


@pytest.mark.parametrize("make", [compress_weights, fast_recurrence])
@pytest.mark.parametrize(("activations", "group"), [("fp32", 0), ("int8", 32)])
def test_the_plugin_is_told_what_to_do_with_activations(tmp_path, make, activations, group):
    """Only processors with VNNI round them; the option is there on all."""
    model = make(converted(tmp_path, make_weights(), time_steps="dynamic"), activations=activations)
    option = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
    assert int(ov.Core().compile_model(model, "CPU").get_property(option)) == group
    assert int(ov.Core().compile_model(model, "CPU", {option: "64"}).get_property(option)) == 64


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_rounded_activations_cost_little(tmp_path, form):
    """With VNNI; nothing without. What OpenVINO 2024.6 makes of matrices whose sides are no multiples of 16 is as
    large as the values themselves."""
    weights = make_weights()
    exact = run(converted(tmp_path, weights, weights="int8", activations="fp32", **FORMS[form]))
    model = converted(tmp_path, weights, weights="int8", **FORMS[form])
    shapes = [
        tuple(node.get_output_shape(0))
        for each in bodies(model)
        for node in each.get_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.i8
    ]
    assert len(shapes) == 7
    assert not [shape for shape in shapes if shape[0] % 16 or shape[1] % 16]
    for wanted, found in zip(exact, run(model), strict=True):
        assert found.shape == wanted.shape
        assert np.sqrt(np.square(found - wanted).mean()) <= 0.02 * wanted.std()


@pytest.mark.parametrize("make", [compress_weights, fast_recurrence])
def test_unknown_activations_change_nothing(tmp_path, make):
    model = converted(tmp_path, make_weights())
    before = op_counts(model)
    with pytest.raises(RecipeError, match="activations must be one of fp32, int8, not 'int4'"):
        make(model, activations="int4")
    assert op_counts(model) == before


def test_layers_kept_in_half_precision(tmp_path):
    weights = make_weights()
    kept = ("dense_1", "lstm_input", "dense_6")
    model = converted(tmp_path, weights, weights="int8", keep_fp16=kept)
    assert matrices(model) == ["f16"] * 3 + ["i8"] * 4
    shapes = {
        tuple(node.get_output_shape(0))
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.f16
    }
    one, _, three, five = SIZES
    assert shapes == {(one, (2 * N_CONTEXT + 1) * N_INPUT), (4 * HIDDEN, three), (6, five)}
    everything = converted(tmp_path, weights, weights="int8")
    plain = converted(tmp_path, weights, name="plain")
    wide = converted(tmp_path, weights, weights="int8", keep_fp16=LAYERS)
    errors = [np.abs(run(each)[0] - run(plain)[0]).max() for each in (wide, model, everything)]
    assert errors[0] < errors[1] < errors[2]


def test_other_devices_keep_their_own_sequence(tmp_path):
    model = converted(tmp_path, make_weights(), weights="int8", device="GPU")
    counts = op_counts(model)
    assert counts["LSTMSequence"] == 1
    assert "TensorIterator" not in counts
    assert matrices(model) == ["i8"] * 5


def test_layers_of_other_models_go_by_their_names():
    x = Parameter(ov.Type.f32, ov.PartialShape([2, 4]))
    product = x
    for name in ("first", "second"):
        product = opset.matmul(product, np.eye(4, dtype=np.float32), False, name == "first")
        product.set_friendly_name(name)
    model = ov.Model([opset.result(product)], [x], "products")
    assert list(dense_layers(model)) == ["first", "second"]
    with pytest.raises(RecipeError, match=r"no layer 'third' to keep in FP16\. It has first, second, lstm_input"):
        compress_weights(model, fp16=["third"])
    assert matrices(compress_weights(model, fp16=["second"])) == ["f16", "i8"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"weights": "int8", "keep_fp16": ["dense_4"]}, "no layer 'dense_4' to keep in FP16. It has dense_1"),
        ({"weights": "fp16", "activations": "fp32"}, "multiplied by; these are fp16. Give --weights int8 with it"),
        ({"weights": "int8", "activations": "int4"}, "must be fp32 or int8"),
        ({"weights": "fp16", "keep_fp16": ["dense_1"]}, "these are fp16. Give --weights int8 with it"),
        ({"weights": "int4"}, "int8"),
        ({"weights": "int8", "device": "TPU"}, "GPU"),
    ],
)
def test_options_of_weights_that_do_not_fit_are_refused(tmp_path, options, reason):
    with pytest.raises(RecipeError, match=reason):
        converted(tmp_path, make_weights(), **options)
    assert [path.suffix for path in tmp_path.iterdir()] == [".pb"]
