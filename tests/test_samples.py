"""Samples from programs: what is taken, and what each mistake is called."""

import array

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.recordings.samples import as_samples
from tests.support.limits import assert_close

RAMP = np.linspace(-0.5, 0.5, 9)


@pytest.mark.parametrize(
    "samples",
    [
        RAMP, RAMP.astype(np.float32), RAMP.astype(">f4"), RAMP.astype(np.longdouble), RAMP.tolist(),
        (RAMP * 32768).astype(np.int16), (RAMP * 32768).astype(">i2"), array.array("f", RAMP),
        array.array("h", (RAMP * 32768).astype(int).tolist()), np.repeat(RAMP, 2)[::2], RAMP.astype(np.float16),
    ],
)  # fmt: skip
def test_samples_of_every_kind_become_floats(samples):
    found = as_samples(samples)
    assert found.dtype == np.float32
    assert found.dtype.isnative
    assert_close(found, RAMP, 1e-7)


def test_a_recording_that_was_made_too_loud_is_taken():
    np.testing.assert_array_equal(as_samples(np.float32([9, -9])), [9, -9])


@pytest.mark.parametrize("samples", [[], np.zeros(0, np.int16), np.zeros(0, object)])
def test_no_samples_are_an_empty_array(samples):
    assert as_samples(samples).shape == (0,)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (RAMP * 32768, "Sample 0 is -16384, and floats are from -1 to 1. Those of 16-bit audio are given as int16"),
        (np.float32([0, 11]), "Sample 1 is 11, and"),
        ([0.0, -1e300], r"Sample 1 is -1e\+300, and"),
        ([0.0, 20000.0, np.nan], "Sample 2 is nan: samples must be finite numbers"),
        ([0.1, np.nan], "Sample 1 is nan"),
        ([np.inf, 0.1], "Sample 0 is inf"),
        ([0.1, -np.inf], "Sample 1 is -inf"),
        ((RAMP * 32768).astype(np.int32), "type int32: floats from -1 to 1, or int16, are needed"),
        (np.zeros(3, np.uint8), "type uint8"),
        (np.zeros(3, bool), "type bool"),
        (np.zeros(3, complex), "type complex128"),
        (["a", "b"], "type <U1"),
        ([None, 1.0], "type object"),
        (np.zeros((3, 2), np.float32), r"shape \[3, 2\], one channel \[N\] is needed: mix the channels first"),
        (np.zeros((1, 3), np.int16), r"shape \[1, 3\]"),
        (0.5, r"shape \[\], one channel \[N\] is needed: an array"),
        (None, r"shape \[\]"),
        ([[1.0], [1.0, 2.0]], "not an array of numbers"),
        (b"\0\1", r"are bytes: for 16-bit PCM, give numpy.frombuffer\(samples, numpy.int16\)"),
        (bytearray(2), "are bytes"),
    ],
)
def test_samples_that_are_not_audio_are_refused_with_the_place(samples, reason):
    with pytest.raises(RecipeError, match=reason):
        as_samples(samples)


def test_the_place_in_a_recording_is_said():
    with pytest.raises(RecipeError, match="Sample 102 is nan"):
        as_samples([0.0, 0.0, np.nan], 100)
