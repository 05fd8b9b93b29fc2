"""Weights that were 8-bit integers before stay the integers they were; what multiplies by them computes with them."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert_model
from deepspeech_recipe.ir.ov_api import Parameter, opset, ov
from deepspeech_recipe.passes.eight_bits import quantize_rows
from deepspeech_recipe.passes.weight_matrix import matrix_product, set_activations
from tests.support.compare import compiled
from tests.support.limits import assert_close

SHAPES = [(37, 50), (1200, 24)]  # the second has more rows than are looked at together
RNG = np.random.default_rng(7)


def integers(shape, low, high):
    """Both ends and zero in each row, so that the grid is known."""
    values = RNG.integers(low, high, shape, endpoint=True)
    values[:, :3] = low, high, 0 if low < 0 < high else low + 1
    return values


def one_scale(shape):
    return (integers(shape, -127, 127) * np.float32(0.0123)).astype(np.float32)


def narrow_rows(shape):
    """One scale for the whole tensor, which no row's largest value tells."""
    return (integers(shape, -61, 43) * np.float32(3.1e-5)).astype(np.float32)


def scale_for_each_row(shape):
    scales = RNG.uniform(1e-3, 10, (shape[0], 1)).astype(np.float32)
    return integers(shape, -90, 127).astype(np.float32) * scales


def zero_point(shape):
    """An unsigned byte less its zero point, as TensorFlow Lite wrote before it was symmetric."""
    return (integers(shape, 0, 255) - 77).astype(np.float32) * np.float32(0.0021)


def min_first(shape):
    """TensorFlow's Dequantize in mode MIN_FIRST: zero is a place of the grid."""
    scale = np.float32(2.77 + 0.81) / np.float32(255)
    lowest = np.round(np.float32(-0.81) / scale) * scale
    return lowest + integers(shape, 0, 255).astype(np.float32) * scale


GRIDS = [one_scale, narrow_rows, scale_for_each_row, zero_point, min_first]


def no_zero_on_the_grid(shape):
    """Dequantize in mode MIN_COMBINED."""
    return np.float32(-0.8123) + integers(shape, 0, 255).astype(np.float32) * np.float32(0.00731)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("grid", [*GRIDS, no_zero_on_the_grid])
def test_a_grid_of_8_bits_is_kept(grid, shape):
    matrix = grid(shape)
    kept = quantize_rows(matrix)
    assert kept.values.dtype in (np.int8, np.uint8)
    # FP32 rounds a product and a sum; a row rounded anew would be 4e-3 off.
    assert_close(kept.matrix(), matrix, 4e-7 * np.abs(matrix).max())


@pytest.mark.parametrize("grid", [one_scale, narrow_rows, scale_for_each_row, zero_point])
def test_products_of_one_rounding_come_back_to_the_last_bit(grid):
    matrix = grid((64, 300))
    np.testing.assert_array_equal(quantize_rows(matrix).matrix(), matrix)


def test_integers_and_scales_are_those_of_the_file():
    integer, scale = integers((9, 40), -50, 127), np.float32(0.0371)
    values, scales, zero_points = quantize_rows(integer * scale)
    np.testing.assert_array_equal(values, integer)
    np.testing.assert_array_equal(scales, np.full((9, 1), scale))
    assert values.dtype == np.int8
    assert zero_points is None
    values, scales, zero_points = quantize_rows((integers((9, 40), 0, 255) - 77) * scale)
    assert values.dtype == zero_points.dtype == np.uint8
    np.testing.assert_array_equal(zero_points, np.full((9, 1), 77))
    np.testing.assert_array_equal(scales, np.full((9, 1), scale))


def test_other_rows_are_rounded_between_minus_127_and_127():
    matrix = RNG.normal(0, 0.3, (20, 60)).astype(np.float32)
    matrix[3] = 0
    matrix[5] = -0.25
    values, scales, zero_points = quantize_rows(matrix)
    assert zero_points is None
    largest = np.abs(matrix).max(axis=1)
    np.testing.assert_array_equal(np.abs(values[[0, 1, 2, 4]]).max(axis=1), 127)
    np.testing.assert_allclose(scales[[0, 1, 2, 4], 0], largest[[0, 1, 2, 4]] / 127, rtol=1e-6)
    error = np.abs(values * scales - matrix)
    assert (error <= 0.5001 * scales).all()
    assert error[0].max() > 0.4 * scales[0, 0]
    np.testing.assert_array_equal((values * scales)[3], 0)
    np.testing.assert_allclose((values * scales)[5], -0.25, rtol=1e-6)


def test_a_grid_of_more_places_than_a_byte_has_is_rounded():
    matrix = (integers((3, 400), 0, 300) - 100).astype(np.float32) * np.float32(0.01)
    error = np.abs(quantize_rows(matrix).matrix() - matrix).max()
    assert 1e-3 < error <= 2 / 254 * 1.001


def test_rows_off_a_grid_beside_rows_on_one():
    """One weight of a row moved by a third of a step: that row is rounded, its neighbours are kept."""
    matrix = zero_point((12, 80))
    matrix[4, 11] += np.float32(0.0021 / 3)
    error = np.abs(quantize_rows(matrix).matrix() - matrix).max(axis=1)
    assert 1e-4 < error[4] <= np.abs(matrix[4]).max() / 254 * 1.001
    assert error[np.arange(12) != 4].max() < 1e-7


@pytest.mark.parametrize(("activations", "limit"), [("fp32", 2e-6), ("int8", 0.03)])
@pytest.mark.parametrize("grid", [*GRIDS, no_zero_on_the_grid])
def test_openvino_multiplies_by_the_integers_of_the_grid(grid, activations, limit):
    """In units of the products' deviation. Sides that are not multiples of 16; rounded activations on VNNI alone."""
    matrix = grid((37, 90))
    x = Parameter(ov.Type.f32, ov.PartialShape([-1, 90]))
    model = ov.Model([opset.result(matrix_product(x, matrix, "int8", activations))], [x], "product")
    set_activations(model, activations)
    values = RNG.standard_normal((4, 90)).astype(np.float32)
    wanted = values.astype(float) @ matrix.T.astype(float)
    found = compiled(model)([values])[0]
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= limit * wanted.std()


@pytest.mark.parametrize("variant", ["plain", "other"])
def test_an_ir_of_an_int8_file_computes_what_the_file_does(tmp_path, variant):
    """Someone with Coqui's int8 export; one scale for each row of a matrix. "other": other sizes, layer norm."""
    source = Path(__file__).parent / "fixtures" / "exporter" / variant / "int8.tflite"
    wide, small = (
        convert_model(source, converter="openvino", time_steps="dynamic", **weights)
        for weights in ({"weights": "fp32"}, {"weights": "int8", "activations": "fp32"})
    )
    shape = [size.get_length() if size.is_static else 9 for size in wide.input("input_node").get_partial_shape()]
    feeds = {"input_node": RNG.standard_normal(shape).astype(np.float32)}
    for state in ("previous_state_c", "previous_state_h"):
        feeds[state] = RNG.normal(0, 0.5, wide.input(state).get_shape()).astype(np.float32)
    for name, wanted in compiled(wide)(feeds).to_dict().items():
        found = compiled(small)(feeds)[name.get_any_name()]
        assert_close(found, wanted, 2e-6)


def test_rows_of_one_value_divide_by_nothing():
    rows = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [-2, -2, -2]], np.float32)
    with np.errstate(all="raise"):
        found = quantize_rows(rows)
    assert_close(found.matrix(), rows, 1e-7)
