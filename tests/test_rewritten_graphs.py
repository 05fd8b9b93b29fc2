"""Somebody has a model that went through another tool: optimised, weights of 8 bits or in parts, with new names."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support import compare

pytestmark = pytest.mark.requires_tf

STORED = ("half", "MIN_FIRST", "SCALED", "MIN_COMBINED", "fake", "parts", "packed", "turned")
SMALL = {"n_input": 6, "n_context": 2, "dense_1": 13, "dense_2": 14, "dense_3": 15, "n_hidden": 11, "dense_5": 12}
VERSIONS = ("0.2", "0.4", "0.5", "0.6", "0.9", "coqui")


def on_both(*cases, mo):
    """Parametrises over both converters; mo: the cases that it gets too, as it takes seconds."""
    pairs = [("openvino", *case) for case in cases]
    pairs += [pytest.param("mo", *case, marks=[pytest.mark.requires_mo, pytest.mark.sampled]) for case in mo]
    return pairs


def graph(deepspeech, version: str, **options):
    return deepspeech(version, **{**SMALL, **options})


@pytest.mark.parametrize(
    ("converter", "kind", "version"),
    on_both(
        *((kind, "0.9") for kind in STORED), *(("MIN_FIRST", version) for version in VERSIONS[:-2]),
        mo=(*((kind, "0.9") for kind in STORED), ("MIN_FIRST", "0.5")),
    ),
)  # fmt: skip
def test_a_deepspeech_model_whose_weights_are_stored_in_another_way(deepspeech, tmp_path, converter, kind, version):
    from tests.graphs.rewritten import stored

    original = graph(deepspeech, version)
    changed = replace(original, graph_def=stored(original.graph_def, kind))
    compare.check_conversion(compare.convert(converter, changed, folder=tmp_path), changed)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("converter", "version"),
    on_both(*((version,) for version in VERSIONS), mo=(("0.5",), ("0.9",))),
)
def test_a_deepspeech_model_that_tensorflow_optimised(deepspeech, tmp_path, converter, version):
    from tests.graphs.rewritten import optimised

    original = graph(deepspeech, version)
    names = original.names
    kept = (names.input, names.lengths, names.state_c, names.state_h, names.logits, names.new_c, names.new_h)
    kept = [name.split(":")[0] for name in kept if name]
    kept += [name.removesuffix("/read") for name in kept if name.endswith("/read")]
    extra = ["initialize_state", "previous_state_c", "previous_state_h"] if names.initialize else ["mfccs"]
    changed = replace(original, graph_def=optimised(original.graph_def, (*kept, *extra)))
    assert b"_FusedMatMul" in changed.graph_def or version in ("0.2", "0.4")
    compare.check_conversion(compare.convert(converter, changed, folder=tmp_path), changed)


@pytest.mark.sampled
@pytest.mark.parametrize(("converter", "version"), on_both(("0.2",), ("0.5",), ("0.9",), mo=(("0.5",), ("0.9",))))
def test_a_deepspeech_model_with_obfuscated_names(deepspeech, tmp_path, converter, version):
    """Its numbers are those of the model with its own names."""
    from tests.graphs.rewritten import obfuscated

    original = graph(deepspeech, version)
    changed = replace(original, graph_def=obfuscated(original.graph_def))
    model = compare.convert(converter, changed, folder=tmp_path)
    for port, name in zip(model.inputs, ("input_node", "previous_state_c", "previous_state_h"), strict=True):
        assert name in port.get_names()
    compare.check_conversion(model, original)


@pytest.mark.sampled
@pytest.mark.parametrize(("converter", "version"), on_both(("0.6",), ("0.9",), ("coqui",), mo=(("0.6",), ("0.9",))))
def test_a_deepspeech_model_in_the_form_for_tensorflow_lite(deepspeech, tmp_path, converter, version):
    """Unrolled, without lengths, its logits without the batch: the contract all the same, and any T and B."""
    from tests.support.reference import random_chunks, run_chunks

    unrolled = graph(deepspeech, version, unrolled=True, use_seq_length=False, batch=1, n_steps=5)
    model = compare.convert(converter, unrolled, folder=tmp_path)
    compare.check_structure(model)
    chunks = random_chunks(unrolled, 8)
    want = vars(run_chunks(unrolled, chunks))
    want = {**want, "logits": want["logits"][:, :, None]}
    compare.check_close(compare.run(model, chunks), want)
    window, features = chunks.shape[-2:]
    states = {f"previous_state_{part}": [1, unrolled.options.n_hidden] for part in "ch"}
    model.reshape({"input_node": [1, 10, window, features], **states})
    pairs = np.concatenate([chunks[::2], chunks[1::2]], 2)
    logits = np.concatenate([want["logits"][::2], want["logits"][1::2]], 1)
    compare.check_close(compare.run(model, pairs), {"logits": logits, "c": want["c"][1::2], "h": want["h"][1::2]})


@pytest.mark.parametrize("how", ["optimised", "MIN_FIRST", "parts"])
def test_a_model_of_v01_that_went_through_another_tool(tf, how):
    from tests.graphs.rewritten import optimised, stored
    from tests.graphs.rnn import first_release
    from tests.support.reference import run_graph

    graph_def = first_release(decoder=False)
    if how == "optimised":
        changed = optimised(graph_def, ("input_node", "input_lengths", "logits"))
    else:
        changed = stored(graph_def, how)
    model = compare.convert("openvino", SimpleNamespace(graph_def=changed))
    compare.check_structure(model, 2, 1)
    x = np.random.default_rng(2).standard_normal((2, 7, 57)).astype(np.float32)
    (want,) = run_graph(changed, {"input_node:0": x, "input_lengths:0": np.array([7, 7], np.int32)}, ["logits:0"])
    compare.check_call(model, {"input_node": x}, {"logits": want}, 1e-6)
