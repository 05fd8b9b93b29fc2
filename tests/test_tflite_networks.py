"""Someone has the .tflite of another network with LSTMs, and wants it in OpenVINO, with its state."""

import re
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe import convert_model
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.sources import open_model
from tests.support.compare import op_counts
from tests.support.limits import assert_close
from tests.support.mo_run import EXTENSIONS, mo
from tests.support.reference import run_graph
from tests.support.tflite_calls import assert_calls, interpreter_calls

FOLDER = Path(__file__).parent / "fixtures" / "tflite"
COMMITTED = ("keras_layers", "keras_layers_int8", "streaming_core")
EXACT = 2e-6  # measured: 1e-6
ROUNDED = 3e-2  # what TensorFlow Lite's kernels for 8-bit weights round besides; measured: 1.6e-2


@pytest.fixture(scope="module")
def networks(tf):
    from tests.graphs import tflite_networks

    return tflite_networks


@pytest.fixture
def check(tf, tmp_path):
    """`check(content)`: a file's IR equals the interpreter over chained calls; returns the IR."""

    def check(content: bytes, *, limit: float = EXACT, exact: bytes | None = None, scale: float = 1.0):
        (tmp_path / "model.tflite").write_bytes(content)
        model = convert_model(tmp_path / "model.tflite", converter="openvino")
        assert_calls(model, interpreter_calls(tf, exact or content, scale), limit)
        return model

    return check


@pytest.mark.parametrize("state", ["external", "internal"])
@pytest.mark.parametrize("name", COMMITTED)
def test_a_network_in_tflite_gives_the_interpreters_numbers_call_after_call(name, state):
    model = convert_model(FOLDER / f"{name}.tflite", converter="openvino", state=state)
    with np.load(FOLDER / f"{name}.npz") as expected:
        assert_calls(model, dict(expected), EXACT)


@pytest.mark.requires_mo
@pytest.mark.parametrize(("name", "state"), [("keras_layers", "internal"), ("streaming_core", "external")])
def test_model_optimizer_gives_them_too(name, state, tmp_path):
    open_model(FOLDER / f"{name}.tflite").write_pb(tmp_path / "graph.pb")
    arguments = ["--transformations_config", str(EXTENSIONS / "internal_state.json")] if state == "internal" else []
    model, _ = mo(tmp_path / "graph.pb", *arguments)
    with np.load(FOLDER / f"{name}.npz") as expected:
        assert_calls(model, dict(expected), EXACT)


def test_the_steps_of_a_streaming_core_become_lstm_sequences():
    model = convert_model(FOLDER / "streaming_core.tflite", converter="openvino")
    assert op_counts(model)["LSTMSequence"] == 2


@pytest.mark.parametrize("form", ["int8", "float16"])
def test_a_streaming_core_with_small_weights(networks, tf, check, form):
    content = networks.streaming_core(tf, form)
    check(content, exact=networks.in_float(content))


@pytest.mark.parametrize("state", ["external", "internal"])
def test_states_in_variables_of_the_file_are_carried_over_a_dozen_calls(networks, tf, tmp_path, state):
    """What Keras' stateful layers become (VAR_HANDLE): OpenVINO reads no such file."""
    content = networks.with_variables(tf)
    (tmp_path / "model.tflite").write_bytes(content)
    model = convert_model(tmp_path / "model.tflite", converter="openvino", state=state)
    assert op_counts(model)["LSTMSequence"] == 1
    assert_calls(model, interpreter_calls(tf, content), EXACT)


def test_a_variable_that_begins_with_something_computed_is_refused(networks, tf, tmp_path):
    def change(schema, model, graph):
        (first,) = (each for each in model.subgraphs if each is not graph)
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.TANH, schema.BuiltinOperator.TANH
        model.operatorCodes.append(code)
        first.operators[0].opcodeIndex = len(model.operatorCodes) - 1

    (tmp_path / "model.tflite").write_bytes(networks.edited(networks.with_variables(tf), change))
    with pytest.raises(
        Refusal, match=r"A variable begins with what TANH computes\. .*states that begin with constants"
    ):
        open_model(tmp_path / "model.tflite")


