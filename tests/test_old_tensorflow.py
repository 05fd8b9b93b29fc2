"""Graphs frozen by TensorFlow 1.6 to 1.13: today's TensorFlow reads them, and the synthetic ones have their nodes."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.exporter_fixtures import describe
from tests.support.limits import assert_close
from tests.support.reference import session

pytestmark = pytest.mark.requires_tf
FOLDER = Path(__file__).with_name("fixtures") / "old_tensorflow"
SIZES = {"n_input": 5, "n_context": 2, "n_steps": 7, "dense_1": 14, "dense_2": 12, "dense_3": 10, "n_hidden": 8}
VERSIONS = {"0.2": "gather", "0.3": "gather_nd", "0.4": "gather_nd", "0.5": "gather_nd"}


@pytest.mark.parametrize("version", VERSIONS)
def test_synthetic_graph_has_the_same_nodes(tf, deepspeech, version):
    real = tf.compat.v1.GraphDef.FromString((FOLDER / f"v{version}.pb").read_bytes())
    synthetic = deepspeech(version, **SIZES, dense_5=13, last_state=VERSIONS[version]).parse()
    nodes = {node.name: describe(tf, node) for node in synthetic.node}
    nodes.pop("model_metadata", None)  # added after freezing
    if version == "0.2":
        for _, _, _, attributes in nodes.values():
            attributes.pop("Truncate", None)  # of Cast, since TensorFlow 1.10
    assert nodes == {node.name: describe(tf, node) for node in real.node}


@pytest.mark.parametrize("version", VERSIONS)
def test_this_tensorflow_computes_the_same(version):
    with np.load(FOLDER / f"v{version}.npz") as arrays:
        want = dict(arrays)
    with session((FOLDER / f"v{version}.pb").read_bytes()) as run:
        run("initialize_state")
        for chunk, logits, c, h in zip(want["chunks"], want["logits"], want["c"], want["h"], strict=True):
            feed = {"input_node:0": chunk / np.float32(16), "input_lengths:0": [7] * 3}
            assert_close(run("logits:0", feed), logits, 2e-6)
            assert_close(run("previous_state_c:0"), c, 2e-6)
            assert_close(run("previous_state_h:0"), h, 2e-6)
