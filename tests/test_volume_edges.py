"""Promise: edges of volumes, which one sweep makes, are right at every size, however it is cut."""

import itertools

import numpy as np
import pytest
import reference
from helpers import MODES, same_bits, slow

import fastsep
from fastsep._plan import operators, tuning

OPERATORS = ("sobel", "scharr", "prewitt")


def check(operator, shape, mode, dtype, rng):
    image = (300 + rng.random(shape)).astype(dtype)
    what = operators.edges(operator, 3, (0, 1, 2))
    expected = reference.exact(what, image, modes=(mode,) * 3, cval=300.0)
    result = getattr(fastsep, operator)(image, mode=mode, cval=300.0)
    # Of a range of about one: nothing is lost of values that stand at 300.
    error = 2e-6 if dtype == "float32" else 1e-12
    assert np.abs(result - expected).max() <= error, (operator, shape, mode)


# Rows of up to eight vectors are copied; a vector has 2 to 16 values, and strips two or four rows.
@pytest.mark.parametrize("dtype", ["float32", *slow("float64")])
@pytest.mark.parametrize("width", [127, 131, *slow(1, 7, 8, 16, 17, 63, 64, 65, 71, 72, 73, 128, 129, 143, 144, 145)])
def test_widths_around_every_switch(width, dtype, rng):
    for number, (depth, height) in enumerate(itertools.product((1, 2, 4), (1, 2, 3, 4, 5, 9))):
        check(OPERATORS[number % 3], (depth, height, width), MODES[number % 5], dtype, rng)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_every_small_volume(depth, rng):
    for number, (height, width) in enumerate(itertools.product(range(1, 11), range(1, 36))):
        check(OPERATORS[number % 3], (depth, height, width), MODES[number % 5], "float32", rng)


@pytest.mark.parametrize("operator", ["sobel", *slow("scharr")])
def test_windows_and_bands_change_no_bit(operator, rng, monkeypatch):
    image = rng.random((9, 37, 150), np.float32)
    run = getattr(fastsep, operator)
    expected = run(image, workers=1)
    for window, units, workers in ((1, 1, 1), (1 << 30, 1, 1), (20_000, 1, 3), (1 << 30, 1000, 16)):
        monkeypatch.setattr(tuning, "SWEEP_WINDOW", window)
        monkeypatch.setattr(tuning, "SWEEP_UNITS", units)
        monkeypatch.setattr(tuning, "SHARED_WORK", 1.0)
        monkeypatch.setattr(tuning, "WOKEN_WORK", 1.0)
        monkeypatch.setattr(tuning, "BAND_WORK", 1.0)
        fastsep.clear_caches()
        assert same_bits(run(image, workers=workers), expected)


@pytest.mark.parametrize("mode", ["reflect", *slow("wrap", "constant", "mirror", "nearest")])
def test_chunks_change_no_bit(mode, rng):
    dask = pytest.importorskip("dask.array")
    image = rng.random((10, 21, 140), np.float32)
    for chunks in ((3, 8, 50), (1, 21, 33), (10, 1, 140)):
        lazy = dask.from_array(image, chunks=chunks)
        assert same_bits(fastsep.scharr(lazy, mode=mode).compute(), fastsep.scharr(image, mode=mode))


def test_explain_names_the_sweep():
    plan = fastsep.explain(fastsep.sobel, np.zeros((9, 9, 9), np.float32))
    assert plan.strategy == "sweep"
    assert plan.halo == ((1, 1),) * 3
    assert fastsep.explain(fastsep.farid, np.zeros((9, 9, 9), np.float32)).strategy == "lines"


@pytest.mark.parametrize("name", ["sobel", pytest.param("scharr", marks=pytest.mark.slow)])
def test_a_magnitude_overflows_no_sooner_than_squares_of_derivatives(name, rng):
    image = rng.random((5, 6, 40), np.float32)
    large = np.float32(1e19)
    found = getattr(fastsep, name)(image * large)
    np.testing.assert_allclose(found, getattr(fastsep, name)(image) * large, rtol=1e-5)