def test_weights_of_8_bits_are_as_near_as_tensorflow_lite_itself(tf, check):
    check((FOLDER / "keras_layers_int8.tflite").read_bytes(), limit=ROUNDED)


def test_keras_layers_that_go_backwards(networks, tf, check):
    check(networks.keras_layers(tf, features=5, units=(3, 4), backwards=True))


def _options(operation):
    return operation.builtinOptions


def _with_clip(clip: float):
    def change(schema, model, graph):
        for operation in graph.operators[:2]:
            _options(operation).cellClip = clip

    return change


def test_the_clip_that_keras_layers_come_with_is_kept(networks, check):
    """The converter writes 10 in every file."""
    content = (FOLDER / "keras_layers.tflite").read_bytes()
    model = check(networks.edited(content, _with_clip(0.4)), scale=3)
    assert not op_counts(model)["LSTMSequence"]


def test_layers_without_a_clip_become_lstm_sequences(networks, check):
    content = (FOLDER / "keras_layers.tflite").read_bytes()
    model = check(networks.edited(content, _with_clip(0.0)), scale=3)
    assert op_counts(model)["LSTMSequence"] == 2


def _add_constant(schema, model, graph, value: np.ndarray) -> int:
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(value.astype("<f4").tobytes(), np.uint8)
    tensor.buffer, tensor.shape, tensor.name = len(model.buffers), list(value.shape), "added"
    model.buffers.append(buffer)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _with_peepholes(schema, model, graph):
    for number, operation in enumerate(graph.operators[:2]):
        for port in (9, 10, 11):
            value = np.random.default_rng(port).standard_normal(3 + number)
            operation.inputs[port] = _add_constant(schema, model, graph, value)


def test_peepholes(networks, check):
    content = (FOLDER / "keras_layers.tflite").read_bytes()
    check(networks.edited(content, _with_peepholes))


def _time_major(schema, model, graph):
    """The first layer's sequence is [7, 1, 5]."""
    _options(graph.operators[0]).timeMajor = True
    _options(graph.operators[1]).timeMajor = True
    for tensor in {graph.inputs[0], *(each.outputs[0] for each in graph.operators[:2])}:
        graph.tensors[tensor].shape = [7, 1, graph.tensors[tensor].shape[2]]


def test_layers_whose_time_comes_first(networks, check):
    content = (FOLDER / "keras_layers.tflite").read_bytes()
    check(networks.edited(content, _time_major))


def _no_input_gate(schema, model, graph):
    for port in (1, 5, 12):
        graph.operators[0].inputs[port] = -1


def _projection(schema, model, graph):
    graph.operators[0].inputs[16] = _add_constant(schema, model, graph, np.ones((3, 3)))


def _normalised(schema, model, graph):
    for port in range(20, 24):
        graph.operators[0].inputs[port] = _add_constant(schema, model, graph, np.ones(3))


def _relu(schema, model, graph):
    _options(graph.operators[0]).fusedActivationFunction = schema.ActivationFunctionType.RELU


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_no_input_gate, "The LSTM has an input gate coupled to the forget gate"),
        (_projection, "The LSTM has a projection"),
        (_normalised, "The LSTM has layer normalisation"),
        (_relu, "The LSTM has another activation than tanh"),
    ],
)
@pytest.mark.requires_tf
def test_a_cell_of_another_kind_is_refused_by_what_it_has(networks, tmp_path, change, reason):
    path = tmp_path / "model.tflite"
    path.write_bytes(networks.edited((FOLDER / "keras_layers.tflite").read_bytes(), change))
    with pytest.raises(Refusal, match=rf"{re.escape(str(path))}: {reason}\. Node at fault") as caught:
        open_model(path)
    assert "ovc" not in str(caught.value)  # which does not read it either


@pytest.fixture
def small(tf, tmp_path):
    """`small(function, *shapes, …)`: the path of a function's .tflite."""

    def write(function, *shapes, calibrate: bool = False) -> Path:
        signature = [tf.TensorSpec(shape) for shape in shapes]
        concrete = tf.function(function, input_signature=signature).get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.allow_custom_ops = True
        if calibrate:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: [[np.ones(shape, np.float32) for shape in shapes]] * 2
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        (tmp_path / "small.tflite").write_bytes(converter.convert())
        return tmp_path / "small.tflite"

    return write


