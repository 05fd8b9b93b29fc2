"""One suite for both converters: what either makes of a graph keeps the IR contract, and TensorFlow's numbers."""

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.options import Options
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.passes.attach_audio import attach_audio
from deepspeech_recipe.passes.sequence_lengths import lengths_input
from deepspeech_recipe.passes.streaming import streaming_model
from tests.fixtures.synthetic.cases import CASES, HEADS, UNEQUAL
from tests.support import compare, contract
from tests.support.limits import assert_close

# mo takes seconds for what openvino does in a tenth: of graphs that differ in names or numbers only, it gets one.
_MO_TOO = [name for name in CASES if name not in ("v0.7", "v0.8", "steps_24", "no_lengths_v0.3", "rate_8k")]


def on(*names: str, mo: tuple[str, ...] | list[str] = _MO_TOO):
    """Parametrises over both converters; mo: the cases that it gets too."""
    pairs = [("openvino", name) for name in names]
    pairs += [
        pytest.param("mo", name, marks=[pytest.mark.requires_mo, pytest.mark.sampled]) for name in names if name in mo
    ]
    return pytest.mark.parametrize(("converter", "name"), pairs)


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """`converted(converter, case, **request)`: the ov.Model, read from an IR as users read it; made once a session."""
    models, core = {}, ov.Core()

    def convert(converter: str, name: str, **request):
        key = (converter, name, *sorted(request.items()))
        if key not in models:
            folder = tmp_path_factory.mktemp(converter)
            model = compare.convert(converter, contract.case(name), Options(**request), folder)
            models[key] = folder / "model.xml"
            ov.save_model(model, models[key], compress_to_fp16=False)
        return core.read_model(models[key])

    return convert


@on(*CASES)
def test_names_shapes_and_structure(converted, converter, name):
    each, model = contract.case(name), converted(converter, name)
    contract.check_names(model, each)
    contract.check_shapes(model, each)
    compare.check_structure(model)
    contract.check_metadata(model, each, converter)


@on(*CASES)
def test_numbers_over_chained_chunks(converted, converter, name):
    each, model = contract.case(name), converted(converter, name)
    assert len(model.outputs) == (1 if each.stateless else 3)
    compare.check_numbers(model, each)


@on("v0.2", "v0.5", "v0.9", "bytes")
def test_fp16_weights(converted, converter, name, tmp_path):
    each = contract.case(name)
    ov.save_model(converted(converter, name), tmp_path / "half.xml", compress_to_fp16=True)
    half = ov.Core().read_model(tmp_path / "half.xml")
    assert (tmp_path / "half.bin").stat().st_size < 0.6 * each.path.stat().st_size
    compare.check_conversion(half, each, tolerance=compare.F16, relative=True)


@on("v0.3", "v0.5", "v0.9", "no_lengths_v0.5", mo=["v0.3", "v0.9"])
def test_time_steps_and_batch_of_choice(converted, converter, name):
    each = contract.case(name)
    model = converted(converter, name, time_steps=14, batch=2)
    contract.check_shapes(model, each, time_steps=14, batch=2)
    compare.check_structure(model)
    contract.check_metadata(model, each, converter, time_steps=14, batch=2)
    _check_two_chunks_a_call(model, each, rows=2)


@on("v0.2", "v0.5", "v0.9", mo=["v0.5"])
def test_dynamic_time_steps_and_batch(converted, converter, name):
    each = contract.case(name)
    model = converted(converter, name, time_steps="dynamic", batch="dynamic")
    contract.check_shapes(model, each, time_steps=-1, batch=-1)
    compare.check_structure(model)
    contract.check_metadata(model, each, converter, time_steps="dynamic", batch="dynamic")
    compare.check_numbers(model, each)
    _check_two_chunks_a_call(model, each, rows=1)


@on("v0.2", "v0.4", "v0.5", "v0.9", "batch_1")
def test_reshape_after_conversion(converted, converter, name):
    each, model = contract.case(name), converted(converter, name)
    model.reshape(contract.input_shapes(each, batch=1, time_steps=14))
    contract.check_shapes(model, each, time_steps=14, batch=1)
    _check_two_chunks_a_call(model, each, rows=1)


def _check_two_chunks_a_call(model, each, *, rows: int):
    """Two chunks in one call, the first rows of the batch only."""
    chunks, want = each.chunks[:, :rows], each.want
    pairs = np.concatenate([chunks[::2], chunks[1::2]], 2)
    logits = np.concatenate([want["logits"][::2], want["logits"][1::2]], 1)[:, :, :rows]
    wanted = {"logits": logits, "c": want["c"][1::2, :rows], "h": want["h"][1::2, :rows]}
    compare.check_close(compare.run(model, pairs), wanted)


