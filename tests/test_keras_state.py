"""Stateful LSTMs of Keras: SavedModels whose state lies in resource variables, unrolled or as a loop."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.runtime import StatefulModel
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.sources.checkpoint.bundle import Bundle
from tests.support.compare import compiled, op_counts
from tests.support.limits import assert_close

FIXTURES = Path(__file__).parent / "fixtures" / "keras"
UNITS = (7, 6)


def check(path, values, output, *, state: str, converter: str):
    """Converts and compares chained calls; values: (x, y)."""
    result = convert(path, output, name="ir", converter=converter, state=state, verify=False)
    model = ov.Core().read_model(result.files[0])
    counts = op_counts(model)
    assert not {"Loop", "TensorIterator", "If"} & set(counts)
    assert counts["LSTMSequence"] == 2
    assert counts.get("Assign", 0) == counts.get("ReadValue", 0) == (4 if state == "internal" else 0)
    assert len(model.inputs) == len(model.outputs) == (1 if state == "internal" else 5)
    run = StatefulModel(result.files[0])
    (name,) = run.inputs
    for _ in range(2):
        run.reset()
        for x, y in zip(*values, strict=True):
            assert_close(next(iter(run({name: x}).values())), y, 5e-7)
    states = run.states
    assert sorted(value.shape for value in states.values()) == [(2, 6), (2, 6), (2, 7), (2, 7)]
    assert all(np.abs(value).max() > 0.05 for value in states.values())
    # The state is needed: from zeros the last call comes out otherwise.
    run.reset()
    assert np.abs(next(iter(run({name: values[0][-1]}).values())) - values[1][-1]).max() > 0.01
    return result


@pytest.mark.parametrize("state", ["external", "internal"])
@pytest.mark.parametrize("name", ["keras", "tf_keras", "tf_keras_unrolled"])
def test_saved_models_of_both_keras(name, state, tmp_path):
    """Without TensorFlow: the checkpoint is read here."""
    values = np.load(FIXTURES / f"{name}.npz")
    values = values["x"], values["y"]
    check(FIXTURES / f"{name}.zip", values, tmp_path, state=state, converter="openvino")


@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.requires_tf
@pytest.mark.parametrize("name", ["keras", "tf_keras", "tf_keras_unrolled"])
def test_layers_by_mo(name, tmp_path):
    values = np.load(FIXTURES / f"{name}.npz")
    values = values["x"], values["y"]
    check(FIXTURES / f"{name}.zip", values, tmp_path, state="internal", converter="mo")


def build(tf, path, *, unroll: bool, export: bool, dense: int = 4):
    """Saves a model; returns inputs and outputs of chained calls in TensorFlow."""
    import keras

    keras.utils.set_random_seed(5)
    x = start = keras.Input(batch_shape=(2, 3, 5))
    for units, all_steps in zip(UNITS, (True, False), strict=True):
        x = keras.layers.LSTM(units, stateful=True, unroll=unroll, return_sequences=all_steps)(x)
    model = keras.Model(start, keras.layers.Dense(dense)(x))
    model.export(str(path), verbose=False) if export else tf.saved_model.save(model, str(path))
    call = tf.saved_model.load(str(path)).signatures["serving_default"]
    (argument,) = call.structured_input_signature[1]
    inputs = np.random.default_rng(3).standard_normal((4, 2, 3, 5)).astype(np.float32)
    return inputs, np.stack([call(**{argument: tf.constant(each)})["output_0"].numpy() for each in inputs])


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("unroll", "export", "converter"),
    [(True, True, "openvino"), (True, False, "openvino"), (False, False, "openvino"), (True, True, "mo")],
)
def test_what_the_installed_keras_writes(tf, tmp_path, unroll, export, converter):
    if converter == "mo":
        pytest.importorskip("openvino.tools.mo")
    values = build(tf, tmp_path / "saved", unroll=unroll, export=export)
    result = check(tmp_path / "saved", values, tmp_path / "out", state="external", converter=converter)
    assert any("state variables become inputs" in note for note in result.notes)
    assert sorted(f"new_{name}" for name in result.metadata["states"]) == sorted(result.metadata["states"].values())


@pytest.mark.parametrize(
    ("batch", "options", "wrapped"),
    [
        (1, {}, False),
        (2, {"return_sequences": True, "stateful": True, "go_backwards": True}, False),
        (None, {"return_sequences": True}, True),
    ],
)
def test_unrolled_layers(tf, tmp_path, batch, options, wrapped):
    """In any direction; wrapped: in both."""
    import keras

    keras.utils.set_random_seed(5)
    start = keras.Input(batch_shape=(batch, 4, 5), name="x")
    layer = keras.layers.LSTM(7, unroll=True, bias_initializer="random_normal", **options)
    layer = keras.layers.Bidirectional(layer) if wrapped else layer
    keras.Model(start, keras.layers.Dense(3)(layer(start))).export(str(tmp_path / "saved"), verbose=False)
    call = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    state = "internal" if options.get("stateful") else "external"
    result = convert(tmp_path / "saved", tmp_path / "out", name="ir", converter="openvino", state=state, verify=False)
    model = ov.Core().read_model(result.files[0])
    assert op_counts(model)["LSTMSequence"] == 1 + wrapped
    request = compiled(model).create_infer_request()
    for x in np.random.default_rng(2).standard_normal((3, batch or 6, 4, 5)).astype(np.float32):
        expected = call(x=tf.constant(x))["output_0"].numpy()
        assert_close(request.infer([x])[0], expected, 1e-6)


@pytest.mark.parametrize("activation", ["relu", "cos"])
def test_a_loop_that_stays_one_keeps_its_state(tf, tmp_path, activation):
    """A cell with another activation is no LSTMSequence: it is a loop, its state is carried over all the same."""
    import keras

    start = keras.Input(batch_shape=(2, 3, 5))
    function = tf.math.cos if activation == "cos" else activation
    states = keras.layers.LSTM(7, stateful=True, activation=function, name="lstm")(start)
    model = keras.Model(start, keras.layers.Dense(4)(states))
    model.export(str(tmp_path / "saved"), verbose=False)
    result = convert(tmp_path / "saved", tmp_path / "out", state="internal", verify=True)
    assert result.converter.startswith("openvino")
    assert any("becomes a loop, for its activation relu" in note for note in result.notes) == (activation == "relu")
    assert {"Loop", "TensorIterator"} & set(op_counts(ov.Core().read_model(result.files[0])))
    names = sorted(check.name for check in result.verification.checks)
    assert names == ["output 'output_0'", "state 'lstm/rnn_state'", "state 'lstm/rnn_state_1'"]
    assert result.verification.passed


@pytest.mark.parametrize("unroll", [True, False])
def test_old_keras_gates_carry_their_state_over_ten_calls(tf, tmp_path, unroll):
    """`hard_sigmoid`: the cell is a loop, and the state inputs and outputs as an LSTMSequence's are."""
    import keras

    keras.utils.set_random_seed(5)
    start = keras.Input(batch_shape=(2, 3, 5))
    options = {"stateful": True, "recurrent_activation": "hard_sigmoid", "unroll": unroll}
    states = keras.layers.LSTM(7, bias_initializer="random_normal", **options)(start)
    keras.Model(start, keras.layers.Dense(4)(states)).export(str(tmp_path / "saved"), verbose=False)
    result = convert(tmp_path / "saved", tmp_path / "out", converter="openvino", verify=False)
    counts = op_counts(ov.Core().read_model(result.files[0]))
    assert (counts["TensorIterator"], counts["LSTMSequence"], counts["Loop"]) == (1, 0, 0)
    run, call = StatefulModel(result.files[0]), tf.saved_model.load(str(tmp_path / "saved")).signatures
    ((name,), (argument,)) = run.inputs, call["serving_default"].structured_input_signature[1]
    for x in np.random.default_rng(3).standard_normal((10, 2, 3, 5)).astype(np.float32):
        expected = call["serving_default"](**{argument: tf.constant(x)})["output_0"].numpy()
        assert_close(next(iter(run({name: x}).values())), expected, 1e-6)


