"""The synthetic graphs run in TensorFlow, and variants that mean the same give the same numbers."""

import numpy as np
import pytest

from tests.graphs.releases import VERSIONS
from tests.support.limits import assert_close
from tests.support.reference import random_chunks, run_chunks

pytestmark = pytest.mark.requires_tf
SAME = 2e-6  # other spellings of the same arithmetic


def _same(a, b, what=("logits", "c", "h"), tolerance=SAME):
    for field in what:
        assert_close(getattr(a, field), getattr(b, field), tolerance, field)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_release_runs_with_lively_numbers(deepspeech, version):
    graph = deepspeech(version)
    result = run_chunks(graph, random_chunks(graph))
    assert result.logits.shape == (8, 16, 3, 29)
    assert result.c.shape == (8, 3, 32)
    assert 0.3 < np.abs(result.c).mean() < 3
    if version in ("0.2", "0.3"):
        np.testing.assert_array_equal(result.logits, result.raw_logits)
    else:
        assert_close(result.logits.sum(-1), np.ones((8, 16, 3)), 1e-6)
        assert result.logits.max(-1).mean() > 0.15  # far from uniform


@pytest.mark.parametrize("version", VERSIONS)
def test_sizes_all_differ(deepspeech, version):
    o = deepspeech(version).options
    sizes = [
        o.n_input,
        2 * o.n_context + 1,
        o.dense_1,
        o.dense_2,
        o.dense_3,
        o.n_hidden,
        o.dense_5,
        o.n_steps,
    ]
    sizes += [o.batch, deepspeech(version).classes]
    assert len(set(sizes)) == len(sizes)


@pytest.mark.parametrize("form", ["gather", "gather_v2", "gather_nd"])
def test_last_state_forms_agree(deepspeech, form):
    base, other = deepspeech("0.4", last_state="gather_nd"), deepspeech("0.4", last_state=form)
    chunks = random_chunks(base, 3)
    lengths = np.array([[16, 5, 0], [1, 16, 7], [16, 16, 16]])
    _same(run_chunks(base, chunks, lengths), run_chunks(other, chunks, lengths))


def test_strided_slice_agrees_at_full_length(deepspeech):
    base, other = deepspeech("0.4"), deepspeech("0.4", use_seq_length=False)
    assert other.names.lengths is None
    chunks = random_chunks(base)
    _same(run_chunks(base, chunks), run_chunks(other, chunks))


def test_variable_and_placeholder_state_agree(deepspeech):
    base = deepspeech("0.9")
    chunks = random_chunks(base)
    for version in ("0.2", "0.4", "0.5"):
        other = deepspeech(version, forget_bias=0.0)
        a, b = run_chunks(base, chunks), run_chunks(other, chunks)
        _same(a, b, ("raw_logits", "c", "h"), 1e-5)


def test_forget_bias_counts(deepspeech):
    base, other = deepspeech("0.9"), deepspeech("0.9", forget_bias=0.7)
    chunks = random_chunks(base, 2)
    assert np.abs(run_chunks(base, chunks).c - run_chunks(other, chunks).c).max() > 0.1


def test_dynamic_steps_and_other_batches(deepspeech):
    for version in ("0.3", "0.5", "0.9"):
        base, other = deepspeech(version, batch=1, n_steps=24), deepspeech(version, batch=1, n_steps=-1)
        chunks = random_chunks(base, 3)
        _same(run_chunks(base, chunks), run_chunks(other, chunks))
        short = random_chunks(other, 4, steps=5)
        assert run_chunks(other, short).logits.shape == (4, 5, 1, 29)


def test_graph_without_state_starts_anew(deepspeech):
    for version in ("0.4", "0.9"):
        base, other = deepspeech(version, n_steps=-1), deepspeech(version, n_steps=-1, no_state=True)
        assert other.names.state_c is None
        chunks = random_chunks(base, 1)
        _same(run_chunks(base, chunks), run_chunks(other, chunks), ["logits"])
        free = deepspeech(version, n_steps=-1, no_state=True, batch=None)
        _same(run_chunks(base, chunks), run_chunks(free, chunks), ["logits"])


