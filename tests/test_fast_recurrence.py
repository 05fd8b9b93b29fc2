"""The fast recurrence against the LSTMSequence it replaces."""

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.ov_api import Parameter, opset, ov
from deepspeech_recipe.passes.fast_recurrence import fast_recurrence
from tests.support.compare import compiled, op_counts
from tests.support.limits import assert_close
from tests.support.rounding import eight_bits

INPUT, HIDDEN = 5, 12
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def lstm_model(direction="forward", *, batch=-1, steps=-1, lengths=None, seed=0):
    rng, count = np.random.default_rng(seed), DIRECTIONS[direction]
    x = Parameter(ov.Type.f32, ov.PartialShape([batch, steps, INPUT]))
    states = [Parameter(ov.Type.f32, ov.PartialShape([batch, count, HIDDEN])) for _ in range(2)]
    w, r, b = (
        rng.normal(0, 0.4, (count, 4 * HIDDEN, *shape)).astype(np.float32) for shape in ((INPUT,), (HIDDEN,), ())
    )
    shape = opset.shape_of(x)
    if lengths is None:
        lengths = opset.broadcast(
            opset.gather(shape, np.int64([1]), np.int64(0)), opset.gather(shape, np.int64([0]), np.int64(0))
        )
    lstm = opset.lstm_sequence(x, *states, lengths, w, r, b, HIDDEN, direction)
    return ov.Model([opset.result(output) for output in lstm.outputs()], [x, *states], "lstm"), r


def run(model, batch, steps, count):
    rng = np.random.default_rng(5)
    feeds = [rng.standard_normal((batch, steps, INPUT))] + [rng.normal(0, 0.5, (batch, count, HIDDEN))] * 2
    return [value.copy() for value in compiled(model)([feed.astype(np.float32) for feed in feeds]).values()]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("sizes", [(-1, -1), (3, 7)], ids=["open", "fixed"])
def test_lossless_form_gives_the_same_numbers(direction, sizes):
    model, _ = lstm_model(direction, batch=sizes[0], steps=sizes[1])
    batch, steps = (size if size > 0 else default for size, default in zip(sizes, (2, 9), strict=True))
    expected = run(model, batch, steps, DIRECTIONS[direction])
    fast = fast_recurrence(model, weights="fp32")
    counts = op_counts(fast)
    assert "LSTMSequence" not in counts
    assert counts["TensorIterator"] == DIRECTIONS[direction]
    for found, wanted in zip(run(fast, batch, steps, DIRECTIONS[direction]), expected, strict=True):
        assert_close(found, wanted, 1e-6)


def test_int8_form_is_the_lossless_one_of_the_rounded_matrix():
    model, recurrent = lstm_model()
    plain = run(model, 2, 9, 1)
    rounded = eight_bits(recurrent[0])
    fast = fast_recurrence(model, weights="int8", activations="fp32")
    found = run(fast, 2, 9, 1)
    reference, _ = lstm_model()
    for node in reference.get_ordered_ops():
        if node.get_type_name() == "LSTMSequence":
            node.input(5).replace_source_output(opset.constant(rounded[None]).output(0))
    for value, wanted, before in zip(found, run(reference, 2, 9, 1), plain, strict=True):
        assert_close(value, wanted, 1e-6)
        assert np.abs(value - before).max() > 1e-5


def test_the_loop_keeps_its_matrix_in_8_bits():
    fast = fast_recurrence(lstm_model()[0])
    loop = next(node for node in fast.get_ops() if node.get_type_name() == "TensorIterator")
    constants = [node for node in loop.get_function().get_ops() if node.get_type_name() == "Constant"]
    large = [node for node in constants if node.get_output_size() and np.prod(node.get_output_shape(0)) > 4 * HIDDEN]
    assert [node.get_element_type() for node in large] == [ov.Type.i8]


def test_sequences_that_cannot_be_a_loop_are_refused():
    model, _ = lstm_model(batch=2, steps=7, lengths=opset.constant(np.int64([7, 3])))
    with pytest.raises(RecipeError, match="runs for lengths of its own"):
        fast_recurrence(model)
    model, _ = lstm_model(batch=2, steps=7, lengths=opset.constant(np.int64([7, 7])))
    fast = fast_recurrence(model)
    assert "TensorIterator" in op_counts(fast)
    with pytest.raises(RecipeError, match="no LSTMSequence"):
        fast_recurrence(fast)
    with pytest.raises(RecipeError, match="one of int8, fp16, fp32"):
        fast_recurrence(lstm_model()[0], weights="int4")