def test_convolutions_and_pools(tf, small):
    rng = np.random.default_rng(3)
    shapes = (2, 3, 3, 4), (3, 2, 4, 2), (2, 2, 8, 5)
    kernel, depth, wide = (rng.standard_normal(shape, np.float32) for shape in shapes)

    def network(x):
        x = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(x, kernel, [1, 2, 1, 1], "SAME"), np.float32([1, 2, 3, 4])))
        x = tf.nn.max_pool2d(tf.nn.depthwise_conv2d(x, depth, [1, 1, 1, 1], "VALID"), (1, 2), (1, 2), "SAME")
        return tf.nn.avg_pool2d(tf.nn.conv2d(x, wide, 1, "SAME", dilations=(1, 2)), (2, 2), (1, 1), "VALID")

    x = rng.standard_normal((1, 11, 10, 3), np.float32)
    graph = open_model(small(network, x.shape)).graph
    view = GraphView.of(graph)
    (given,), (result,) = view.of_op("Placeholder"), [node for node in view.nodes.values() if not view.is_read(node)]
    (found,) = run_graph(graph.SerializeToString(), {f"{given.name}:0": x}, [f"{result.name}:0"])
    assert_close(found, network(x).numpy(), 1e-5)


def test_a_loop_is_refused_by_its_name_and_sent_to_ovc_which_takes_it(tf, small):
    def loop(x):
        return tf.while_loop(lambda n, x: n < 5, lambda n, x: (n + 1, tf.tanh(x @ tf.eye(3))), (0, x))[1]

    with pytest.raises(Refusal, match=r"no translation here: WHILE\. Node at fault: '.+'\. OpenVINO reads .* `ovc"):
        open_model(small(loop, (2, 3)))


def test_an_operation_that_nobody_takes_is_refused_without_ovc(tf, small):
    with pytest.raises(Refusal, match=r"no translation here: Betainc\. .*Run the file with TensorFlow Lite itself"):
        open_model(small(lambda x: tf.math.betainc(x, x, x), (8,)))


def test_operations_of_tensorflow_itself_are_refused_by_their_names(networks, tf, small):
    """Flex operations, which only TensorFlow Lite with TensorFlow inside runs."""

    def change(schema, model, graph):
        for code in model.operatorCodes:
            code.customCode = b"FlexBetainc" if code.customCode else code.customCode

    path = small(lambda x: tf.math.betainc(x, x, x), (8,))
    path.write_bytes(networks.edited(path.read_bytes(), change))
    with pytest.raises(Refusal, match=r"no translation here: FlexBetainc\. .*Run the file with TensorFlow Lite itself"):
        open_model(path)


def test_a_tensor_of_another_type_is_refused_by_its_name(networks, tf, small):
    def change(schema, model, graph):
        graph.tensors[graph.inputs[0]].type = schema.TensorType().FLOAT64

    path = small(tf.tanh, (8,))
    path.write_bytes(networks.edited(path.read_bytes(), change))
    with pytest.raises(Refusal, match=r"The tensor is of type FLOAT64\. Node at fault: '.+'\. Export it in float32"):
        open_model(path)


def test_a_shape_without_end_is_damage(networks, tf, small):
    def change(schema, model, graph):
        graph.tensors[graph.inputs[0]].shape = np.ones(33, np.int32)

    path = small(tf.tanh, (8,))
    path.write_bytes(networks.edited(path.read_bytes(), change))
    with pytest.raises(RecipeError, match=r"a list of 33 entries; the file is damaged"):
        open_model(path)


def test_a_network_whose_activations_have_8_bits_says_how_to_export_it(tf, small):
    with pytest.raises(Refusal, match="computes in 8 bits"):
        open_model(small(lambda x: tf.tanh(x @ tf.ones((3, 4))), (2, 3), calibrate=True))


def test_a_network_without_an_lstm_is_for_ovc(tf, small):
    with pytest.raises(RecipeError, match=r"No DeepSpeech model was found .*ovc"):
        convert_model(small(tf.nn.relu, (1, 8)), converter="openvino")