def test_verify_runs_the_variables_themselves(tf, tmp_path):
    build(tf, tmp_path / "saved", unroll=True, export=True)
    result = convert(tmp_path / "saved", tmp_path / "out", converter="openvino", verify=True)
    assert result.verification.passed
    assert len([check for check in result.verification.checks if check.name.startswith("state")]) == 4


@pytest.mark.parametrize("unroll", [True, False])
def test_states_stacked_in_one_input_of_a_keras_model(tf, tmp_path, unroll):
    """As DTLN has them, `[1, layers, units, 2]`; Keras exports leave the batch open."""
    import keras

    x = frames = keras.Input(batch_shape=(1, 1, 5), name="frames")
    states = keras.Input(batch_shape=(1, 2, 7, 2), name="in_states")
    new = []
    for number in range(2):
        before = [states[:, number, :, 0], states[:, number, :, 1]]
        layer = keras.layers.LSTM(7, return_sequences=True, return_state=True, unroll=unroll)
        x, *after = layer(x, initial_state=before)
        new.append(keras.ops.stack(after, -1))
    outputs = {"mask": keras.layers.Dense(4)(x), "out_states": keras.ops.stack(new, 1)}
    keras.Model([frames, states], outputs).export(str(tmp_path / "saved"), verbose=False)
    options = {"converter": "openvino", "state": "internal"}
    with pytest.raises(RecipeError, match="internal state needs a fixed one"):
        convert(tmp_path / "saved", tmp_path / "out", **options)
    result = convert(tmp_path / "saved", tmp_path / "out", batch=1, verify=True, **options)
    assert result.metadata["states"] == {"in_states": "out_states"}
    assert [each["name"] for each in (*result.inputs, *result.outputs)] == ["frames", "mask"]
    assert len(result.verification.checks) == 2
    assert result.verification.passed


