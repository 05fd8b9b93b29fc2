"""One suite for both converters: what either makes of a graph keeps the IR contract, and TensorFlow's numbers."""

import numpy as np
import pytest

from deepspeech_recipe.converters.request import Request
from deepspeech_recipe.ov_api import ov
from deepspeech_recipe.passes.lengths import lengths_input
from tests import contract
from tests.fixtures.synthetic.cases import CASES, HEADS, UNEQUAL

pytestmark = pytest.mark.parametrize(
    "converter", ["openvino", pytest.param("mo", marks=pytest.mark.requires_mo)], scope="session"
)


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """`converted(converter, case, **request)`: the ov.Model, read from an IR as users read it; made once a session."""
    models, core = {}, ov.Core()

    def convert(converter: str, name: str, **request):
        key = (converter, name, *sorted(request.items()))
        if key not in models:
            folder = tmp_path_factory.mktemp(converter)
            model = contract.convert(converter, contract.case(name), Request(**request), folder)
            models[key] = folder / "model.xml"
            ov.save_model(model, models[key], compress_to_fp16=False)
        return core.read_model(models[key])

    return convert


@pytest.mark.parametrize("name", CASES)
def test_names_shapes_and_structure(converted, converter, name):
    each, model = contract.case(name), converted(converter, name)
    contract.check_names(model, each)
    contract.check_shapes(model, each)
    contract.check_structure(model)
    contract.check_metadata(model, each, converter)


@pytest.mark.parametrize("name", CASES)
def test_numbers_over_chained_chunks(converted, converter, name):
    each = contract.case(name)
    found = contract.run(converted(converter, name), each.chunks)
    assert len(found) == (1 if each.stateless else 3)
    contract.check_close(found, each.want)


@pytest.mark.parametrize("name", ["v0.2", "v0.5", "v0.9", "bytes"])
def test_fp16_weights(converted, converter, name, tmp_path):
    each = contract.case(name)
    ov.save_model(converted(converter, name), tmp_path / "half.xml", compress_to_fp16=True)
    half = ov.Core().read_model(tmp_path / "half.xml")
    assert (tmp_path / "half.bin").stat().st_size < 0.6 * each.path.stat().st_size
    contract.check_structure(half)
    found = contract.run(half, each.chunks)
    contract.check_close(found, each.want, contract.F16, relative=True)


@pytest.mark.parametrize("name", ["v0.3", "v0.5", "v0.9", "no_lengths_v0.5"])
def test_time_steps_and_batch_of_choice(converted, converter, name):
    each = contract.case(name)
    model = converted(converter, name, time_steps=14, batch=2)
    contract.check_shapes(model, each, time_steps=14, batch=2)
    contract.check_structure(model)
    contract.check_metadata(model, each, converter, time_steps=14, batch=2)
    _check_two_chunks_a_call(model, each, rows=2)


@pytest.mark.parametrize("name", ["v0.2", "v0.5", "v0.9"])
def test_dynamic_time_steps_and_batch(converted, converter, name):
    each = contract.case(name)
    model = converted(converter, name, time_steps="dynamic", batch="dynamic")
    contract.check_shapes(model, each, time_steps=-1, batch=-1)
    contract.check_structure(model)
    contract.check_metadata(model, each, converter, time_steps="dynamic", batch="dynamic")
    contract.check_close(contract.run(model, each.chunks), each.want)
    _check_two_chunks_a_call(model, each, rows=1)


@pytest.mark.parametrize("name", ["v0.2", "v0.4", "v0.5", "v0.9", "batch_1"])
def test_reshape_after_conversion(converted, converter, name):
    each, model = contract.case(name), converted(converter, name)
    o = each.options
    shapes = {"input_node": [1, 14, 2 * o.n_context + 1, o.n_input]}
    model.reshape({**shapes, **{f"previous_state_{role}": [1, o.n_hidden] for role in "ch"}})
    contract.check_shapes(model, each, time_steps=14, batch=1)
    _check_two_chunks_a_call(model, each, rows=1)


def _check_two_chunks_a_call(model, each, *, rows: int):
    """Two chunks in one call, the first rows of the batch only."""
    chunks, want = each.chunks[:, :rows], each.want
    pairs = np.concatenate([chunks[::2], chunks[1::2]], 2)
    logits = np.concatenate([want["logits"][::2], want["logits"][1::2]], 1)[:, :, :rows]
    wanted = {"logits": logits, "c": want["c"][1::2, :rows], "h": want["h"][1::2, :rows]}
    contract.check_close(contract.run(model, pairs), wanted)


@pytest.mark.parametrize("name", ["v0.3", "v0.5", "v0.9", "steps_open"])
def test_internal_state(converted, converter, name):
    each = contract.case(name)
    model = converted(converter, name, state="internal")
    contract.check_names(model, each, state="internal")
    contract.check_structure(model)
    contract.check_metadata(model, each, converter, state="internal")
    request = contract.compile_model(model).create_infer_request()
    assert {state.name for state in request.query_state()} == {"previous_state_c", "previous_state_h"}
    for _ in range(2):
        request.reset_state()
        for chunk, want in zip(each.chunks, each.want["logits"], strict=True):
            request.infer({"input_node": chunk})
            assert np.abs(contract.outputs_of(request)["logits"] - want).max() <= contract.F32


@pytest.mark.parametrize("name", HEADS)
def test_head_of_choice(converted, converter, name):
    each = contract.case(name)
    raw = each.want["raw_logits"]
    shifted = np.exp(raw - raw.max(-1, keepdims=True))
    wanted = {"raw": raw, "probabilities": shifted / shifted.sum(-1, keepdims=True)}
    for head, want in wanted.items():
        model = converted(converter, name, head=head)
        contract.check_structure(model)
        contract.check_metadata(model, each, converter, head=head)
        assert ("raw_logits" in model.output("logits").get_names()) == (head == "raw")
        contract.check_close(contract.run(model, each.chunks), {**each.want, "logits": want})


@pytest.mark.parametrize("sizes", [{}, {"time_steps": "dynamic", "batch": "dynamic"}], ids=["graph", "dynamic"])
@pytest.mark.parametrize("name", UNEQUAL)
def test_unequal_lengths(converted, converter, name, sizes):
    each = contract.case(name)
    model = lengths_input(converted(converter, name, **sizes))
    contract.check_structure(model)
    assert {"lengths", "lengths:0"} <= model.input("lengths").get_names()
    assert model.input("lengths").get_element_type() == ov.Type.i64
    found = contract.run(model, each.chunks, each.want["lengths"])
    contract.check_close(found, {key: each.want[f"unequal_{key}"] for key in found})


def test_unequal_lengths_with_internal_state(converted, converter):
    each = contract.case("v0.9")
    request = contract.compile_model(
        lengths_input(converted(converter, "v0.9", state="internal"))
    ).create_infer_request()
    for chunk, length, want in zip(each.chunks, each.want["lengths"], each.want["unequal_logits"], strict=True):
        request.infer({"input_node": chunk, "lengths": length})
        assert np.abs(contract.outputs_of(request)["logits"] - want).max() <= contract.F32
