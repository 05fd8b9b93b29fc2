"""verify of models that are not DeepSpeech's: somebody converted a model of his own. Is the IR right?"""

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert, convert_model
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, INT32, INT64, DType, GraphBuilder
from deepspeech_recipe.installation import TensorFlow
from deepspeech_recipe.ir.ov_api import opset, rebuild
from deepspeech_recipe.passes.compress import compress_to_fp16
from deepspeech_recipe.passes.lstm_loop import R, W, lstm_sequences
from deepspeech_recipe.verification import stateful, tensorflow_session, verify
from deepspeech_recipe.verification.stored import stored_matrices
from tests.graphs.one_lstm import lstm_graph


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    path = tmp_path_factory.mktemp("tagger") / "tagger.pb"
    path.write_bytes(lstm_graph(5, 5).SerializeToString())
    return path


@pytest.fixture(scope="module")
def ir(tagger):
    return convert_model(tagger, converter="openvino")


def test_a_model_without_a_state_is_compared_too(tagger, ir):
    report = verify(tagger, ir, reference="numpy")
    assert report.passed
    assert report.reference == "numpy, float64"
    assert [check.name for check in report.checks] == ["output 'y'"]


def test_somebody_without_tensorflow_gets_the_numpy_reference(tagger, ir, monkeypatch):
    monkeypatch.setattr(tensorflow_session._Process, "_one", None)
    monkeypatch.setattr(tensorflow_session, "tensorflow", lambda: TensorFlow("", {}, "is not installed"))
    assert verify(tagger, ir).reference == "numpy, float64"
    with pytest.raises(RecipeError, match="TensorFlow is not installed"):
        verify(tagger, ir, reference="tensorflow")
    monkeypatch.delitem(stateful.unknown_operations.__globals__["OPS"], "BlockLSTM")
    with pytest.raises(RecipeError, match="the numpy reference does not know BlockLSTM"):
        verify(tagger, ir)


def test_a_reference_for_speech_models_only_is_said(tagger, ir):
    with pytest.raises(RecipeError, match=r"'openvino' reads DeepSpeech models only.*Compare with tensorflow or numpy"):
        verify(tagger, ir, reference="openvino")


def test_an_output_of_another_shape_fails_though_its_numbers_fit(tagger, ir):
    wrong = ir.clone()
    (result,) = wrong.get_results()
    longer = opset.unsqueeze(result.input_value(0), np.int64([0]))
    longer.output(0).get_tensor().set_names({"y"})
    result.input_value(0).get_tensor().set_names(set())
    wrong = rebuild(wrong, results=[opset.result(longer)])
    report = verify(tagger, wrong, reference="numpy")
    (check,) = report.checks
    assert not check.passed
    assert check.detail == "shape [1, 5, 2, 4], of the original [5, 2, 4]"


@pytest.mark.parametrize("weights", ["fp16", "int8"])
def test_small_weights_are_compared_as_what_they_are(tagger, tmp_path, weights):
    """Too few numbers to tell what they are stored as."""
    found = convert(tagger, tmp_path, converter="openvino", weights=weights, verify=False)
    report = verify(tagger, found.files[0], reference="numpy")
    assert report.weights == weights
    assert report.passed
    assert report.checks[0].figure > 1e-5


def test_an_output_is_the_graphs_own_tensor_of_that_name(tagger, ir):
    """Converters leave other names on tensors: of a product `[18, 4]`, say, on the scores `[6, 3, 4]`."""
    named = ir.clone()
    named.output("y").get_tensor().add_names({"b"})  # the LSTM's bias
    report = verify(tagger, named, reference="numpy")
    assert [check.name for check in report.checks] == ["output 'y'"]
    assert report.passed


@pytest.mark.parametrize("kind", [INT32, FLOAT])
def test_numbers_that_choose_rows_of_a_table_are_not_taken_for_lengths(kind, tmp_path):
    """Of two speakers, say: which lengths of up to five steps would look for in vain, and normal numbers, which inputs
    of old Keras are, too."""
    graph = GraphBuilder()
    graph.graph.CopyFrom(lstm_graph(5, 5))
    graph.placeholder("speakers", kind, (2,))
    graph.const("table", np.arange(8).reshape(2, 4), np.float32)
    graph.const("axis", 0, np.int32)
    graph.node("wide", "Cast", ["speakers"], SrcT=DType(kind), DstT=DType(INT64))
    kinds = {"Tparams": DType(FLOAT), "Tindices": DType(INT64), "Taxis": DType(INT32)}
    graph.node("rows", "GatherV2", ["table", "wide", "axis"], **kinds)
    graph.node("sum", "AddV2", ["y", "rows"], T=DType(FLOAT))
    path = tmp_path / "speakers.pb"
    path.write_bytes(graph.graph.SerializeToString())
    report = verify(path, convert_model(path, converter="openvino"), reference="numpy")
    assert report.passed, "\n".join(report.lines())


def test_what_only_negative_numbers_show_is_seen_in_an_input_that_is_reshaped_first(tmp_path):
    graph = GraphBuilder()
    graph.graph.CopyFrom(lstm_graph(5, 5))
    graph.placeholder("offsets", FLOAT, (2,))
    graph.const("axis", 1, np.int32)
    graph.node("column", "ExpandDims", ["offsets", "axis"], T=DType(FLOAT), Tdim=DType(INT32))
    graph.node("sum", "AddV2", ["y", "column"], T=DType(FLOAT))
    path = tmp_path / "offsets.pb"
    path.write_bytes(graph.graph.SerializeToString())
    ir = convert_model(path, converter="openvino")
    assert verify(path, ir, reference="numpy").passed
    offsets = ir.input("offsets")
    readers = offsets.get_target_inputs()
    sizes = opset.abs(offsets.get_node())
    for reader in readers:
        reader.replace_source_output(sizes.output(0))
    assert not verify(path, ir, reference="numpy").passed


def test_weights_of_an_lstm_in_half_precision_are_compared_with_the_graphs(ir):
    """W and R of an LSTMSequence have an axis more than matrices."""
    shapes = {each.values.shape for each in stored_matrices(compress_to_fp16(ir))}
    (lstm,) = lstm_sequences(ir)
    assert {tuple(lstm.input_value(port).get_shape())[1:] for port in (W, R)} <= shapes
