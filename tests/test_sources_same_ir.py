"""The same weights in every kind of file give the same IR, bit for bit."""

import tarfile
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from deepspeech_recipe import convert
from deepspeech_recipe.graphdef.proto import GraphDef, SavedModel

FOLDER = Path(__file__).parent / "fixtures" / "exporter" / "plain"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """path → outputs of its IR for one chunk with a random state."""
    rng = np.random.default_rng(1)
    shapes = {"input_node": (1, 16, 19, 26), "previous_state_c": (1, 64), "previous_state_h": (1, 64)}
    feed = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    cache = {}

    def run(path):
        if path not in cache:
            folder = tmp_path_factory.mktemp("ir")
            convert(path, folder, name="m", converter="openvino", verify=False)
            hint = {"INFERENCE_PRECISION_HINT": "f32"}
            outputs = ov.Core().compile_model(str(folder / "m.xml"), "CPU", hint)(feed)
            cache[path] = {n: np.array(outputs[n]) for n in ("logits", "new_state_c", "new_state_h")}
        return cache[path]

    return run


def assert_same(got, want) -> None:
    for name in want:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)
    assert np.ptp(want["logits"]) > 0.1


@pytest.mark.parametrize("name", ["output_graph.pbmm", "float.tflite"])
def test_a_pbmm_and_a_float_tflite_give_the_ir_of_the_pb(results, name):
    assert_same(results(FOLDER / name), results(FOLDER / "output_graph.pb"))


def test_an_archive_gives_the_ir_of_the_pb(results, tmp_path):
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(FOLDER / "float.tflite", "model/model.tflite")
    assert_same(results(tmp_path / "model.tar.gz"), results(FOLDER / "output_graph.pb"))


def test_a_saved_model_gives_the_ir_of_the_pb(results, tmp_path):
    saved = SavedModel(saved_model_schema_version=1)
    saved.meta_graphs.add(graph_def=GraphDef.FromString((FOLDER / "output_graph.pb").read_bytes()))
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert_same(results(tmp_path), results(FOLDER / "output_graph.pb"))


def test_a_checkpoint_gives_the_ir_of_the_pb(results):
    assert_same(results(FOLDER / "checkpoint"), results(FOLDER / "output_graph.pb"))


def test_quantised_weights_are_another_model(results):
    """So that equality above means something; how they are dequantised is tested with the source."""
    got, want = results(FOLDER / "int8.tflite"), results(FOLDER / "output_graph.pb")
    assert 1e-4 < np.abs(got["logits"] - want["logits"]).max() < 0.02