@pytest.mark.parametrize("state", ["external", "internal"])
def test_the_state_begins_with_what_it_was_saved_with(tf, tmp_path, state):
    import keras

    keras.utils.set_random_seed(5)
    start = keras.Input(batch_shape=(2, 3, 5))
    model = keras.Model(start, keras.layers.LSTM(7, stateful=True, unroll=True)(start))
    model.predict(np.ones((2, 3, 5), np.float32), verbose=0)
    model.export(str(tmp_path / "saved"), verbose=False)
    call = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    (argument,) = call.structured_input_signature[1]
    x = np.random.default_rng(2).standard_normal((3, 2, 3, 5)).astype(np.float32)
    y = [call(**{argument: tf.constant(each)})["output_0"].numpy() for each in x]
    result = convert(tmp_path / "saved", tmp_path / "out", name="ir", converter="openvino", state=state)
    assert result.verification.passed
    assert any("initial values kept: " in note for note in result.notes)
    run = StatefulModel(result.files[0])
    (name,) = run.inputs
    for _ in range(2):
        run.reset()
        for each, want in zip(x, y, strict=True):
            assert_close(next(iter(run({name: each}).values())), want, 1e-6)


def test_bundle_reads_what_tensorflow_reads(tf, tmp_path):
    values = {f"a/{number:03}": np.full((2, number + 1), number, np.float32) for number in range(200)}
    variables = {name.replace("/", "_"): tf.Variable(value) for name, value in values.items()}
    prefix = Path(tf.train.Checkpoint(**variables).write(str(tmp_path / "bundle")))
    bundle = Bundle(prefix)
    for name, value in values.items():
        np.testing.assert_array_equal(bundle[f"{name.replace('/', '_')}/.ATTRIBUTES/VARIABLE_VALUE"], value)
    assert "teapot" not in bundle


@pytest.mark.parametrize("size", [0, 20, -1])
def test_a_damaged_table_is_one_line(tmp_path, size):
    import zipfile

    with zipfile.ZipFile(FIXTURES / "keras.zip") as archive:
        archive.extractall(tmp_path)
    index = tmp_path / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:size])
    with pytest.raises(RecipeError, match="is not a table of a checkpoint, or damaged"):
        open_model(tmp_path)


def test_a_data_file_that_is_cut_off(tmp_path):
    import zipfile

    with zipfile.ZipFile(FIXTURES / "keras.zip") as archive:
        archive.extractall(tmp_path)
    data = next((tmp_path / "variables").glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(RecipeError, match=r"ends before .* does"):
        open_model(tmp_path)
