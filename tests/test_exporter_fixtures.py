"""Files of the real exporter: they run in today's TensorFlow, and the synthetic graphs have the same nodes."""

import numpy as np
import pytest

from tests.support.exporter_fixtures import FOLDER, OPTIONS, describe, expected
from tests.support.limits import assert_close
from tests.support.reference import session

pytestmark = pytest.mark.requires_tf
VARIANTS = tuple(OPTIONS)


def _real(tf, variant):
    return tf.compat.v1.GraphDef.FromString((FOLDER / variant / "output_graph.pb").read_bytes())


def _synthetic(deepspeech, variant, version="coqui"):
    from tests.graphs.weights import BYTES

    options = {"n_input": 26, "n_context": 9, "language": "any", **OPTIONS[variant]}
    if variant == "other":
        options["alphabet"] = BYTES
    return deepspeech(version, **options).parse()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("version", ["coqui", "0.9", "0.7"])
def test_synthetic_graph_has_the_exporter_s_nodes(tf, deepspeech, variant, version):
    real, synthetic = _real(tf, variant), _synthetic(deepspeech, variant, version)
    assert real.versions == synthetic.versions
    nodes = {node.name: describe(tf, node) for node in synthetic.node}
    assert nodes == {node.name: describe(tf, node) for node in real.node}


@pytest.mark.parametrize("variant", VARIANTS)
def test_alphabet_is_serialised_as_the_exporter_does(tf, deepspeech, variant):
    def alphabet(graph):
        (node,) = (node for node in graph.node if node.name == "metadata_alphabet")
        return node.attr["value"].tensor.string_val[0]

    assert alphabet(_real(tf, variant)) == alphabet(_synthetic(deepspeech, variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_this_tensorflow_computes_what_tensorflow_1_15_did(variant):
    want = expected(variant)
    state = np.zeros((2, *want.c.shape[1:]), np.float32)
    fetches = ["logits:0", "raw_logits:0", "new_state_c:0", "new_state_h:0"]
    with session((FOLDER / variant / "output_graph.pb").read_bytes()) as run:
        for chunk, *row in zip(want.chunks, want.logits, want.raw_logits, want.c, want.h, strict=True):
            feed = {
                "input_node:0": chunk,
                "input_lengths:0": np.full(chunk.shape[0], chunk.shape[1]),
                "previous_state_c:0": state[0],
                "previous_state_h:0": state[1],
            }
            got = run(fetches, feed)
            state = got[2:]
            for name, ours, theirs in zip(fetches, got, row, strict=True):
                assert_close(ours, theirs, 3e-5, name)
        mfccs = run("mfccs:0", {"input_samples:0": want.samples})
    assert_close(mfccs, want.mfccs, 5e-5)