def test_block_lstm_v2_agrees(deepspeech):
    base, other = deepspeech("0.4"), deepspeech("0.4", lstm_op="BlockLSTMV2")
    chunks = random_chunks(base, 3)
    _same(run_chunks(base, chunks), run_chunks(other, chunks), tolerance=1e-5)


def test_fill_and_const_zeros_agree(deepspeech):
    base, other = deepspeech("0.9"), deepspeech("0.9", zeros="fill")
    chunks = random_chunks(base, 1)
    assert any(node.op == "Fill" for node in other.parse().node)
    _same(run_chunks(base, chunks), run_chunks(other, chunks), tolerance=0)


def test_crossed_names_mean_the_same(deepspeech):
    base, other = deepspeech("0.9"), deepspeech("0.9", initial_state="crossed")
    chunks = random_chunks(base, 1)
    rng = np.random.default_rng(3)
    c, h = rng.standard_normal((2, 3, 32)).astype(np.float32)
    _same(run_chunks(base, chunks, initial=(c, h)), run_chunks(other, chunks, initial=(h, c)))


NEAR_MISSES = [
    {"peephole": True},
    {"cell_clip": 0.5},
    {"cell_consumer": "mixed"},
    {"last_index": "length_minus_one"},
    {"last_index": "constant"},
    {"swap_states": True},
    {"initial_state": "shared"},
    {"initial_state": "zero_h"},
    {"initial_state": "computed"},
    {"gather_over": "gates"},
    {"layer_norm": True},
    {"relu_clip": 1.0},
]


@pytest.mark.parametrize("options", NEAR_MISSES, ids=str)
def test_near_misses_compute_something_else(deepspeech, options):
    base, other = deepspeech("0.9"), deepspeech("0.9", **options)
    chunks = random_chunks(base, 2)
    a, b = run_chunks(base, chunks), run_chunks(other, chunks)
    assert max(np.abs(a.logits - b.logits).max(), np.abs(a.c - b.c).max()) > 1e-2


@pytest.mark.parametrize("missing", ["c", "h"])
def test_missing_assign_keeps_the_variable(deepspeech, missing):
    graph = deepspeech("0.4", missing_assign=missing)
    result = run_chunks(graph, random_chunks(graph, 2))
    assert not getattr(result, missing).any()
    assert getattr(result, {"c": "h", "h": "c"}[missing]).any()


def test_initial_value_of_the_variables(deepspeech):
    graph = deepspeech("0.4", initialize_to=0.5, missing_assign="ch")
    assert (run_chunks(graph, random_chunks(graph, 1)).c == 0.5).all()


@pytest.mark.parametrize("version", VERSIONS)
def test_metadata_is_written_as_each_release_does(deepspeech, version):
    nodes = {node.name: node for node in deepspeech(version, sample_rate=8000, language="de").parse().node}
    constants = {name for name in nodes if name.startswith("metadata_")}
    if version == "0.5":
        assert nodes["model_metadata"].attr["sample_rate"].i == 8000
        assert nodes["model_metadata"].attr["language"].s == b"de"
    elif version in ("0.2", "0.3", "0.4"):
        assert not constants
        assert "Mfcc" not in nodes
    else:
        assert nodes["metadata_sample_rate"].attr["value"].tensor.int_val[0] == 8000
        assert ("metadata_beam_width" in constants) == (version != "0.6")
        assert nodes["Mfcc"].attr["upper_frequency_limit"].f == (4000.0)
    if version not in ("0.2", "0.3", "0.4"):
        assert nodes["AudioSpectrogram"].attr["window_size"].i == 256
        assert nodes["AudioSpectrogram"].attr["stride"].i == 160