@on("v0.3", "v0.5", "v0.9", "steps_open", mo=["v0.3", "v0.9"])
def test_internal_state(converted, converter, name):
    each = contract.case(name)
    model = converted(converter, name, state="internal")
    contract.check_names(model, each, state="internal")
    compare.check_structure(model)
    contract.check_metadata(model, each, converter, state="internal")
    request = compare.compiled(model).create_infer_request()
    assert {state.name for state in request.query_state()} == {"previous_state_c", "previous_state_h"}
    for _ in range(2):
        request.reset_state()
        for chunk, want in zip(each.chunks, each.want["logits"], strict=True):
            request.infer({"input_node": chunk})
            assert_close(compare.outputs_of(request)["logits"], want, compare.F32)


@on(*HEADS, mo=["v0.2", "v0.9"])
def test_either_head_can_be_asked_for(converted, converter, name):
    each = contract.case(name)
    raw = each.want["raw_logits"]
    powers = np.exp(raw - raw.max(-1, keepdims=True))
    head, want = ("probabilities", powers / powers.sum(-1, keepdims=True)) if each.raw else ("raw", raw)
    model = converted(converter, name, head=head)
    compare.check_structure(model)
    contract.check_metadata(model, each, converter, head=head)
    contract.check_unique_names(model)
    assert ("raw_logits" in model.output("logits").get_names()) == (head == "raw")
    compare.check_close(compare.run(model, each.chunks), {**each.want, "logits": want})
    same = converted(converter, name)
    assert ("raw_logits" in same.output("logits").get_names()) == each.raw


@on(*UNEQUAL)
@pytest.mark.parametrize("open_sizes", [False, True], ids=["graph", "dynamic"])
def test_unequal_lengths(converted, converter, name, open_sizes):
    each = contract.case(name)
    model = converted(converter, name)
    if open_sizes:
        model.reshape(contract.input_shapes(each, batch=-1, time_steps=-1))
    model = lengths_input(model)
    compare.check_structure(model)
    assert {"lengths", "lengths:0"} <= model.input("lengths").get_names()
    assert model.input("lengths").get_element_type() == ov.Type.i64
    compare.check_numbers(model, each, lengths=True)


@on("v0.9")
def test_unequal_lengths_with_internal_state(converted, converter, name):
    each = contract.case(name)
    model = lengths_input(converted(converter, name, state="internal"))
    request = compare.compiled(model).create_infer_request()
    for chunk, length, want in zip(each.chunks, each.want["lengths"], each.want["unequal_logits"], strict=True):
        request.infer({"input_node": chunk, "lengths": length})
        assert_close(compare.outputs_of(request)["logits"], want, compare.EXACT)


@on("v0.9")
def test_lengths_out_of_range_count_as_none_or_all(converted, converter, name):
    each = contract.case(name)
    model = lengths_input(converted(converter, name))
    lengths = each.want["lengths"]
    beyond = np.where(lengths == 7, 1000, np.where(lengths == 0, -3, lengths))
    assert (beyond < 0).any()
    assert (beyond > 7).any()
    found = compare.run(model, each.chunks, beyond)
    compare.check_close(found, {key: each.want[f"unequal_{key}"] for key in found})


@on("v0.9")
def test_what_lies_past_a_length_is_never_read(converted, converter, name):
    each = contract.case(name)
    lengths, chunks = each.want["lengths"], each.chunks.copy()
    chunks[np.arange(7) >= lengths[:, :, None]] = np.nan
    found = compare.run(lengths_input(converted(converter, name)), chunks, lengths)
    compare.check_close(found, {key: each.want[f"unequal_{key}"] for key in found})


@on("v0.9")
def test_a_second_input_of_lengths_is_refused(converted, converter, name):
    with pytest.raises(RecipeError, match="has an input 'lengths' already"):
        lengths_input(lengths_input(converted(converter, name)))


@on("steps_open")
def test_a_streaming_model_gives_in_blocks_what_the_whole_gives(converted, converter, name):
    """Audio and state inside: blocks give what the whole utterance gives."""
    each, model = contract.case(name), converted(converter, name)
    o = each.options
    shapes = {f"previous_state_{role}": [1, o.n_hidden] for role in "ch"}
    model.reshape({"input_node": [1, -1, 2 * o.n_context + 1, o.n_input], **shapes})
    features = AudioSettings(**read_metadata(model)["features"])
    samples = np.random.default_rng(4).normal(0, 0.1, (1, 6000)).astype(np.float32)
    whole = compare.compiled(attach_audio(model, features, o.n_context))([samples])["logits"]
    streaming = streaming_model(model, features, o.n_context)
    compare.check_structure(streaming)
    request = compare.compiled(streaming).create_infer_request()
    found = []
    for block, end in zip(np.split(samples, [0, 10, 3320, 3700], axis=1), [False] * 4 + [True], strict=True):
        request.infer({"samples": block, "end_of_stream": np.array(end)})
        found.append(compare.outputs_of(request)["logits"])
    assert_close(np.concatenate(found), whole, compare.EXACT)
